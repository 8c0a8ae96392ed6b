"""The documents that make clients come to us: RFC 9728 (protected resource) and RFC 8414 (authorization server).

Owns where a document comes from: the MCP server's own, the IdP's, or none of both, and then made from configuration.
What is in it, `oauth.metadata` decides by allow-list. A source that fails is a source that is not there: documents are
served while the IdP is down. Without a live pool there is no document (design 7).
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from sidecar.directory import Directory, Issuer, Server
from sidecar.oauth.metadata import Capabilities, authorization_server, protected_resource
from sidecar.upstream.base import Documents, UpstreamError

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Discovery:
    directory: Directory
    documents: Documents
    capabilities: Capabilities
    """Without scopes: those are the issuer's."""

    async def protected_resource(self, authority: str, path: str) -> Document | None:
        """The RFC 9728 document whose path, after the well-known segment, is this; None when nothing is there.

        The root has the document of the only server of its host, wherever that one lives (clients look there first).
        """
        servers = self.directory.servers_on(authority)
        slash = path.endswith("/") and path != "/"
        server = next((server for server in servers if server.path == path.rstrip("/")), None)
        if server is None and path in {"", "/"} and len(servers) == 1:
            server = servers[0]
        if server is None or path.endswith("//"):
            return None
        issuer = self.directory.issuer(server.issuer)
        if issuer is None or self.directory.pool_of(server) is None:
            return None
        source = await _or_none(self.documents.origin_resource_metadata(server))
        resource = f"{server.resource.rstrip('/')}/" if slash else server.resource
        return protected_resource(resource, issuer.url, server.base_scopes, source)

    async def authorization_server(self, authority: str, path: str) -> Document | None:
        """The RFC 8414 document of the issuer with exactly this authority and path."""
        path = path.removesuffix("/")
        issuer = self.directory.issuer_at(authority, path + "/")
        if issuer is None or issuer.path != path or self.directory.pool_of(issuer) is None:
            return None
        servers = self.directory.servers_of(issuer)
        # Base scopes only: clients ask for everything that stands here when a server names none (RFC 8414 2).
        scopes = tuple(dict.fromkeys(scope for server in servers for scope in server.base_scopes))
        source = await self._source(issuer, servers)
        capabilities = replace(self.capabilities, scopes=scopes, jwks=self.directory.asserts_identity(issuer))
        return authorization_server(issuer.url, capabilities, source)

    async def _source(self, issuer: Issuer, servers: tuple[Server, ...]) -> Document | None:
        """The first server's own document, else the IdP's; all asked at once, so that those that hang cost one wait."""
        pool = self.directory.pool_of(issuer)
        asked = [_or_none(self.documents.origin_server_metadata(server)) for server in servers]
        if pool is not None:
            asked.append(_or_none(self.documents.provider_metadata(pool)))
        found = await asyncio.gather(*asked)
        return next((document for document in found if document is not None), None)


async def _or_none(reading: Awaitable[Document | None]) -> Document | None:
    try:
        return await reading
    except UpstreamError:
        return None

"""Metadata that others publish, for our own documents to build on: `upstream.base.Documents`.

Owns where a server's own documents are looked for and whether they speak of that server. Never raises: a document that
cannot be had or believed is None, and the last good copy outlives a failure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sidecar.clock import Monotonic
from sidecar.directory import PRM, Server, canonical_authority
from sidecar.records import Pool
from sidecar.upstream.answers import judge_document
from sidecar.upstream.base import UpstreamError
from sidecar.upstream.cache import LastGood
from sidecar.upstream.discovery import Discovery
from sidecar.upstream.http import DOCUMENT_BYTES, Http, Route
from sidecar.upstream.messages import document_request
from sidecar.upstream.quirks import PRESETS

_FRESH = 60.0
_RETRY = 5.0
_SERVER_METADATA = "/.well-known/oauth-authorization-server"
_ORIGIN = Route("origin")

_Document = dict[str, Any]
_Accepts = Callable[[_Document, Server, bool], bool]


@dataclass(slots=True)
class DocumentReader:
    """Implements `Documents`. Use `client.open_upstream`."""

    http: Http
    discovery: Discovery
    monotonic: Monotonic
    _cache: LastGood[tuple[str, str, str, str], _Document | None] = field(init=False)

    def __post_init__(self) -> None:
        self._cache = LastGood(self.monotonic, fresh=_FRESH, retry=_RETRY)

    async def provider_metadata(self, pool: Pool) -> Mapping[str, object] | None:
        if pool.provider not in PRESETS:
            return None
        try:
            return await self.discovery.document(pool, PRESETS[pool.provider], seconds=self.http.total_seconds)
        except UpstreamError:
            return None

    async def origin_resource_metadata(self, server: Server) -> Mapping[str, object] | None:
        return await self._origin(server, PRM, _speaks_of_server)

    async def origin_server_metadata(self, server: Server) -> Mapping[str, object] | None:
        return await self._origin(server, _SERVER_METADATA, _names_itself)

    async def close(self) -> None:
        await self._cache.close()

    async def _origin(self, server: Server, place: str, accepts: _Accepts) -> _Document | None:
        async def load() -> _Document | None:
            return await self._load(server, place, accepts)

        try:
            key = (place, server.origin, server.resource, server.path)
            return await self._cache.get(key, load, seconds=self.http.total_seconds)
        except UpstreamError:
            return None

    async def _load(self, server: Server, place: str, accepts: _Accepts) -> _Document | None:
        """RFC 9728 3.1, RFC 8414 3.1: at the path's own address, then at the root's, which may speak of another."""
        for path in dict.fromkeys((server.path, "")):
            found = await self.http.call(
                document_request(f"{server.origin.rstrip('/')}{place}{path}"),
                judge_document,
                route=_ORIGIN,
                operation="origin_metadata",
                limit=DOCUMENT_BYTES,
            )
            if found is not None and accepts(found, server, path == server.path):
                return found
        return None


def _speaks_of_server(document: _Document, server: Server, own: bool) -> bool:  # noqa: FBT001 - a callback
    """The document at the root may be about a neighbour: its `resource` must then be this path's, or the host's.

    The host in it is not compared: behind us the server may know itself under another name.
    """
    if own:
        return True
    resource = document.get("resource")
    return isinstance(resource, str) and _path(resource) in {"", server.path}


def _names_itself(document: _Document, server: Server, _own: bool) -> bool:  # noqa: FBT001 - a callback
    """RFC 8414 3.3 for a document read behind a proxy: its issuer lives where the resource or the origin does."""
    issuer = document.get("issuer")
    return isinstance(issuer, str) and _origin(issuer) in {_origin(server.resource), _origin(server.origin)}


def _path(url: str) -> str | None:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return None


def _origin(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        return (parts.scheme, canonical_authority(url)) if parts.hostname else None
    except ValueError:
        return None

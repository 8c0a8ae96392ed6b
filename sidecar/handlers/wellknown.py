"""GET /.well-known/*: the two documents we publish, at every location that clients try; JSON 404 at every other.

OpenID configuration is one of the others. A document there has to be a complete OpenID one, with a `jwks_uri` and
signed id tokens, or MCP clients refuse it; we issue no id token, so 404 sends them on to the RFC 8414 location.
"""

import hashlib
from dataclasses import dataclass

import orjson
from aiohttp import hdrs, web

from sidecar.directory import PRM, unambiguous
from sidecar.discovery import Discovery, Document
from sidecar.handlers.middleware import JSON, authority_of, path_of, preflight
from sidecar.oauth.errors import NotFound

AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
_CACHE = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class WellKnown:
    """Its paths are the host's: the well-known segment stands before an issuer's path (RFC 8414 3, RFC 9728 3)."""

    discovery: Discovery

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(PRM + "{path:(/.*)?}", self.protected_resource),
            web.get(AUTHORIZATION_SERVER + "{path:(/.*)?}", self.authorization_server),
            web.get("/.well-known/{path:.*}", self.elsewhere),
            web.options("/.well-known/{path:.*}", preflight),
        ]

    async def protected_resource(self, request: web.Request) -> web.Response:
        path = _inserted(request, PRM)
        return _answer(request, await self.discovery.protected_resource(authority_of(request), path))

    async def authorization_server(self, request: web.Request) -> web.Response:
        path = _inserted(request, AUTHORIZATION_SERVER)
        return _answer(request, await self.discovery.authorization_server(authority_of(request), path))

    async def elsewhere(self, _request: web.Request) -> web.Response:
        raise NotFound(reason="no document of this kind")


def _inserted(request: web.Request, segment: str) -> str:
    """What stands after the well-known segment, as sent: never decoded, never normalised."""
    path = path_of(request)
    if not unambiguous(path) or not path.startswith(segment):
        raise NotFound(reason="not a path that everybody reads alike")
    return path.removeprefix(segment)


def _answer(request: web.Request, document: Document | None) -> web.Response:
    if document is None:
        raise NotFound(reason="no document here")
    body = orjson.dumps(document)
    headers = {"Cache-Control": _CACHE, "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
    known = request.headers.get(hdrs.IF_NONE_MATCH, "")
    if known == "*" or headers["ETag"] in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers, content_type=JSON)

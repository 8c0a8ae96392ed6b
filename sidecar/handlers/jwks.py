"""GET <issuer>/.well-known/jwks.json: the keys that verify our identity assertions (RFC 7517 5).

404 at an issuer whose servers all get upstream tokens: there is nothing to verify.
"""

from dataclasses import dataclass

import orjson
from aiohttp import hdrs, web

from sidecar.directory import Directory
from sidecar.handlers.middleware import ISSUER
from sidecar.identity_assertions import IdentityAssertions
from sidecar.oauth.errors import NotFound

_CACHE = "public, max-age=300"
"""No longer than a new key is known before it signs."""


@dataclass(frozen=True, slots=True)
class JwksEndpoint:
    directory: Directory
    assertions: IdentityAssertions

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/.well-known/jwks.json", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        issuer = request[ISSUER]
        if not self.directory.asserts_identity(issuer):
            raise NotFound(reason="no server of this issuer gets assertions")
        return web.Response(
            body=orjson.dumps(self.assertions.key_set(issuer.url)),
            content_type="application/jwk-set+json",
            headers={hdrs.CACHE_CONTROL: _CACHE},
        )

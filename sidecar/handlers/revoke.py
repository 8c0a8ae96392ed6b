"""POST /revoke (RFC 7009): 200 for whatever is dead afterwards, 503 when that is not certain."""

from dataclasses import dataclass

from aiohttp import hdrs, web

from sidecar.clients import Clients
from sidecar.grants.revocation import Revocation
from sidecar.handlers.middleware import FORM, ISSUER, NO_STORE, POOL, read_body
from sidecar.oauth.params import revocation_request


@dataclass(frozen=True, slots=True)
class RevokeEndpoint:
    clients: Clients
    revocation: Revocation

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/revoke", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        asked = revocation_request(await read_body(request, FORM), request.headers.get(hdrs.AUTHORIZATION))
        issuer, pool = request[ISSUER], request[POOL]
        basic = hdrs.AUTHORIZATION in request.headers
        client = await self.clients.authenticate(issuer, pool, asked.credentials, basic=basic)
        await self.revocation.revoke(asked, client, pool, issuer)
        return web.Response(headers=NO_STORE)

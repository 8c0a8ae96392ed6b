"""POST /revoke (RFC 7009): 200 for whatever is dead afterwards, 503 when that is not certain."""

from dataclasses import dataclass

from aiohttp import web

from sidecar.clients import Clients
from sidecar.grants.revocation import Revocation
from sidecar.handlers.client_form import read_client_form
from sidecar.handlers.middleware import ISSUER, NO_STORE, POOL
from sidecar.oauth.params import revocation_request


@dataclass(frozen=True, slots=True)
class RevokeEndpoint:
    clients: Clients
    revocation: Revocation

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/revoke", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        body, authorization = await read_client_form(request)
        asked = revocation_request(body, authorization)
        issuer, pool = request[ISSUER], request[POOL]
        client = await self.clients.authenticate(issuer, pool, asked.credentials, basic=authorization is not None)
        await self.revocation.revoke(asked, client, pool, issuer)
        return web.Response(headers=NO_STORE)

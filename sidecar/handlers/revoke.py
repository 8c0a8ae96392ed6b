"""POST /revoke (RFC 7009): 200 for whatever is dead afterwards, 503 when that is not certain."""

from dataclasses import dataclass, field

from aiohttp import web

from sidecar.clients import Clients
from sidecar.events import Recorder, RevocationRefused
from sidecar.grants.revocation import Revocation
from sidecar.handlers.client_form import read_client_form
from sidecar.handlers.middleware import ISSUER, KNOWN_FAILURES, NO_STORE, POOL, protocol_error, source_of
from sidecar.handlers.turns import Turns
from sidecar.limits import RateLimits
from sidecar.oauth.params import RevocationRequest, revocation_request


@dataclass(frozen=True, slots=True)
class RevokeEndpoint:
    clients: Clients
    limits: RateLimits
    revocation: Revocation
    recorder: Recorder
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/revoke", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        issuer, pool = request[ISSUER], request[POOL]
        asked: RevocationRequest | None = None
        try:
            body, authorization = await read_client_form(request)
            asked = revocation_request(body, authorization)
            source, basic = source_of(request), authorization is not None
            async with self.turns.one(), self.limits.authentication(source, asked.credentials):
                client = await self.clients.authenticate(issuer, pool, asked.credentials, basic=basic, source=source)
            await self.revocation.revoke(asked, client, pool, issuer)
        except KNOWN_FAILURES as failure:
            error = protocol_error(failure)
            name = asked.credentials.client_id if asked else ""
            self.recorder(RevocationRefused(issuer=issuer.url, error=error.code, detail=error.reason, client=name))
            raise
        return web.Response(headers=NO_STORE)

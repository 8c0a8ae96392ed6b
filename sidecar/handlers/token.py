"""POST /token (RFC 6749 3.2): authenticate the client, then hand over to redemption or rotation."""

from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from sidecar.clients import Clients
from sidecar.clock import Clock
from sidecar.events import Recorder, TokenRefused
from sidecar.grants.answer import TokenAnswer
from sidecar.grants.redemption import Redemption
from sidecar.grants.rotation import Rotation
from sidecar.handlers.client_form import read_client_form
from sidecar.handlers.middleware import ISSUER, KNOWN_FAILURES, POOL, json_response, protocol_error, source_of
from sidecar.handlers.turns import Turns
from sidecar.limits import RateLimits
from sidecar.oauth.errors import OAuthError
from sidecar.oauth.params import CodeRequest, RefreshRequest, token_request
from sidecar.store.base import StoreError


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    clients: Clients
    limits: RateLimits
    redemption: Redemption
    rotation: Rotation
    clock: Clock
    recorder: Recorder
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/token", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        asked: CodeRequest | RefreshRequest | None = None
        try:
            body, authorization = await read_client_form(request)
            asked = token_request(body, authorization)
            answer = await self._answer(request, asked, basic=authorization is not None)
        except KNOWN_FAILURES as failure:
            self._refused(request, asked, protocol_error(failure))
            raise
        return json_response(answer.document(self.clock()))

    async def _answer(self, request: web.Request, asked: CodeRequest | RefreshRequest, *, basic: bool) -> TokenAnswer:
        issuer, pool, source = request[ISSUER], request[POOL], source_of(request)
        async with self.turns.one(), self.limits.authentication(source, asked.credentials):
            client = await self.clients.authenticate(issuer, pool, asked.credentials, basic=basic, source=source)
        if isinstance(asked, CodeRequest):
            answer = await self.redemption.redeem(asked, client, issuer)
        else:
            answer = await self.rotation.refresh(asked, client, pool, issuer)
        with suppress(StoreError):  # the tokens stand, whether or not the registry hears of it
            await self.clients.used(client)
        return answer

    def _refused(self, request: web.Request, asked: CodeRequest | RefreshRequest | None, error: OAuthError) -> None:
        flows = {CodeRequest: "authorization_code", RefreshRequest: "refresh_token"}
        self.recorder(
            TokenRefused(
                issuer=request[ISSUER].url,
                flow=flows.get(type(asked), "unknown"),
                error=error.code,
                detail=error.reason,
                client=asked.credentials.client_id if asked else "",
            )
        )

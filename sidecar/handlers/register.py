"""POST /register (RFC 7591 3). Owns the HTTP form only: who may register what, `clients` and its policy decide."""

from dataclasses import dataclass, field

from aiohttp import hdrs, web

from sidecar.clients.registered import Admission, Registered, open_to_all
from sidecar.events import Recorder, RegistrationRefused
from sidecar.handlers.middleware import (
    ISSUER,
    JSON,
    KNOWN_FAILURES,
    POOL,
    json_response,
    protocol_error,
    read_body,
    source_of,
)
from sidecar.handlers.turns import Turns
from sidecar.initial_access import InitialAccess
from sidecar.limits import RateLimits
from sidecar.oauth.errors import InvalidClientMetadata, OAuthError
from sidecar.oauth.params import bearer
from sidecar.oauth.registration import parse_json


@dataclass(frozen=True, slots=True)
class RegisterEndpoint:
    registered: Registered
    limits: RateLimits
    recorder: Recorder
    initial_access: InitialAccess | None = None
    """None: anybody may register, and an Authorization header means nothing."""
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/register", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        issuer, source = request[ISSUER], source_of(request)
        try:
            async with self.turns.one():
                await self.limits.registration(request[POOL], source)
                admit = await self._admission(request)
                await self.limits.admitted(request[POOL], source)
            # A page of any origin can send a form or text/plain without a preflight; JSON it cannot.
            body = await read_body(request, JSON, otherwise=InvalidClientMetadata)
            async with self.turns.one():
                document = await self.registered.register(issuer, parse_json(body), source, admit)
        except KNOWN_FAILURES as failure:
            error = protocol_error(failure)
            self.recorder(RegistrationRefused(issuer=issuer.url, error=error.code, detail=error.reason, source=source))
            raise
        return json_response(document, status=201)

    async def _admission(self, request: web.Request) -> Admission:
        if self.initial_access is None:
            return open_to_all
        try:
            token = bearer(request.headers.getall(hdrs.AUTHORIZATION, []))
        except OAuthError:
            token = ""
        return await self.initial_access.admission(request[POOL], token)

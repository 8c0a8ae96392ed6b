"""POST /register (RFC 7591 3). Owns the HTTP form only: who may register what, `clients` and its policy decide."""

from dataclasses import dataclass

from aiohttp import web

from sidecar.clients import Clients
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
from sidecar.limits import RateLimits
from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.oauth.registration import parse_json


@dataclass(frozen=True, slots=True)
class RegisterEndpoint:
    clients: Clients
    limits: RateLimits
    recorder: Recorder

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/register", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        issuer, source = request[ISSUER], source_of(request)
        try:
            await self.limits.registration(request[POOL], source)
            # A page of any origin can send a form or text/plain without a preflight; JSON it cannot.
            body = await read_body(request, JSON, otherwise=InvalidClientMetadata)
            document = await self.clients.register(issuer, parse_json(body), source)
        except KNOWN_FAILURES as failure:
            error = protocol_error(failure)
            self.recorder(RegistrationRefused(issuer=issuer.url, error=error.code, detail=error.reason, source=source))
            raise
        return json_response(document, status=201)

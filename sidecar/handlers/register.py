"""POST /register (RFC 7591 3). Owns the HTTP form only: who may register what, `clients` and its policy decide."""

from dataclasses import dataclass

from aiohttp import web

from sidecar.clients import Clients
from sidecar.handlers.middleware import ISSUER, JSON, json_response, read_body, source_of
from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.oauth.registration import parse_json


@dataclass(frozen=True, slots=True)
class RegisterEndpoint:
    clients: Clients

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/register", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        # A page of any origin can send a form or text/plain without a preflight; JSON it cannot.
        body = await read_body(request, JSON, otherwise=InvalidClientMetadata)
        document = await self.clients.register(request[ISSUER], parse_json(body), source_of(request))
        return json_response(document, status=201)

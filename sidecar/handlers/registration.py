"""GET, PUT and DELETE /register/{client_id} (RFC 7592 2). Owns the HTTP form only: `management` decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from sidecar.clients.turns import aside
from sidecar.events import Recorder, RegistrationRefused
from sidecar.handlers.middleware import (
    ISSUER,
    JSON,
    KNOWN_FAILURES,
    NO_STORE,
    POOL,
    json_response,
    path_of,
    protocol_error,
    read_body,
    source_of,
)
from sidecar.handlers.turns import Turns
from sidecar.limits import RateLimits
from sidecar.management import Management
from sidecar.oauth.errors import InvalidClientMetadata, OAuthError
from sidecar.oauth.params import bearer
from sidecar.oauth.registration import parse_json

_PATH = "/register/{client_id}"


@dataclass(frozen=True, slots=True)
class RegistrationEndpoint:
    management: Management
    limits: RateLimits
    recorder: Recorder
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.read, allow_head=False),
            web.put(_PATH, self.replace),
            web.delete(_PATH, self.delete),
        ]

    async def read(self, request: web.Request) -> web.Response:
        async with self._attempt(request) as credentials:
            document = await self.management.read(request[ISSUER], request[POOL], *credentials)
        return json_response(document)

    async def replace(self, request: web.Request) -> web.Response:
        issuer, pool, source = request[ISSUER], request[POOL], source_of(request)
        async with self._attempt(request) as credentials:
            client = await self.management.client(issuer, pool, *credentials)
            async with aside():
                body = parse_json(await read_body(request, JSON, otherwise=InvalidClientMetadata))
            document = await self.management.replace(issuer, pool, client, body, source)
        return json_response(document)

    async def delete(self, request: web.Request) -> web.Response:
        async with self._attempt(request) as credentials:
            await self.management.delete(request[ISSUER], request[POOL], *credentials, source_of(request))
        return web.Response(status=204, headers=NO_STORE)

    @asynccontextmanager
    async def _attempt(self, request: web.Request) -> AsyncIterator[tuple[str, str]]:
        """Around everything: gives the credentials, bounds how often they may be guessed, tells every refusal."""
        credentials, source = _credentials(request), source_of(request)
        try:
            async with self.turns.one(), self.limits.management(source, *credentials):
                yield credentials
        except KNOWN_FAILURES as failure:
            error = protocol_error(failure)
            self.recorder(
                RegistrationRefused(issuer=request[ISSUER].url, error=error.code, detail=error.reason, source=source)
            )
            raise


def _credentials(request: web.Request) -> tuple[str, str]:
    """The id as it stands in the path, undecoded, and the token; empty for whatever is none."""
    client_id = path_of(request).rpartition("/")[2]
    try:
        return client_id, bearer(request.headers.getall(hdrs.AUTHORIZATION, []))
    except OAuthError:
        return client_id, ""

"""GET, PUT and DELETE /register/{client_id} (RFC 7592 2). Owns the HTTP form only: `management` decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web

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
from sidecar.management import Management
from sidecar.oauth.errors import InvalidClientMetadata, OAuthError
from sidecar.oauth.params import bearer
from sidecar.oauth.registration import parse_json

_PATH = "/register/{client_id}"


@dataclass(frozen=True, slots=True)
class RegistrationEndpoint:
    management: Management
    recorder: Recorder

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.read, allow_head=False),
            web.put(_PATH, self.replace),
            web.delete(_PATH, self.delete),
        ]

    async def read(self, request: web.Request) -> web.Response:
        with self._refusals(request):
            document = await self.management.read(request[ISSUER], request[POOL], *_credentials(request))
        return json_response(document)

    async def replace(self, request: web.Request) -> web.Response:
        issuer, pool, source = request[ISSUER], request[POOL], source_of(request)
        with self._refusals(request):
            client = await self.management.client(issuer, pool, *_credentials(request))
            body = parse_json(await read_body(request, JSON, otherwise=InvalidClientMetadata))
            document = await self.management.replace(issuer, pool, client, body, source)
        return json_response(document)

    async def delete(self, request: web.Request) -> web.Response:
        with self._refusals(request):
            await self.management.delete(request[ISSUER], request[POOL], *_credentials(request), source_of(request))
        return web.Response(status=204, headers=NO_STORE)

    @contextmanager
    def _refusals(self, request: web.Request) -> Iterator[None]:
        try:
            yield
        except KNOWN_FAILURES as failure:
            error, source = protocol_error(failure), source_of(request)
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

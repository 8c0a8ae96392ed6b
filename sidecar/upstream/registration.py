"""Registering ourselves at a provider: the calls (RFC 7591, RFC 7592), and finding where (RFC 9728, RFC 8414).

Owns which addresses are asked. The MCP server's documents are read at its configured origin only, whatever host its
challenge names; of the authorization servers that it names, none is asked for anything before the settings allow it.
What is sent and how answers are judged is `registration_messages`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from sidecar.clock import Clock
from sidecar.directory import Server, browser_origin
from sidecar.records import Pool
from sidecar.upstream.answers import Answer, judge_document
from sidecar.upstream.base import Documents, UpstreamError, UpstreamMisconfigured
from sidecar.upstream.discovery import Discovery, route_of
from sidecar.upstream.http import DOCUMENT_BYTES, Http, Route
from sidecar.upstream.messages import JSON, Request, document_request
from sidecar.upstream.provider import is_safe_url
from sidecar.upstream.quirks import PRESETS, Quirks
from sidecar.upstream.registration_answers import judge_deletion, judge_managed, judge_registration
from sidecar.upstream.registration_messages import (
    AuthorizationServer,
    Registered,
    RegistrationNotAllowed,
    RegistrationNotOffered,
    Wanted,
    allowed_issuers,
    authorization_server,
    challenged_metadata,
    deletion_request,
    named_servers,
    read_request,
    registration_request,
    update_request,
    wanted,
)

ANSWER_BYTES = 64 * 1024
_ORIGIN = Route("origin")
# What a client's first message may be without a session; a server that lets it in has nothing to register for.
_PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
_PING_HEADERS = {"Accept": f"{JSON}, text/event-stream", "Content-Type": JSON}


@dataclass(frozen=True, slots=True)
class Registrar:
    http: Http
    discovery: Discovery
    documents: Documents
    clock: Clock

    async def find(self, pool: Pool, servers: Sequence[Server]) -> AuthorizationServer:
        """The pool's authorization server: its issuer, else what its MCP servers name. Raises UpstreamError."""
        quirks = _quirks(pool)
        issuer = pool.issuer or quirks.issuer
        allowed = allowed_issuers(pool, quirks)
        if not issuer:
            issuer = await self._named(pool, servers, allowed)
        if issuer not in allowed:
            raise RegistrationNotAllowed(f"{issuer} is not among registration.allowed_issuers")
        if not is_safe_url(issuer):
            raise UpstreamMisconfigured("the issuer is not an https URL")
        found = await self.discovery.document(replace(pool, issuer=issuer), quirks, seconds=self.http.total_seconds)
        if found is None:
            raise RegistrationNotOffered("it publishes no metadata")
        return authorization_server(found, issuer=issuer)

    def wanted(self, pool: Pool, server: AuthorizationServer, *, redirect_uris: tuple[str, ...], name: str) -> Wanted:
        return wanted(pool, _quirks(pool), server, redirect_uris=redirect_uris, name=name)

    async def register(self, pool: Pool, server: AuthorizationServer, asked: Wanted) -> Registered:
        """Raises UpstreamUnknown when there may be a registration now that nobody knows of."""
        token = pool.registration.initial_access_token if pool.registration else ""
        request, now = registration_request(server, asked, token), self.clock()
        return await self.http.call(
            request,
            lambda answer: judge_registration(answer, server, asked, now=now),
            route=route_of(pool),
            operation="register",
            limit=ANSWER_BYTES,
        )

    async def read(self, pool: Pool, known: Registered) -> Registered:
        return await self._managed(pool, known, read_request(known), "registration_read")

    async def update(self, pool: Pool, known: Registered, asked: Wanted) -> Registered:
        return await self._managed(pool, known, update_request(known, asked), "registration_update", asked)

    async def delete(self, pool: Pool, known: Registered) -> None:
        await self.http.call(
            deletion_request(known),
            judge_deletion,
            route=route_of(pool),
            operation="registration_delete",
            limit=ANSWER_BYTES,
        )

    async def _managed(
        self, pool: Pool, known: Registered, request: Request, operation: str, asked: Wanted | None = None
    ) -> Registered:
        now = self.clock()
        return await self.http.call(
            request,
            lambda answer: judge_managed(answer, known, now=now, asked=asked),
            route=route_of(pool),
            operation=operation,
            limit=ANSWER_BYTES,
        )

    async def _named(self, pool: Pool, servers: Sequence[Server], allowed: Sequence[str]) -> str:
        named: list[str] = []
        for server in servers:
            named += await self._named_by(server)
        for issuer in named:
            if issuer in allowed:
                return issuer
        if named:
            raise RegistrationNotAllowed(f"{', '.join(named[:3])}: not among registration.allowed_issuers")
        raise RegistrationNotOffered(f"pool {pool.name} has no issuer, and no MCP server of it names one")

    async def _named_by(self, server: Server) -> tuple[str, ...]:
        """As a client would: call it, follow the challenge, else look where the metadata usually is."""
        found: Mapping[str, object] | None = None
        if place := await self._challenged(server):
            try:
                found = await self.http.call(
                    document_request(place),
                    judge_document,
                    route=_ORIGIN,
                    operation="origin_metadata",
                    limit=DOCUMENT_BYTES,
                )
            except UpstreamError:
                found = None
        found = found or await self.documents.origin_resource_metadata(server)
        return named_servers(found) if found else ()

    async def _challenged(self, server: Server) -> str:
        """The address of the server's metadata behind Envoy, if its challenge names one of its own."""
        request = Request("POST", f"{server.origin}{server.path}", _PING_HEADERS, _PING)
        try:
            answer = await self.http.call(
                request, _any_answer, route=_ORIGIN, operation="challenge", limit=DOCUMENT_BYTES
            )
        except UpstreamError:
            return ""
        url = challenged_metadata(answer.challenges)
        if not is_safe_url(url) or browser_origin(url) not in {browser_origin(server.origin), server.resource_origin}:
            return ""
        parts = urlsplit(url)
        return f"{server.origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _any_answer(answer: Answer) -> Answer:
    return answer


def _quirks(pool: Pool) -> Quirks:
    if pool.provider not in PRESETS:
        raise UpstreamMisconfigured("there is no such provider preset")
    return PRESETS[pool.provider]

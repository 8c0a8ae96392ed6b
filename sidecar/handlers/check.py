"""Envoy's HTTP ext_authz: one decision per MCP request, and only a 200 lets it through.

Owns the HTTP form of the decision: challenge, CORS, which headers the MCP server gets and loses. Reads the raw
authority and path, never a decoded or forwarded one. Serves nothing else, whatever the path says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from aiohttp import hdrs, web

from sidecar import headers
from sidecar.clock import Monotonic
from sidecar.directory import Directory, Server
from sidecar.events import CallDecided, CredentialPassed, Recorder, UnexpectedError, reference
from sidecar.grants.authorisation import Authorisation
from sidecar.grants.principal import Principal
from sidecar.handlers import cors, header_credentials
from sidecar.handlers.middleware import adopt_reference, frames
from sidecar.oauth.challenge import bearer_challenge
from sidecar.oauth.errors import (
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    NotFound,
    OAuthError,
    TemporarilyUnavailable,
)
from sidecar.oauth.params import NoToken, bearer
from sidecar.pools.absence import WhyAbsent
from sidecar.store.base import StoreError

PREFIX = "/check"


class BadOrigin(OAuthError):
    """MCP transport: a browser page of a foreign origin, or a name rebound to us. 403, and no challenge."""

    code, status, default = "invalid_origin", 403, "This origin may not call this server."


_OUTCOMES: dict[type[OAuthError], str] = {
    NoToken: "no_token",
    InvalidToken: "invalid_token",
    InsufficientScope: "insufficient_scope",
    NotFound: "not_found",
    BadOrigin: "bad_origin",
    InvalidRequest: "ambiguous",
}
_RELAY_LOSES = (*headers.IDENTITY, *headers.FOREIGN_IDENTITY)
_NEVER_FORWARDED = ("authorization", "cookie", *_RELAY_LOSES)
_PASSED_LOSES = ("cookie", *_RELAY_LOSES)
_UNPRINTABLE = dict.fromkeys((*range(32), 127), "?")


@dataclass(frozen=True, slots=True)
class _Decision:
    response: web.Response
    outcome: str
    detail: str = ""
    principal: Principal | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class CheckEndpoint:
    directory: Directory
    authorisation: Authorisation
    recorder: Recorder
    monotonic: Monotonic
    why_absent: WhyAbsent

    def routes(self) -> list[web.RouteDef]:
        # Every method and every path is a decision about the path behind the prefix: /check/metrics is about /metrics.
        return [web.route("*", PREFIX + "{original:.*}", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        started = self.monotonic()
        adopt_reference(request.headers.get("x-request-id", ""))
        path = request.raw_path.partition("?")[0].removeprefix(PREFIX)
        authorities = request.headers.getall(hdrs.HOST, [])
        server = self.directory.server_at(authorities[0], path) if len(authorities) == 1 else None
        if server is None:
            decision = _deny(NotFound(reason="no server at this authority and path"))
        else:
            decision = await self._decide(server, request, path)
            if hdrs.ORIGIN in request.headers:  # browsers only: programs pay nothing for CORS
                cors.allow_origin(decision.response, request, _origins(server))
        self._record(request, server, decision, self.monotonic() - started)
        return decision.response

    async def _decide(self, server: Server, request: web.Request, path: str) -> _Decision:
        try:
            _check_origin(server, request)
            if cors.is_preflight(request):
                return _Decision(_preflight(server, request), "preflight")
            pool = self.directory.pool_of(server)
            if pool is None:
                return self._without_pool(server)
            own = server.header_credentials
            if own is not None and (credential := header_credentials.recognised(own, request.headers)):
                return self._pass(server, request, credential)
            token = bearer(request.headers.getall(hdrs.AUTHORIZATION, []))
            principal, remembered = await self.authorisation.authorise(server, pool, token)
            return _allow(server, principal, cached=remembered)
        except OAuthError as error:
            return _deny(error, _challenge(error, server, path))
        except StoreError as error:
            return _deny(TemporarilyUnavailable(reason=f"store: {error}"))
        except Exception as error:  # noqa: BLE001  whatever broke, the answer is a denial
            self.recorder(UnexpectedError(kind=type(error).__name__, frames=frames(error)))
            return _deny(TemporarilyUnavailable(reason=f"unexpected {type(error).__name__}"))

    def _without_pool(self, server: Server) -> _Decision:
        """Deny; or, by the operator's explicit word, relay the request as it is, without identity headers."""
        if server.without_pool == "relay":
            return _Decision(_through({}, _RELAY_LOSES), "relayed")
        return _deny(TemporarilyUnavailable(reason=self.why_absent(server.pool)), outcome="no_pool")

    def _pass(self, server: Server, request: web.Request, credential: str) -> _Decision:
        """The MCP server's own credential goes on untouched, and with it nothing that would say who calls."""
        self.recorder(
            CredentialPassed(
                server=server.name, credential=credential, source=request.headers.get(headers.SOURCE, "")[:64]
            )
        )
        # No grant and no token set: should the MCP server refuse it, there is nothing to mark.
        log = {"client": f"header credential {credential}", "server": server.name, "reference": reference.get()}
        return _Decision(_through(_log_headers(log), _PASSED_LOSES), "passed")

    def _record(self, request: web.Request, server: Server | None, decision: _Decision, seconds: float) -> None:
        grant = decision.principal.grant if decision.principal else None
        self.recorder(
            CallDecided(
                server=server.name if server else "",
                outcome=decision.outcome,
                seconds=seconds,
                client=grant.client_id if grant else "",
                client_name=grant.client_name if grant else "",
                user=grant.identity.subject if grant else "",
                grant=grant.id if grant else "",
                method=request.headers.get("mcp-method", "")[:64],
                detail=decision.detail,
                cached=decision.cached,
            )
        )


def _origins(server: Server) -> frozenset[str]:
    return server.allowed_origins | {server.resource_origin}


def _check_origin(server: Server, request: web.Request) -> None:
    """No Origin is not a browser; a foreign one is refused (MCP transport, DNS rebinding). Raises BadOrigin."""
    origins = request.headers.getall(hdrs.ORIGIN, [])
    if origins and (len(origins) > 1 or origins[0] not in _origins(server)):
        raise BadOrigin(reason="origin not allowed")


def _allow(server: Server, principal: Principal, *, cached: bool) -> _Decision:
    """Every identity header is set here or removed; our token and cookies never reach the MCP server."""
    grant = principal.grant
    if server.inject.mode == "identity":
        given = principal.identity
    else:
        given = {server.inject.header: server.inject.prefix + principal.upstream_token}
    log = {
        "client": grant.client_name or grant.client_id,
        "user": grant.identity.email or grant.identity.subject,
        "grant": grant.id,
        # Names what Envoy reports when the MCP server answers 401. An assertion is no upstream token: nothing to mark.
        "serial": str(principal.upstream_serial or ""),
        "server": server.name,
        "reference": grant.reference,
    }
    removed = [name for name in _NEVER_FORWARDED if name not in given]
    response = _through({**given, **_log_headers(log)}, removed)
    return _Decision(response, "allowed", principal=principal, cached=cached)


def _through(given: Mapping[str, str], removed: Sequence[str]) -> web.Response:
    """The one place that says yes."""
    return web.Response(status=200, headers={**given, headers.REMOVE: ",".join(removed)})


def _preflight(server: Server, request: web.Request) -> web.Response:
    response = cors.preflight(request)
    if server.header_credentials is not None:
        allowed = (response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS], *server.header_credentials.headers)
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = ", ".join(allowed)
    return response


def _deny(error: OAuthError, challenge: str = "", outcome: str = "") -> _Decision:
    response = web.Response(
        status=error.status,
        body=orjson.dumps(error.body()),
        content_type="application/json",
        headers={**error.headers, hdrs.CACHE_CONTROL: "no-store"},
    )
    if challenge:
        response.headers[hdrs.WWW_AUTHENTICATE] = challenge
    return _Decision(response, outcome or _OUTCOMES.get(type(error), "unavailable"), error.reason)


def _challenge(error: OAuthError, server: Server, path: str) -> str:
    """RFC 9728 5.1, for what signing in (again) can mend; empty for everything else."""
    if not isinstance(error, NoToken | InvalidToken | InsufficientScope):
        return ""
    held = error.held if isinstance(error, InsufficientScope) else ()
    return bearer_challenge(
        resource_metadata=server.metadata_url(slash=path == server.path + "/"),
        scope=tuple(dict.fromkeys((*server.base_scopes, *held))),
        error=None if isinstance(error, NoToken) else error.code,
        description=error.description,
    )


def _log_headers(log: Mapping[str, str]) -> dict[str, str]:
    return {headers.LOG_PREFIX + name: _header_text(value) for name, value in log.items() if value}


def _header_text(value: str) -> str:
    """Access-log metadata must be a legal header value: what is not printable ASCII is shown escaped."""
    if value.isascii() and value.isprintable():
        return value
    return value.encode("ascii", "backslashreplace").decode().translate(_UNPRINTABLE)

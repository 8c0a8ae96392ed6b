"""What surrounds every endpoint: the reference id, the one rendering of errors, headers, CORS, the request event.

Owns how a request's authority and path find their issuer, and how a body is read. Owns no endpoint and no page: pages
come in as `error_page`.
"""

import asyncio
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from sidecar import events, headers
from sidecar.clock import Entropy, Monotonic
from sidecar.directory import Directory, Issuer, unambiguous
from sidecar.events import Recorder, RequestServed, UnexpectedError
from sidecar.handlers import cors
from sidecar.oauth.errors import (
    AuthorizationError,
    InvalidClient,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    PayloadTooLarge,
    ServerError,
    TemporarilyUnavailable,
    UnsupportedMediaType,
)
from sidecar.pools.absence import WhyAbsent
from sidecar.records import Pool
from sidecar.store.base import StoreError
from sidecar.upstream.base import UpstreamError, UpstreamUnavailable

KNOWN_FAILURES = (OAuthError, StoreError, UpstreamError)
"""What is raised on purpose: each has a protocol error that says it on the wire."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorPage = Callable[[OAuthError, str], web.StreamResponse]
"""Error and reference id -> the local HTML page (status and headers included)."""

ISSUER = web.RequestKey("issuer", Issuer)
POOL = web.RequestKey("pool", Pool)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY_LIMIT = 64 * 1024
_BODY_SECONDS = 10
_REFERENCE = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
NO_STORE: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store", "Pragma": "no-cache"})

# Browser clients call these and no other endpoint of ours; /authorize and /callback never get CORS (RFC 9700 2.6).
_WELL_KNOWN = "/.well-known/"
_CORS_ENDPOINTS = frozenset({"register", "token", "revoke"})
_PAGE_ENDPOINTS = frozenset({"authorize", "callback"})
_AUTHENTICATING_ENDPOINTS = frozenset({"token", "revoke"})


def json_response(document: object, *, status: int = 200, extra: Mapping[str, str] = NO_STORE) -> web.Response:
    """JSON that nobody keeps, unless the extra headers say otherwise."""
    return web.Response(body=orjson.dumps(document), status=status, headers=extra, content_type="application/json")


def new_reference(entropy: Entropy) -> str:
    """Ten characters (50 bits) that people can read to each other over the phone."""
    number = int.from_bytes(entropy(7), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(0, 50, 5))


def adopt_reference(text: str) -> None:
    """Go by a reference that whoever asks has given, if it can stand in a header and a log; else by the drawn one."""
    if _REFERENCE.fullmatch(text):
        events.reference.set(text)


def authority_of(request: web.Request) -> str:
    """The one Host. It selects among configured names and is never repeated (RFC 9112 3.2)."""
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1 or not request.raw_path.startswith("/"):
        raise InvalidRequest(reason=f"{len(hosts)} Host headers, or not an origin-form target")
    return hosts[0]


def path_of(request: web.Request) -> str:
    """The path as it came, still encoded, without the query."""
    return request.raw_path.partition("?")[0]


def at_issuer(directory: Directory, issuer_path: str, handler: Handler, why_absent: WhyAbsent) -> Handler:
    """`handler` for the issuer at the request's authority whose path this is; 404 for every other, or without a pool.

    A deleted pool takes all of the issuer's endpoints with it (design 7). Where clients authenticate they are told that
    they are unknown: then they forget what they had, and begin anew when there is a pool again (RFC 6749 5.2).
    """

    async def bound(request: web.Request) -> web.StreamResponse:
        path = path_of(request)
        issuer = directory.issuer_at(authority_of(request), path) if unambiguous(path) else None
        if issuer is None or issuer.path != issuer_path:
            raise NotFound(reason="no issuer at this host and path")
        pool = directory.pool_of(issuer)
        if pool is None:
            return _without_pool(request, path, why_absent(issuer.pool))
        request[ISSUER], request[POOL] = issuer, pool
        return await handler(request)

    return bound


def _without_pool(request: web.Request, path: str, why: str) -> web.StreamResponse:
    if path.rpartition("/")[2] not in _AUTHENTICATING_ENDPOINTS:
        raise NotFound(reason=why)
    if request.method == hdrs.METH_OPTIONS:
        return cors.preflight(request)  # or a browser client would not learn it
    raise InvalidClient(reason=why, basic=hdrs.AUTHORIZATION in request.headers)


async def preflight(request: web.Request) -> web.StreamResponse:
    """OPTIONS on an endpoint that browser clients call."""
    return cors.preflight(request)


def allows_cors(path: str) -> bool:
    above, _, last = path.rpartition("/")
    return path.startswith(_WELL_KNOWN) or last in _CORS_ENDPOINTS or above.endswith("/register")


def source_of(request: web.Request) -> str:
    """Who is asking, as Envoy saw it; empty when it did not say (nothing else is believed)."""
    sources = request.headers.getall(headers.SOURCE, [])
    return sources[0].strip()[:64] if len(sources) == 1 else ""


async def read_body(request: web.Request, media_type: str, *, otherwise: type[OAuthError] = InvalidRequest) -> bytes:
    """The body, at most 64 KiB of it, if it says that it is `media_type`; `otherwise` is raised if it does not."""
    if any(coding.strip().lower() != "identity" for coding in request.headers.getall(hdrs.CONTENT_ENCODING, [])):
        raise UnsupportedMediaType(reason="a Content-Encoding")
    declared = request.headers.getall(hdrs.CONTENT_TYPE, [])
    if len(declared) != 1 or declared[0].partition(";")[0].strip().lower() != media_type:
        raise otherwise(f"The content type must be {media_type}.", reason=f"{len(declared)} content types, or another")
    if (request.content_length or 0) > BODY_LIMIT:
        raise PayloadTooLarge(reason="Content-Length over the limit")
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _bounded(request)
    except TimeoutError as error:
        raise InvalidRequest(reason="the body did not arrive in time") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidRequest(reason="the body broke off") from error


async def _bounded(request: web.Request) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise PayloadTooLarge(reason="more than the limit arrived")
    return bytes(body)


@dataclass(frozen=True, slots=True)
class Edge:
    """The outermost middleware of one listener."""

    listener: str
    recorder: Recorder
    entropy: Entropy
    monotonic: Monotonic
    error_page: ErrorPage | None = None
    """None: this listener has no pages, so every error is JSON."""
    records: bool = True
    """Whether a request is an event. A check is not: its decision is."""

    def middleware(self) -> Middleware:
        @web.middleware
        async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.serve(request, handler)

        return edge

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = self.monotonic()
        drawn = new_reference(self.entropy)
        events.reference.set(drawn)
        events.sign_in.set("")  # known again once a token or code has been read
        error: OAuthError | None = None
        try:
            response = await handler(request)
        except AuthorizationError as refusal:
            error = refusal.error
            response = self._refused(refusal)
        except Exception as failure:  # noqa: BLE001 - the one place where everything ends
            error = self._translate(failure)
            response = self._rendered(request, error)
        self._dress(request, response, drawn)
        if self.records or error:  # a check that ended before its decision
            self.recorder(
                RequestServed(
                    listener=self.listener,
                    method=request.method,
                    route=_route(request),
                    status=response.status,
                    seconds=self.monotonic() - started,
                    error=error.code if error else "",
                    detail=error.reason if error else "",
                )
            )
        return response

    def _refused(self, refusal: AuthorizationError) -> web.StreamResponse:
        if refusal.redirect_to is not None:
            # 303, so that a browser never repeats a POST body at the client's URI (RFC 9700 4.12).
            return web.Response(
                status=HTTPStatus.SEE_OTHER, headers={**NO_STORE, "Location": refusal.redirect_to}, body=b""
            )
        return self._page(refusal.error)

    def _rendered(self, request: web.Request, error: OAuthError) -> web.StreamResponse:
        browsing = path_of(request).rpartition("/")[2] in _PAGE_ENDPOINTS
        if browsing and not isinstance(error, NotFound | MethodNotAllowed):
            return self._page(error)
        return _as_json(error)

    def _page(self, error: OAuthError) -> web.StreamResponse:
        return self.error_page(error, events.reference.get()) if self.error_page else _as_json(error)

    def _translate(self, failure: Exception) -> OAuthError:
        """Whatever was raised, as the protocol error that the wire gets."""
        if isinstance(failure, KNOWN_FAILURES):
            return protocol_error(failure)
        if isinstance(failure, web.HTTPException):
            return _from_aiohttp(failure)
        self.recorder(UnexpectedError(kind=type(failure).__name__, frames=frames(failure)))
        return ServerError(reason=f"unexpected {type(failure).__name__}")

    def _dress(self, request: web.Request, response: web.StreamResponse, drawn: str) -> None:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers[hdrs.SERVER] = "dcr-sidecar"  # instead of library versions
        # A handler may know better: the sign-in's own reference, or the id that Envoy gave a checked request.
        reference = events.reference.get()
        response.headers[headers.REFERENCE] = reference if _REFERENCE.fullmatch(reference) else drawn
        if self.listener == "oauth" and allows_cors(path_of(request)):
            # Whether or not this request names an Origin: a cached answer may serve a page later. Never credentials.
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = cors.EXPOSED_HEADERS


def protocol_error(failure: OAuthError | StoreError | UpstreamError) -> OAuthError:
    """A known failure as the wire gets it."""
    if isinstance(failure, OAuthError):
        return failure
    if isinstance(failure, StoreError):
        return TemporarilyUnavailable(reason=f"store: {failure}")
    retry_after = failure.retry_after if isinstance(failure, UpstreamUnavailable) else 5
    return TemporarilyUnavailable(reason=f"upstream {failure.outcome}: {failure}", retry_after=retry_after)


def frames(failure: BaseException) -> tuple[str, ...]:
    """Where it happened: files, lines and functions. No message and no values, since those may hold a secret."""
    found = traceback.extract_tb(failure.__traceback__)
    return tuple(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in found)


def _as_json(error: OAuthError) -> web.Response:
    return json_response(error.body(), status=error.status, extra={**NO_STORE, **error.headers})


def _from_aiohttp(failure: web.HTTPException) -> OAuthError:
    if isinstance(failure, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(", ".join(sorted(failure.allowed_methods)), reason="method not allowed")
    if isinstance(failure, web.HTTPRequestEntityTooLarge):
        return PayloadTooLarge()
    if isinstance(failure, web.HTTPNotFound):
        return NotFound()
    return InvalidRequest(reason=f"aiohttp answered {failure.status}")


def _route(request: web.Request) -> str:
    """The route's template: one of a configured few, whatever was asked for."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"

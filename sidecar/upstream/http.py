"""One bounded HTTP call, and the only place of this package that opens connections.

Owns what a hostile or broken far end can do to us: no redirects (a POST's secrets would follow them), one total
deadline, a body limit, no compression, no cookies, no proxy from the environment. Also owns the line between "nothing
was sent" and "nobody knows", and the `UpstreamCalled` event. Knows nothing of OAuth: judges are handed in.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TypeVar

import aiohttp
from yarl import URL

from sidecar.clock import Monotonic
from sidecar.events import Recorder, UpstreamCalled
from sidecar.upstream.answers import Answer
from sidecar.upstream.base import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from sidecar.upstream.messages import Request
from sidecar.upstream.trust import trust

TOKEN_BYTES = 1024 * 1024
DOCUMENT_BYTES = 256 * 1024
TOTAL_SECONDS = 4.0
CONNECT_SECONDS = 2.0

_T = TypeVar("_T")
_CHUNK = 64 * 1024
_CACHING = ("age", "cache-control", "date", "expires")
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "dcr-sidecar"}


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach one pool's provider, and what to call it in events."""

    provider: str
    ca: str = field(repr=False, default="")
    """PEM: whom to trust instead of the public authorities."""
    proxy: str = field(repr=False, default="")
    pool: str = field(compare=False, default="")
    """What two pools have in common is fetched once, in the name of the first."""


Connector = Callable[[ssl.SSLContext | bool], aiohttp.TCPConnector]
"""Makes connections, given whom to trust."""


def plain_connector(trust: ssl.SSLContext | bool) -> aiohttp.TCPConnector:  # noqa: FBT001 - aiohttp's own type
    # A fresh connection per call: a reused one that the far end just closed would look like a request that may have
    # been carried out.
    return aiohttp.TCPConnector(ssl=trust, force_close=True)


@dataclass(slots=True)
class Http:
    """Sessions by whom they trust; use `open_http`."""

    recorder: Recorder
    monotonic: Monotonic
    total_seconds: float = TOTAL_SECONDS
    connector: Connector = plain_connector
    _sessions: dict[str, aiohttp.ClientSession] = field(init=False, default_factory=dict)

    async def call(
        self,
        request: Request,
        judge: Callable[[Answer], _T],
        *,
        route: Route,
        operation: str,
        limit: int,
        seconds: float | None = None,
    ) -> _T:
        """Send, read, judge, and record how it ended. Raises UpstreamError only."""
        started = self.monotonic()
        outcome, detail = "unknown", "cancelled"
        try:
            answer = await self._send(request, route, limit, min(seconds or self.total_seconds, self.total_seconds))
            result = judge(answer)
        except UpstreamError as error:
            outcome, detail = error.outcome, str(error)
            raise
        else:
            outcome, detail = "ok", ""
            return result
        finally:
            self.recorder(
                UpstreamCalled(
                    pool=route.pool,
                    provider=route.provider,
                    operation=operation,
                    outcome=outcome,
                    seconds=self.monotonic() - started,
                    detail=detail,
                )
            )

    async def _send(self, request: Request, route: Route, limit: int, seconds: float) -> Answer:
        session = self._session(route.ca)
        progress = SimpleNamespace(connected=False)
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                proxy=route.proxy or None,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
                trace_request_ctx=progress,
            ) as response:
                return await _read(response, limit)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise UpstreamMisconfigured("not an http URL") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failure(request, error, connected=progress.connected) from error

    def _session(self, ca: str) -> aiohttp.ClientSession:
        if ca not in self._sessions:
            self._sessions[ca] = aiohttp.ClientSession(
                connector=self.connector(_trusted(ca)),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,
                trust_env=False,
                trace_configs=[_connection_trace()],
            )
        return self._sessions[ca]

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()


@asynccontextmanager
async def open_http(
    recorder: Recorder,
    monotonic: Monotonic,
    *,
    total_seconds: float = TOTAL_SECONDS,
    connector: Connector = plain_connector,
) -> AsyncIterator[Http]:
    http = Http(recorder, monotonic, total_seconds, connector)
    try:
        yield http
    finally:
        await http.close()


def _trusted(ca: str) -> ssl.SSLContext | bool:
    try:
        return trust(ca)
    except ValueError as error:
        raise UpstreamMisconfigured(f"the CA {error}") from error


def _connection_trace() -> aiohttp.TraceConfig:
    """Marks a request's context once it has a connection: from then on, bytes may have gone out."""

    async def connected(_session: object, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


def _failure(request: Request, error: Exception, *, connected: bool) -> UpstreamError:
    """A GET changes nothing, so only a POST that may have arrived leaves us not knowing."""
    text = type(error).__name__  # not its message: that may hold a URL with a proxy's password
    if not connected:
        return UpstreamUnavailable(f"not reached: {text}")
    if request.method == "GET":
        return UpstreamUnavailable(f"no complete answer: {text}")
    return UpstreamUnknown(f"no complete answer: {text}")


async def _read(response: aiohttp.ClientResponse, limit: int) -> Answer:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamMalformed("a compressed answer, which was not asked for")
    if (response.content_length or 0) > limit:
        raise UpstreamMalformed(f"an answer of more than {limit} bytes")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise UpstreamMalformed(f"an answer of more than {limit} bytes")
    return Answer(
        status=response.status,
        content_type=response.content_type.lower(),
        body=bytes(body),
        retry_after=response.headers.get("Retry-After", "").strip(),
        caching={
            name.lower(): ",".join(response.headers.getall(name)) for name in _CACHING if name in response.headers
        },
        challenges=tuple(response.headers.getall("WWW-Authenticate", ())),
    )

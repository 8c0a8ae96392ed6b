"""The only I/O of the probe: bounded requests, each of which leaves an `Exchange` in the log.

Owns the limits (number, time, size), which redirects are followed (same origin, as the SDKs do), that the user's own
headers go to the MCP server's origin alone, and that metadata of a public server sends us to no private host (what a
name means, `inside` looks at).
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from yarl import URL

from sidecar.clock import Monotonic
from sidecar.probe.exchange import EVENTS, Exchange, Failure, Purpose
from sidecar.probe.inside import PRIVATE, LeadsInside, Outside
from sidecar.probe.places import is_private, is_url, same_origin

MAX_REQUESTS = 40
MAX_BODY = 256 * 1024
_MAX_HOPS = 3
_EACH_SECONDS = 10.0
_EVENT_SECONDS = 3.0
_CHUNK = 16 * 1024
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "dcr-sidecar-probe"}
_NO_TLS = "no TLS there; is it an http:// address?"
_IN_CLEAR = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}
_FOLLOWED = {"GET": {301, 302, 303, 307, 308}, "POST": {307, 308}}


@dataclass(slots=True)
class Fetcher:
    """Use `open_fetcher`."""

    session: aiohttp.ClientSession
    server: str
    """The MCP server's URL: whose origin gets `headers`, and by which other hosts are judged."""
    headers: Mapping[str, str] = field(repr=False)
    monotonic: Monotonic
    deadline: float
    log: list[Exchange] = field(default_factory=list)
    stopped: str = ""

    async def get(self, purpose: Purpose, url: str, headers: Mapping[str, str] | None = None) -> Exchange:
        return await self.ask(purpose, "GET", url, headers)

    async def ask(
        self, purpose: Purpose, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Exchange:
        """The answer at the end of the redirects that may be followed."""
        hops, at = 0, url
        while True:
            answer = await self._one(Exchange(purpose, method, at, asked=url if hops else ""), headers or {}, body)
            hops += 1
            follow = answer.status in _FOLLOWED.get(method, ()) and purpose is not Purpose.REGISTER
            follow = follow and purpose is not Purpose.MALFORMED
            if not follow or hops > _MAX_HOPS or not same_origin(at, answer.redirect):
                return answer
            at = answer.redirect

    async def _one(self, asked: Exchange, headers: Mapping[str, str], body: bytes) -> Exchange:
        why = self._withheld(asked.url)
        if why:
            answer = replace(asked, failure="withheld", detail=why)
        else:
            started = self.monotonic()
            answer = await self._send(asked, headers, body)
            answer = replace(answer, seconds=self.monotonic() - started)
        self.log.append(answer)
        return answer

    def _withheld(self, url: str) -> str:
        if not is_url(url):
            return "not an absolute http(s) URL"
        if is_private(url) and not is_private(self.server):
            return PRIVATE
        if len(self.log) >= MAX_REQUESTS:
            self.stopped = f"stopped after {MAX_REQUESTS} requests"
        elif self.monotonic() >= self.deadline:
            self.stopped = "the time was up"
        return self.stopped

    async def _send(self, asked: Exchange, headers: Mapping[str, str], body: bytes) -> Exchange:
        own = self.headers if same_origin(asked.url, self.server) else {}
        try:
            async with self.session.request(
                asked.method,
                URL(asked.url, encoded=True),
                headers={**headers, **own},
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=min(_EACH_SECONDS, self.deadline - self.monotonic())),
            ) as response:
                seen = tuple((name.lower(), value) for name, value in response.headers.items())
                answer = replace(asked, status=response.status, headers=seen)
                read, cut = await _body(response, events=answer.content_type == EVENTS, purpose=asked.purpose)
                return replace(answer, body=read, size=len(read), cut=cut)
        except LeadsInside:
            return replace(asked, failure="withheld", detail=PRIVATE)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure, detail = _failure(error)
            return replace(asked, failure=failure, detail=detail)


@asynccontextmanager
async def open_fetcher(
    server: str, *, headers: Mapping[str, str], seconds: float, ca_file: str, monotonic: Monotonic
) -> AsyncIterator[Fetcher]:
    """Raises OSError for a CA file that cannot be used."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_trust(ca_file), force_close=True, resolver=Outside(server)),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        trust_env=False,
    ) as session:
        yield Fetcher(session, server, headers, monotonic, monotonic() + seconds)


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    """A private CA comes on top: the identity provider may well be a public one."""
    if not ca_file:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=Path(ca_file).read_text(encoding="ascii", errors="replace"))
    return context


async def _body(response: aiohttp.ClientResponse, *, events: bool, purpose: Purpose) -> tuple[bytes, bool]:
    """What was read, and whether there was more than we take. A stream of events is read to its first event."""
    if events and purpose is Purpose.STREAM:
        return b"", False
    read = bytearray()
    try:
        async with asyncio.timeout(_EVENT_SECONDS if events else None):
            async for chunk in response.content.iter_chunked(_CHUNK):
                read += chunk
                if len(read) > MAX_BODY:
                    return bytes(read[:MAX_BODY]), True
                if events and b"data:" in read and read.replace(b"\r", b"").endswith(b"\n\n"):
                    break
    except TimeoutError:
        if not events:
            raise
    return bytes(read), False


def _failure(error: Exception) -> tuple[Failure, str]:
    """Never an exception's own text where that could hold more than the reason."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "certificate", getattr(error.certificate_error, "verify_message", "") or "not trusted"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = getattr(error.os_error, "reason", "") or "no handshake"
        return "connection", _NO_TLS if reason in _IN_CLEAR else f"TLS: {reason}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "connection", "the name does not resolve"
    if isinstance(error, TimeoutError):
        return "timeout", "timed out"
    if isinstance(error, aiohttp.ClientConnectorError):
        # Not `strerror`: there asyncio puts addresses as Python writes them.
        return "connection", os.strerror(error.os_error.errno).lower() if error.os_error.errno else "cannot connect"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return "connection", "the connection was closed"
    return "protocol", f"not HTTP as we know it ({type(error).__name__})"

"""One bounded HTTP exchange: no redirects, no cookies, no proxy from the environment, a limit in bytes and seconds."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from sidecar.doctor.seen import Reply
from sidecar.upstream.messages import Request
from sidecar.upstream.trust import trust

_UNIX = "unix:"
_HEADERS = {"User-Agent": "dcr-sidecar doctor", "Accept-Encoding": "identity"}
CONNECT_SECONDS = 3.0


class NotReached(Exception):
    """No complete answer. `untrusted`: its certificate is the reason. The text is our own."""

    def __init__(self, text: str, *, untrusted: bool = False) -> None:
        super().__init__(text)
        self.untrusted = untrusted


@asynccontextmanager
async def session(*, ca: str = "", unix: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """`ca`: PEM, instead of the public authorities. Raises NotReached when it cannot be used."""
    connector: aiohttp.BaseConnector
    if unix:
        connector = aiohttp.UnixConnector(unix, force_close=True)
    else:
        connector = aiohttp.TCPConnector(ssl=_trusted(ca), force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=False,
    ) as opened:
        yield opened


async def send(
    over: aiohttp.ClientSession, request: Request, *, proxy: str = "", limit: int = 256 * 1024, seconds: float = 5.0
) -> Reply:
    """The answer, whatever its status. Raises NotReached."""
    try:
        async with over.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
            proxy=proxy or None,
            timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
        ) as response:
            body = await _body(response, limit)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, body)
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        raise NotReached(f"its certificate is not trusted ({type(error).__name__})", untrusted=True) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        # Not the error's own words: they may hold a URL with a proxy's password.
        raise NotReached(_why(error)) from error


async def ask(address: str, path: str, *, limit: int, seconds: float = 5.0) -> Reply:
    """GET from one of our own parts: `http://host:port` or `unix:path`. Raises NotReached."""
    unix = address.removeprefix(_UNIX) if address.startswith(_UNIX) else ""
    base = "http://localhost" if unix else address.rstrip("/")
    async with session(unix=unix) as over:
        return await send(over, Request("GET", f"{base}{path}"), limit=limit, seconds=seconds)


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise ValueError("too much")
    return bytes(body)


def _trusted(ca: str) -> ssl.SSLContext | bool:
    try:
        return trust(ca)
    except ValueError as error:
        raise NotReached(f"the pool's CA {error}", untrusted=True) from error


def plainly(error: OSError) -> str:
    """The system's word for it; asyncio's own says whom it called, not why it failed."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return "the proxy does not let us through"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({plainly(error.os_error)})"
    return f"no complete answer ({type(error).__name__})"

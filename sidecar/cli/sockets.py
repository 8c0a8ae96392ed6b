"""Asking a listener of this machine: TCP or a UNIX socket. Owns no question."""

import aiohttp

from sidecar.settings.model import Bind

_SECONDS = 3


async def ask(bind: Bind, method: str, path: str) -> tuple[int, str]:
    """Status and text of the answer. Raises OSError and aiohttp.ClientError, TimeoutError when there is none in time.

    A listener that binds every address is asked on loopback, which is one of them.
    """
    host = "localhost" if bind.unix else f"[{bind.host}]" if ":" in bind.host else bind.host
    if bind.every_address:
        host = "[::1]" if ":" in bind.host else "127.0.0.1"
    connector = aiohttp.UnixConnector(bind.unix) if bind.unix else aiohttp.TCPConnector()
    base = f"http://{host}" if bind.unix else f"http://{host}:{bind.port}"
    async with (
        aiohttp.ClientSession(base, connector=connector, timeout=aiohttp.ClientTimeout(_SECONDS)) as session,
        session.request(method, path, allow_redirects=False) as response,
    ):
        return response.status, await response.text()

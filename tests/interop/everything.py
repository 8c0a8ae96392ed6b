"""The server with which the official Python SDK passes the conformance suite: all that MCP has, and no sign-in.

It is not in the SDK's wheel: `make test-interop` takes it from the source distribution that the lock file names.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.flows.running import eventually, free_port
from tests.interop import installed

_SECONDS = 30


@asynccontextmanager
async def everything(log: Path) -> AsyncIterator[str]:
    """Where it answers, as `http://127.0.0.1:PORT`; its path is /mcp."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    command = [installed.python(""), "-m", "mcp_everything_server", "--port", str(port)]
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=installed.EVERYTHING, env={"PATH": os.defpath}, stdout=out, stderr=out
        )
        try:
            async with aiohttp.ClientSession() as session:

                async def answers() -> bool:
                    assert process.returncode is None, f"it ended; see {log}"
                    try:
                        async with session.get(origin) as response:
                            return response.status == 404
                    except aiohttp.ClientConnectionError:
                        return False

                await eventually(answers, _SECONDS)
            yield origin
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

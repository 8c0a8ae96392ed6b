"""Far ends that are no identity provider."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class RawServer:
    """Answers with the bytes it was given, then waits or hangs up."""

    def __init__(self) -> None:
        self.url = ""
        self.answer = b""
        self.hold = False
        self.release = asyncio.Event()
        self.received: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        if self.hold:
            await self.release.wait()
        writer.close()

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["RawServer"]:
        server = cls()
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        try:
            yield server
        finally:
            server.release.set()
            listener.close()
            await listener.wait_closed()


class Origin:
    """An MCP server's well-known documents, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.documents: dict[str, object] = {}
        self.status = 0
        """When set, the answer to everything."""
        self.challenge = ""
        """When set, what a POST is answered with, beside a 401."""
        self.asked: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        if self.status:
            return web.Response(status=self.status, headers={"Location": "/elsewhere"})
        if request.method == "POST" and self.challenge:
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        if request.path not in self.documents:
            return web.Response(status=404, text="not here")
        return web.json_response(self.documents[request.path])

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["Origin"]:
        origin = cls()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", origin.serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        origin.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield origin
        finally:
            await runner.cleanup()

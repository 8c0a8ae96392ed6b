"""A forward proxy on loopback: CONNECT tunnels and absolute-form requests, as Squid does them.

async with ForwardProxy.running() as proxy:
    pool = idp.pool(proxy=proxy.url)
    proxy.asked       # "CONNECT 127.0.0.1:443" or "POST http://127.0.0.1:9/token", in order
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    port: int = 0
    login: str = ""
    """`user:password` that it demands."""
    refuse: int = 0
    """A status: nobody gets through."""
    drop: bool = False
    """Cuts the connection after the request has reached the far end."""
    asked: list[str] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    """What passed it from the client, tunnels included."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def running(cls, **switches: object) -> AsyncIterator["ForwardProxy"]:
        proxy = cls(**switches)
        listener = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = listener.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            listener.close()
            for task in proxy._tasks:
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://{self.login + '@' if self.login else ''}127.0.0.1:{self.port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        method, target, _ = line.split(" ")
        self.asked.append(f"{method} {target}")
        wanted = "Proxy-Authorization: Basic " + base64.b64encode(self.login.encode()).decode()
        status = self.refuse or (407 if self.login and wanted not in headers else 0)
        if status:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            far = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(target)
            far = await asyncio.open_connection(parts.hostname, parts.port)
            path = target.partition(parts.netloc)[2]
            kept = [header for header in headers if not header.lower().startswith("proxy-")]
            far[1].write("\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode())
        await self._pass(reader, writer, *far)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        out = asyncio.create_task(self._copy(reader, far_writer, note=True))
        try:
            if self.drop:
                await far_reader.read(1)
                writer.transport.abort()
            else:
                await self._copy(far_reader, writer)
        finally:
            out.cancel()
            far_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, note: bool = False) -> None:
        while data := await reader.read(65536):
            if note:
                self.seen.append(data)
            writer.write(data)
            await writer.drain()

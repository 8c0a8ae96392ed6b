"""A TLS server on loopback that answers each path with the bytes it was given, and counts who came."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.upstream.certificates import private_tls


def answer(
    body: object = b"", *, status: str = "200 OK", content_type: str = "application/json", **headers: str
) -> bytes:
    """One HTTP answer; what is not bytes is sent as JSON. `cache_control="no-store"` becomes `Cache-Control`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": str(len(content)), "Content-Type": content_type}
    lines |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


@dataclass
class Publisher:
    port: int = 0
    ca: str = ""
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    dripping: bool = False
    """Sends the answer one byte at a time, for as long as anybody listens."""
    held: asyncio.Event | None = None
    """Answers only once this is set."""
    connections: int = 0
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, path: str = "/client.json", host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"

    def document(self, path: str = "/client.json", **members: object) -> dict[str, object]:
        """A right document for this path, with these members instead."""
        body: dict[str, object] = {"client_id": self.url(path), "client_name": "Client"}
        return {**body, "redirect_uris": ["https://client.example/cb"], **members}

    def publish(self, path: str = "/client.json", **headers: str) -> str:
        self.answers[path] = answer(self.document(path), **headers)
        return self.url(path)

    async def asked_times(self, number: int) -> None:
        """Returns once so many requests came."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.asked) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            self.heads.append(head)
            async with self._arrival:
                self._arrival.notify_all()
            if self.held:
                await self.held.wait()
            await self._send(writer, self.answers.get(path, answer(status="404 Not Found")))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        if not self.dripping:
            writer.write(content)
            await writer.drain()
            return
        for byte in content:
            if writer.is_closing():
                return
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)  # the point of it: never silent, never done

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, *names: str, address: str = "127.0.0.1") -> AsyncIterator["Publisher"]:
        tls, ca_file = private_tls(folder, "localhost", *names)
        publisher = cls(ca=ca_file.read_text())
        listener = await asyncio.start_server(publisher.serve, address, 0, ssl=tls)
        publisher.port = listener.sockets[0].getsockname()[1]
        try:
            yield publisher
        finally:
            if publisher.held:
                publisher.held.set()
            listener.close()
            await listener.wait_closed()

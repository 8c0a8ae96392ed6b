"""Envoy's side of the check."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from sidecar import headers
from sidecar.app import check_app
from tests.endpoints.conftest import Face


class Checker:
    """Envoy's side of the check."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self._client = client

    async def __call__(
        self,
        path: str = "/mcp",
        token: str | None = None,
        *,
        method: str = "POST",
        host: str = "mcp.example.com",
        extra: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        sent = {"Host": host, **({"Authorization": f"Bearer {token}"} if token is not None else {}), **(extra or {})}
        url = URL("/check" + path, encoded=True)
        return await self._client.request(method, url, headers=sent, allow_redirects=False)

    async def status_of(self, target: str, token: str) -> int:
        """The target goes out byte for byte: aiohttp's client would resolve dot segments."""
        server = self._client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        lines = [f"POST {target} HTTP/1.1", "Host: mcp.example.com", f"Authorization: Bearer {token}"]
        writer.write("\r\n".join((*lines, "Content-Length: 0", "Connection: close", "", "")).encode())
        await writer.drain()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])


@asynccontextmanager
async def checking(face: Face) -> AsyncIterator[Checker]:
    async with TestClient(TestServer(check_app(face.services), host="127.0.0.1")) as client:
        yield Checker(client)


def removed(response: ClientResponse) -> set[str]:
    """What the request loses on its way to the MCP server."""
    return set(response.headers[headers.REMOVE].split(","))

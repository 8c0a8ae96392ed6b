"""Operators: a client of the admin listener over the same services as the oauth face.

async with operators(face) as admin:
    rows = await admin.get("/clients")
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from sidecar.app import admin_app
from sidecar.app.serving import HTTP
from tests.endpoints.conftest import Face

TOKEN = "fake-admin-token-0123456789-abcdefghij"


def encoded(text: str) -> str:
    return quote(text, safe="")


@dataclass
class Admin:
    client: TestClient[Any, Any]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = TOKEN,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> ClientResponse:
        """The path goes out byte for byte."""
        sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return await self.client.request(method, URL(path, encoded=True), headers={**sent, **(headers or {})}, **more)

    async def done(self, method: str, path: str, **more: Any) -> Any:
        response = await self.ask(method, f"/admin{path}", **more)
        assert response.status < 300, await response.text()
        return await response.json() if response.status != 204 else None

    async def get(self, path: str, **more: Any) -> Any:
        return await self.done("GET", path, **more)


@asynccontextmanager
async def operators(face: Face) -> AsyncIterator[Admin]:
    """Over this face's services, and with their settings, which must have TOKEN as the admin token."""
    server = TestServer(admin_app(face.services), host="127.0.0.1")
    await server.start_server(**HTTP)
    async with TestClient(server) as client:
        yield Admin(client)

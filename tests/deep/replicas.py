"""Two replicas as in production: each its own Envoy and sidecar, one store, one IdP, one MCP server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from sidecar.demo import stack
from sidecar.demo.folder import opened
from sidecar.events import Event
from sidecar.settings import load
from sidecar.settings.model import Bind, Listeners
from tests.flows.running import Answer, Running, free_port, running


@dataclass
class Two:
    one: Running
    port: int
    """Of the second replica's Envoy. It serves the same public host as the first."""
    events: list[Event]
    """Of the second replica."""

    async def call(self, replica: int, token: str) -> Answer:
        """A bare MCP request through one replica's Envoy."""
        if replica == 1:
            return await self.one.call(token)
        return await self.one.call(token, url=f"http://127.0.0.1:{self.port}/mcp", headers=self._host())

    async def post(self, replica: int, path: str, auth: str, **form: str) -> Answer:
        """To an OAuth endpoint through one replica's Envoy, as a confidential client."""
        origin = self.one.origin if replica == 1 else f"http://127.0.0.1:{self.port}"
        return await self.one.request(
            "POST", f"{origin}{path}", data=form, headers={**self._host(), "Authorization": auth}
        )

    def happened(self, kind: type[Event]) -> list[Any]:
        """On either replica."""
        return [event for event in (*self.one.events, *self.events) if type(event) is kind]

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Redis]:
        async with Redis(unix_socket_path=_store_socket(self.one)) as client:
            yield client

    def _host(self) -> dict[str, str]:
        return {"Host": self.one.origin.removeprefix("http://")}


@asynccontextmanager
async def two_replicas(path: Path, **options: Any) -> AsyncIterator[Two]:
    events: list[Event] = []
    async with running(path / "one", **options) as one:
        with opened(path / "two") as folder:
            settings = load(one.stack.plan.folder.settings, {})
            port = free_port()
            settings = replace(
                settings,
                store=replace(settings.store, url=f"unix://{_store_socket(one)}"),
                lifetimes=one.stack.plan.lifetimes or settings.lifetimes,
                listeners=Listeners(
                    oauth=Bind(unix=str(folder.socket("oauth"))),
                    check=Bind(unix=str(folder.socket("check"))),
                    admin=Bind(unix=str(folder.socket("admin"))),
                    ops=Bind("127.0.0.1", free_port()),
                ),
                envoy=replace(
                    settings.envoy,
                    listen=Bind("127.0.0.1", port),
                    admin=Bind(unix=str(folder.socket("envoy"))),
                ),
            )
            async with stack._sidecar(settings, folder, (events.append,)), stack._envoy(settings, folder):
                two = Two(one, port, events)
                await _answering(two)
                yield two


async def _answering(two: Two) -> None:
    while True:
        try:
            if (await two.call(2, "")).status == 401:
                return
        except aiohttp.ClientError:
            continue


def _store_socket(one: Running) -> str:
    return str(one.stack.plan.folder.store / "valkey.sock")

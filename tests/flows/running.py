"""The demo's parts inside the test's own event loop: real Envoy, real Valkey, real MCP server, real everything."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from sidecar.demo.folder import opened
from sidecar.demo.ports import listen, port_of
from sidecar.demo.stack import Plan, Stack, started
from sidecar.events import Event
from sidecar.records import Lifetimes

DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
MCP_HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    stack: Stack
    events: list[Event]

    @property
    def url(self) -> str:
        return self.stack.plan.url

    @property
    def origin(self) -> str:
        return self.stack.plan.origin

    def happened(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    async def call(self, token: str = "", *, url: str = "", headers: dict[str, str] | None = None) -> Answer:
        """A bare MCP request, as a client sends one."""
        sent = {**MCP_HEADERS, **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        return await self.request("POST", url or self.url, json=DISCOVER, headers=sent)

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, allow_redirects=False, **options) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.text())

    async def reached_mcp_server(self) -> int:
        """How many requests Envoy has sent to the MCP server: its own count, from its admin socket."""
        connector = aiohttp.UnixConnector(self.stack.plan.folder.socket("envoy"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://envoy/stats?format=json&filter=^cluster.origin.*upstream_rq_total$") as response,
        ):
            return sum(entry["value"] for entry in (await response.json(content_type=None))["stats"])

    async def stop_store(self) -> None:
        async with Redis(unix_socket_path=str(self.stack.plan.folder.store / "valkey.sock")) as store:
            await store.shutdown(nosave=True)

    async def stop_sidecar(self) -> None:
        self.stack.stop_sidecar.set()
        await self.stack.sidecar


@asynccontextmanager
async def running(
    path: Path,
    *,
    port: int = 0,
    lifetimes: Lifetimes | None = None,
    upstream_seconds: int = 3600,
    more: Mapping[str, object] | None = None,
    server: Mapping[str, object] | None = None,
    personal: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:
    events: list[Event] = []
    with opened(path) as folder:
        plan = Plan(port or free_port(), folder, lifetimes, upstream_seconds, more or {}, server or {}, personal or {})
        async with started(plan, sinks=(events.append,)) as stack:
            events.clear()  # what our own probes caused
            yield Running(stack, events)


def free_port() -> int:
    """A port that nobody had a moment ago. Envoy cannot be handed a socket."""
    with listen() as listener:
        return port_of(listener)


async def eventually(comes_true: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait for what must come by itself: in a real system nothing sets an Event for us."""
    async with asyncio.timeout(seconds):
        while not await comes_true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)

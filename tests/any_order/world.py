"""Two replicas over one store, an IdP, people with browsers, and one clock that all of them read.

Owns how something is done over HTTP. What ought to come of it is the machine's business.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import fakeredis._socket._base as fakeredis_socket
import fakeredis.commands_mixins.server_mixin as fakeredis_server
from aiohttp.test_utils import TestServer

from sidecar.app import Services, build, check_app, oauth_app
from sidecar.budgets import Budget, Budgets
from sidecar.store.base import StoreError
from tests.endpoints.front import ISS, NOTES, VERIFIER, Browser, Front, running_front
from tests.fakes.idp import Session

FILES = replace(NOTES, name="files", resource=f"{ISS}/files", origin="http://127.0.0.1:3001")
SERVERS = {server.name: server for server in (NOTES, FILES)}
HOST = {"Host": "mcp.example.com"}
PEOPLE = ("alice", "bob", "mallory")


@dataclass
class Stumbling:
    """The store, which on demand fails once: before a verb is done, or after, when only its answer is lost."""

    store: Any
    verb: str = ""
    done: bool = False
    stumbled: bool = False

    def next(self, verb: str, *, done: bool) -> None:
        self.verb, self.done, self.stumbled = verb, done, False

    def steady(self) -> bool:
        """No more; whether it did."""
        self.verb = ""
        return self.stumbled

    def __getattr__(self, name: str) -> Any:
        work = getattr(self.store, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            if name != self.verb:
                return await work(*arguments, **named)
            self.verb, self.stumbled = "", True
            if self.done:
                await work(*arguments, **named)
            raise StoreError("the store stumbled")

        return call


@dataclass
class Replica:
    services: Services
    oauth: str
    check: str


@dataclass
class World:
    front: Front
    store: Stumbling
    stack: AsyncExitStack
    replicas: list[Replica] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """Whatever must be found nowhere but with whom it was given to."""
    browsers: dict[str, dict[str, str]] = field(default_factory=lambda: {person: {} for person in PEOPLE})
    """Each person's cookies."""

    @property
    def now(self) -> int:
        return self.front.clock.now

    async def start(self, index: int) -> None:
        """A replica that remembers nothing, in the place of the one that was there."""
        services = self.front.services
        adapters = replace(services.adapters, store=self.store)
        built = build(services.settings, adapters, services.sources)
        servers = [TestServer(app) for app in (oauth_app(built), check_app(built))]
        for server in servers:
            await server.start_server(max_line_size=65536, max_field_size=65536)
            self.stack.push_async_callback(server.close)
        oauth, check = (str(server.make_url("")).rstrip("/") for server in servers)
        self.replicas[index : index + 1] = [Replica(built, oauth, check)]

    def browser(self, person: str, replica: int) -> Browser:
        return Browser(replace(self.front, base=self.replicas[replica].oauth), ISS, self.browsers[person])

    async def post(self, replica: int, path: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        url = self.replicas[replica].oauth + path
        async with self.front.session.post(url, data=fields, headers=HOST) as response:
            text = await response.text()
            answer = json.loads(text) if text else {}
            self.secrets |= {answer[name] for name in ("access_token", "refresh_token") if name in answer}
            return response.status, answer

    async def register(self, replica: int, redirect: str, method: str) -> dict[str, Any]:
        body = {
            "redirect_uris": [redirect],
            "client_name": "Any App",
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
        }
        url = self.replicas[replica].oauth + "/register"
        async with self.front.session.post(url, json=body, headers=HOST) as response:
            assert response.status == 201, await response.text()
            document: dict[str, Any] = await response.json()
        self.secrets |= {document[name] for name in ("client_secret", "registration_access_token") if name in document}
        return document

    async def delete(self, replica: int, document: dict[str, Any]) -> int:
        url = self.replicas[replica].oauth + document["registration_client_uri"].removeprefix(ISS)
        bearer = {"Authorization": f"Bearer {document['registration_access_token']}"}
        async with self.front.session.delete(url, headers=HOST | bearer) as response:
            return response.status

    async def call(self, replica: int, server: str, token: str) -> tuple[int, dict[str, str]]:
        """Envoy's question about one MCP request."""
        path = "/mcp" if server == "notes" else "/files"
        url = f"{self.replicas[replica].check}/check{path}"
        sent = HOST | {"Authorization": f"Bearer {token}"}
        async with self.front.session.post(url, headers=sent) as response:
            return response.status, {name.lower(): value for name, value in response.headers.items()}

    def session_of(self, upstream_token: str) -> Session:
        """Whose token it is, as the IdP knows it."""
        (found,) = (each for each in self.front.idp.sessions if upstream_token in each.access_tokens)
        return found

    async def dump(self) -> dict[bytes, tuple[bytes, int]]:
        """Everything in the store: key to value and remaining life (-1: for good)."""
        client = self.store.store._store.link._client  # which has no words for everything that it holds
        return {key: (await _value(client, key), await client.ttl(key)) for key in await client.keys("*")}


async def _value(client: Any, key: bytes) -> bytes:
    kind = (await client.type(key)).decode()
    read = {"hash": client.hgetall, "string": client.get, "set": client.smembers}
    value = await (client.zrange(key, 0, -1) if kind == "zset" else read[kind](key))
    return repr(value).encode()


@asynccontextmanager
async def worlds() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        # A limit is another thing's test.
        limits = Budgets(failed_authentications=Budget(per_hour=0, burst=1))
        front = await stack.enter_async_context(running_front(NOTES, FILES, changes={"limits": limits}))
        # fakeredis lives by the machine's clock; its own scripts and expiries shall live by ours.
        by_our_clock = SimpleNamespace(time=lambda: float(front.clock.now))
        for module in (fakeredis_socket, fakeredis_server):
            stack.enter_context(patch.object(module, "time", by_our_clock))
        world = World(front, Stumbling(front.store), stack)
        world.secrets.add(VERIFIER)
        await asyncio.gather(world.start(0), world.start(1))
        yield world

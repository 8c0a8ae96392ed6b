"""The oauth listener as everybody reaches it: the real application, over HTTP, on fakeredis and a fake IdP."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from fakeredis import FakeAsyncRedis, FakeServer
from multidict import CIMultiDict
from prometheus_client import CollectorRegistry
from yarl import URL

from sidecar.app import Adapters, Services, Sources, build, oauth_app
from sidecar.app.serving import HTTP
from sidecar.directory import Directory, Issuer, Server
from sidecar.events import Event
from sidecar.oauth.registration import RegistrationPolicy
from sidecar.records import Lifetimes
from sidecar.sealing import Keyring
from sidecar.settings.model import Bind, EnvoySettings, Listeners, LogSettings, Settings, StoreSettings
from sidecar.telemetry import Telemetry
from sidecar.upstream.client import open_upstream
from tests.fakes.client_documents import FakeClientDocuments
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy
from tests.fakes.idp import FakeIdp
from tests.fakes.store import fake_store

ISSUER = "https://mcp.example.com"
MULTI = "https://multi.example.com"
GONE = "gone.example.com"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
# Nothing listens there: an origin that publishes nothing.
_NO_ORIGIN = "http://127.0.0.1:9"

E = TypeVar("E", bound=Event)


def directory(idp: FakeIdp) -> Directory:
    """One server on a host of its own, two tenants on another, one whose pool was deleted, one that never had any."""

    def server(name: str, issuer: str, resource: str, pool: str, **more: Any) -> Server:
        return Server(name=name, resource=resource, origin=_NO_ORIGIN, issuer=issuer, pool=pool, **more)

    return Directory(
        servers=(
            server(
                "notes",
                ISSUER,
                f"{ISSUER}/mcp",
                "corp",
                base_scopes=("notes.read",),
                optional_scopes=("notes.write",),
            ),
            server("one", f"{MULTI}/tenant1", f"{MULTI}/tenant1/mcp", "one", base_scopes=("one",)),
            server("two", f"{MULTI}/tenant2", f"{MULTI}/tenant2/mcp", "two"),
            server("gone", f"https://{GONE}", f"https://{GONE}/mcp", "gone"),
            server("bare", "https://bare.example.com", "https://bare.example.com/mcp", ""),
        ),
        issuers=(
            Issuer(ISSUER, "corp"),
            Issuer(f"{MULTI}/tenant1", "one"),
            Issuer(f"{MULTI}/tenant2", "two"),
            Issuer(f"https://{GONE}", "gone"),
        ),
        pools=MappingProxyType(
            {
                "corp": idp.pool(),
                "one": idp.pool(name="one", id="one-1"),
                "two": idp.pool(name="two", id="two-1"),
            }
        ),
    )


def settings_for(served: Directory, keyring: Keyring, **changes: Any) -> Settings:
    nowhere = Bind("127.0.0.1", 0)
    settings = Settings(
        listeners=Listeners(nowhere, nowhere, nowhere, nowhere),
        keyring=keyring,
        directory=served,
        store=StoreSettings("redis://127.0.0.1:1/0"),
        registration=RegistrationPolicy(),
        dcr="open",
        lifetimes=Lifetimes(),
        log=LogSettings(),
        envoy=EnvoySettings(listen=nowhere, admin=nowhere),
    )
    return replace(settings, **changes)


@dataclass
class Face:
    """A client of the oauth listener. Requests go to mcp.example.com unless `host` says otherwise."""

    client: TestClient[Any, Any]
    services: Services
    idp: FakeIdp
    clock: FakeClock
    redis: FakeServer
    client_documents: FakeClientDocuments
    events: list[Event] = field(default_factory=list)

    async def request(
        self,
        method: str,
        path: str,
        *,
        host: str = "mcp.example.com",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> ClientResponse:
        """The path goes out byte for byte."""
        sent = CIMultiDict({"Host": host})
        sent.extend(headers or {})
        return await self.client.request(method, URL(path, encoded=True), headers=sent, allow_redirects=False, **more)

    async def get(self, path: str, **more: Any) -> ClientResponse:
        return await self.request("GET", path, **more)

    async def get_json(self, path: str, **more: Any) -> Any:
        response = await self.get(path, **more)
        assert response.status == 200, await response.text()
        return await response.json()

    async def post_json(self, path: str, body: object, **more: Any) -> ClientResponse:
        return await self.request("POST", path, json=body, **more)

    async def post_form(self, path: str, fields: object, **more: Any) -> ClientResponse:
        return await self.request("POST", path, data=fields, **more)

    async def register(self, *, source: str = "", **members: Any) -> dict[str, Any]:
        body = {"redirect_uris": ["http://127.0.0.1:3000/cb"], **members}
        response = await self.post_json("/register", body, headers={"x-dcr-source": source} if source else None)
        assert response.status == 201, await response.text()
        document: dict[str, Any] = await response.json()
        return document

    async def knows(self, document: Mapping[str, Any], path: str = "/token", **more: Any) -> bool:
        """Whether the client that this registration made is authenticated: then only the code is wrong."""
        fields = self.code_fields(client_id=document["client_id"], client_secret=document["client_secret"])
        response = await self.post_form(path, fields, **more)
        assert (await response.json())["error"] == {401: "invalid_client", 400: "invalid_grant"}[response.status]
        return response.status == 400

    def code_fields(self, **fields: str) -> dict[str, str]:
        return {"grant_type": "authorization_code", "code": "dcrc_junk", "code_verifier": VERIFIER, **fields}

    def events_of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def key_count(self) -> int:
        """Of what is kept. Rate limits count refused requests too, and vanish by themselves."""
        async with FakeAsyncRedis(server=self.redis) as redis:
            return len([key async for key in redis.scan_iter() if b":l:" not in key])

    async def dump(self) -> bytes:
        """Every key and value, as the store keeps them."""
        async with FakeAsyncRedis(server=self.redis) as redis:
            found = [key + repr(await redis.hgetall(key)).encode() async for key in redis.scan_iter(_type="hash")]
            found += [key + (await redis.get(key) or b"") async for key in redis.scan_iter(_type="string")]
        assert found
        return b"\n".join(found)

    async def forget_everything(self) -> None:
        async with FakeAsyncRedis(server=self.redis) as redis:
            await redis.flushall()

    async def raw(self, text: str, *, end: bool = False) -> bytes:
        """What comes back for these bytes, until the connection closes. `end`: we say that no more will come."""
        server = self.client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            writer.write(text.encode("latin-1"))
            await writer.drain()
            if end:
                writer.write_eof()
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    @asynccontextmanager
    async def replica(self) -> AsyncIterator["Face"]:
        """Another sidecar with the same settings and the same store."""
        async with open_face(self.idp, self.clock, self.services.settings, self.redis, seed=2) as other:
            yield other

    @asynccontextmanager
    async def with_origin(self, name: str, origin: str) -> AsyncIterator["Face"]:
        """The same face over a server whose MCP origin is this one."""
        served = self.services.settings.directory
        servers = tuple(replace(server, origin=origin) if server.name == name else server for server in served.servers)
        async with self.with_settings(directory=Directory(servers, served.issuers, served.pools)) as other:
            yield other

    @asynccontextmanager
    async def with_settings(self, **changes: Any) -> AsyncIterator["Face"]:
        """After a restart with other settings, over the same store."""
        settings = replace(self.services.settings, **changes)
        async with open_face(self.idp, self.clock, settings, self.redis, seed=3) as other:
            yield other


@asynccontextmanager
async def open_face(
    idp: FakeIdp, clock: FakeClock, settings: Settings, redis: FakeServer, *, seed: int = 1
) -> AsyncIterator[Face]:
    events: list[Event] = []
    telemetry = Telemetry(CollectorRegistry(), events.append, served=settings.directory)
    sources = Sources(clock, lambda: float(clock.now), SeededEntropy(seed))
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(fake_store(redis))
        far = await stack.enter_async_context(
            open_upstream(clock=clock, monotonic=sources.monotonic, recorder=telemetry)
        )
        client_documents = FakeClientDocuments()
        adapters = Adapters(store, far.upstream, far.documents, client_documents, far.registrar, telemetry)
        services = build(settings, adapters, sources)
        await services.pools.refresh()
        server = TestServer(oauth_app(services), host="127.0.0.1")
        await server.start_server(**HTTP)
        client = await stack.enter_async_context(TestClient(server, auto_decompress=False))
        yield Face(client, services, idp, clock, redis, client_documents, events)


@pytest.fixture
async def idp(clock: FakeClock) -> AsyncIterator[FakeIdp]:
    async with FakeIdp.running(clock=clock) as running:
        yield running


@pytest.fixture
def settings(idp: FakeIdp, keyring: Keyring) -> Settings:
    return settings_for(directory(idp), keyring)


@pytest.fixture
async def face(idp: FakeIdp, clock: FakeClock, settings: Settings) -> AsyncIterator[Face]:
    async with open_face(idp, clock, settings, FakeServer()) as opened:
        yield opened

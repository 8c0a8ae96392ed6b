"""The front channel over HTTP: the real oauth application and store adapter, a fake IdP, and browsers that remember.

async with running_front() as front:
    client = await front.register("https://app.example/cb")
    tab = front.browser()
    page = await tab.ask(client)              # GET /authorize
    away = await tab.approve(page)            # 303 to the IdP, and a transaction cookie
    done = await tab.come_back(await front.at_idp(away.location))
"""

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from http.cookies import SimpleCookie
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from sidecar.app import Adapters, Services, Sources, build, oauth_app
from sidecar.directory import Directory, Issuer, Server
from sidecar.events import Event
from sidecar.oauth.pkce import s256
from sidecar.oauth.policy import RegistrationPolicy
from sidecar.records import Client, Lifetimes, StaticClient
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.settings.model import Bind, EnvoySettings, Listeners, LogSettings, Settings, StoreSettings
from sidecar.store.base import StoreError
from sidecar.store.redis import RedisStore
from sidecar.telemetry import Telemetry
from sidecar.upstream.client import open_upstream
from tests.fakes.client_documents import FakeClientDocuments
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy
from tests.fakes.idp import FakeIdp
from tests.fakes.store import fake_store

ISS = "https://mcp.example.com"
RESOURCE = f"{ISS}/mcp"
VERIFIER = "v" * 43
CHALLENGE = s256(VERIFIER)
LONG = "https://app.example/" + SeededEntropy(3)(200).hex()
"""A redirect URI that fits into no self-describing client id."""
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
NOTES = Server(
    name="notes",
    resource=RESOURCE,
    origin="http://127.0.0.1:3000",
    issuer=ISS,
    pool="corp",
    base_scopes=("notes.read",),
    optional_scopes=("notes.write",),
)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, not followed."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...]
    """The Set-Cookie lines."""

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @property
    def query(self) -> dict[str, str]:
        """Of the Location; each name once."""
        pairs = parse_qsl(urlsplit(self.location).query, keep_blank_values=True, strict_parsing=True)
        assert len(pairs) == len(dict(pairs)), f"a parameter came twice: {self.location}"
        return dict(pairs)

    @property
    def form(self) -> str:
        found = re.search(r'name="form" value="([^"]+)"', self.text)
        assert found, self.text
        return unescape(found[1])

    @property
    def visible(self) -> str:
        """The page's words, without markup."""
        body = self.text.partition("<body>")[2]
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


class FlakyStore:
    """The real store until a verb is named in `broken`; `calls` names the verbs that were used."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self.broken: set[str] = set()
        self.calls: list[str] = []
        self.forgotten = False
        """No client is in the registry any more."""

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if name in self.broken:
                raise StoreError("the store is down: canary-store-text")
            if name == "registered" and self.forgotten:
                return None
            return await getattr(self._store, name)(*arguments, **named)

        return call


@dataclass
class Front:
    services: Services
    idp: FakeIdp
    clock: FakeClock
    store: FlakyStore
    client_documents: FakeClientDocuments
    session: aiohttp.ClientSession
    base: str
    events: list[Event] = field(default_factory=list)

    async def register(self, *redirect_uris: str, name: str = "Test App", issuer: str = ISS, **members: Any) -> str:
        """The new client's id."""
        body = {"redirect_uris": list(redirect_uris), "client_name": name, "token_endpoint_auth_method": "none"}
        document = await self.services.registered.register(self.issuer(issuer), body | members, "")
        self.events.clear()
        return str(document["client_id"])

    async def register_short(self) -> str:
        """A client whose id says nothing without the store."""
        client_id = await self.register(LONG)
        assert client_id.startswith("dcr1s-")
        return client_id

    def change(self, *servers: Server) -> None:
        """From now on these are the servers, as after a restart with another configuration."""
        directory = self.services.settings.directory
        changed = Directory(servers, directory.issuers, directory.pools)
        object.__setattr__(self.services.requests, "directory", changed)

    def narrow(self, *redirect_uris: str) -> None:
        """From now on every client has these redirect URIs only, as when policy or registration changed."""
        known = self.services.requests.clients

        class Narrowed:
            async def resolve(self, *whom: Any) -> Client | None:
                client = await known.resolve(*whom)
                return replace(client, redirect_uris=redirect_uris) if client else None

        object.__setattr__(self.services.requests, "clients", Narrowed())

    def issuer(self, url: str = ISS) -> Issuer:
        return next(issuer for issuer in self.services.settings.directory.issuers if issuer.url == url)

    def browser(self, issuer: str = ISS) -> "Browser":
        return Browser(self, issuer)

    async def at_idp(self, location: str) -> str:
        """What the IdP sends the browser back with: the callback's query."""
        async with self.session.get(location, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            return urlsplit(response.headers["Location"]).query

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Browser:
    """One browser: cookies, and the headers of its choice. Follows nothing by itself."""

    front: Front
    issuer: str
    cookies: dict[str, str] = field(default_factory=dict)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"Host": urlsplit(self.issuer).netloc, **options.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = aiohttp.client.URL(self.front.base + path, encoded=True)
        async with self.front.session.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as response:
            lines = tuple(response.headers.getall("Set-Cookie", []))
            self._keep(lines)
            return Answer(response.status, response.headers.copy(), await response.text(), lines)

    async def ask(self, client_id: str | None, *, raw: str = "", method: str = "GET", **changes: str | None) -> Answer:
        """GET /authorize as a well-behaved client would have it, with `changes`; None leaves one out."""
        return await self.request(method, f"{self._path()}/authorize?{query(client_id, **changes)}{raw}")

    async def answer(self, form: str, decision: str = "approve", headers: Mapping[str, str] = SAME_ORIGIN) -> Answer:
        data = {"form": form, "decision": decision}
        return await self.request("POST", f"{self._path()}/authorize", data=data, headers=dict(headers))

    async def approve(self, page: Answer) -> Answer:
        assert page.status == 200, page.text
        return await self.answer(page.form)

    async def come_back(self, callback_query: str) -> Answer:
        return await self.request("GET", f"{self._path()}/callback?{callback_query}")

    async def leave_for_idp(self, client_id: str, **changes: str | None) -> str:
        """Ask, approve, and sign in at the IdP: the query it comes back with."""
        away = await self.approve(await self.ask(client_id, **changes))
        assert away.status == 303, away.text
        return await self.front.at_idp(away.location)

    def txn_cookies(self) -> list[str]:
        return [name for name in self.cookies if "-txn-" in name]

    def _path(self) -> str:
        return urlsplit(self.issuer).path

    def _keep(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


def query(client_id: str | None, **changes: str | None) -> str:
    """The query of a good authorization request, with `changes`."""
    members: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": "https://app.example/cb",
        "scope": "notes.read",
        "state": "client-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": RESOURCE,
    }
    return urlencode({name: value for name, value in (members | changes).items() if value is not None})


def with_rule(server: Server, **rule: Any) -> Server:
    return replace(server, allow=replace(server.allow, **rule))


@asynccontextmanager
async def running_front(
    *servers: Server,
    issuers: tuple[str, ...] = (ISS,),
    port: int | None = None,
    lifetimes: Lifetimes | None = None,
    tls: ssl.SSLContext | None = None,
    clients: tuple[StaticClient, ...] = (),
    changes: Mapping[str, Any] | None = None,
    **pool: Any,
) -> AsyncIterator[Front]:
    """`pool` overrides members of the pool, which signs in at the fake IdP; `changes` those of the settings."""
    clock, events = FakeClock(), list[Event]()
    async with FakeIdp.running(clock=clock) as idp, fake_store() as real, aiohttp.ClientSession() as session:
        store = FlakyStore(real)
        directory = Directory(
            servers or (NOTES,),
            tuple(Issuer(url, "corp") for url in issuers),
            {"corp": idp.pool(**pool)},
            {client.id: client for client in clients},
        )
        telemetry = Telemetry(CollectorRegistry(), events.append, served=directory)
        async with open_upstream(clock=clock, monotonic=lambda: float(clock.now), recorder=telemetry) as opened:
            client_documents = FakeClientDocuments()
            adapters = Adapters(
                cast("RedisStore", store),
                opened.upstream,
                opened.documents,
                client_documents,
                opened.registrar,
                telemetry,
            )
            sources = Sources(clock, lambda: float(clock.now), SeededEntropy())
            settings = replace(_settings(directory, lifetimes or Lifetimes()), **(changes or {}))
            services = build(settings, adapters, sources)
            server = TestServer(oauth_app(services), port=port)
            await server.start_server(ssl=tls, max_line_size=65536, max_field_size=65536)
            try:
                base = str(server.make_url("")).rstrip("/")
                yield Front(services, idp, clock, store, client_documents, session, base, events)
            finally:
                await server.close()


def _settings(directory: Directory, lifetimes: Lifetimes) -> Settings:
    nowhere = Bind("127.0.0.1", 0)
    return Settings(
        listeners=Listeners(nowhere, nowhere, nowhere, nowhere),
        keyring=Keyring((Key(1, KeyState.ACTIVE, SeededEntropy(7)(32)),)),
        directory=directory,
        store=StoreSettings("redis://unused"),
        registration=RegistrationPolicy(),
        dcr="open",
        lifetimes=lifetimes,
        log=LogSettings(),
        envoy=EnvoySettings(nowhere, nowhere),
    )

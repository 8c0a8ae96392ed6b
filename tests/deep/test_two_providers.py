"""Two MCP servers over two identity providers in one sidecar, and a pool that comes, changes and goes by command.

The first server's people sign in at the demo IdP, by a pool of the configuration. The second's sign in at Canaille, by
a pool that only `dcr-sidecar pool` knows. Whatever happens to that one, the first server's traffic loses nothing.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send

from sidecar.demo.mcp_server import demo_app
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import asgi_on
from sidecar.grants.authorisation import EARLY_SECONDS
from sidecar.grants.principals import STALENESS_SECONDS
from tests.deep import canaille as idp
from tests.deep.canaille import Canaille, running_canaille
from tests.deep.employees import CanaillesTokens, Employee
from tests.deep.installed import REPOSITORY, Installed, over_demo_idp
from tests.deep.traffic import Caller, Traffic, recorded
from tests.flows.running import DISCOVER, MCP_HEADERS, eventually, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW_SECRET = "fake+secret/after:rotation %"
SOON = 4
"""Seconds until an upstream token of Canaille's is so near its end that it gets renewed, each time."""
MORE = {
    "admin": {"token": "fake-admin-token-0123456789-abcdefghij"},
    "limits": {name: {"per_hour": 0} for name in ("registrations", "pool_registrations", "sign_ins")},
}
LISTS = {"clients": "clients?pool=notes", "grants": "grants?pool=notes", "users": "users/notes"}


@dataclass(frozen=True)
class Said:
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Origin:
    """The second server's MCP server, and how many requests came to it."""

    app: ASGIApp
    reached: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += scope["type"] == "http" and scope["method"] == "POST"
        await self.app(scope, receive, send)


@dataclass
class World:
    sidecar: Installed
    canaille: Canaille
    issuer: str
    """Of the second server; the first one's is the root of the same host."""
    origin: Origin
    mcp_server: CanaillesTokens
    folder: Path
    pools: list[str] = field(default_factory=list)
    """The id of each pool so far."""

    @property
    def url(self) -> str:
        return f"{self.issuer}/mcp"

    async def command(self, *words: str, status: int = 0, typed: str = "") -> Said:
        """`dcr-sidecar` in a process of its own, as an operator has it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sidecar", *words, "--config", str(self.sidecar.config)),
            cwd=REPOSITORY,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(typed.encode())
        said = Said(out.decode(), err.decode())
        assert process.returncode == status, said
        return said

    async def make_pool(self) -> None:
        """The next one, for the client that Canaille knows."""
        self.pools.append(f"notes-{len(self.pools) + 1}")
        await self.command("pool", "create", "notes", "--id", self.pools[-1], *known(self))

    def secret(self, text: str) -> str:
        file = self.folder / "secret"
        file.write_text(text)
        return str(file)

    async def listed(self, kind: str, path: str) -> list[Any]:
        """What operators are told of these; nothing where there is no such pool."""
        connector = aiohttp.UnixConnector(str(self.sidecar.config.with_name("admin.sock")))
        headers = {"Authorization": f"Bearer {MORE['admin']['token']}"}
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            session.get(f"http://admin/admin/{path}") as answer,
        ):
            found = await answer.json()
            assert answer.status == 200 or "There is no pool" in found["error_description"], found
            return found.get(kind, [])

    async def discovered(self) -> tuple[int, str]:
        """What a client finds: the status of the issuer's document, and where it says to register."""
        document = f"{self.sidecar.origin}/.well-known/oauth-authorization-server/notes"
        async with aiohttp.ClientSession() as session, session.get(document) as answer:
            return answer.status, (await answer.json()).get("registration_endpoint", "")

    async def post(self, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.post(url, **options) as answer:
            return answer.status, await answer.json()

    async def call(self, token: str) -> int:
        """A bare MCP request at the second server."""
        headers = {"Authorization": f"Bearer {token}"}
        status, _ = await self.post(self.url, json=DISCOVER, headers={**MCP_HEADERS, **headers})
        return status


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, port = tmp_path_factory.mktemp, free_port()
    issuer = f"http://localhost:{port}/notes"
    lifetimes = dict.fromkeys(("authorization_code", "refresh_token"), EARLY_SECONDS + SOON)
    with listen() as listener:
        origin = f"http://127.0.0.1:{port_of(listener)}"
        server = {"name": "notes", "resource": f"{issuer}/mcp", "issuer": issuer, "origin": origin, "pool": "notes"}
        async with AsyncExitStack() as stack:
            canaille = await stack.enter_async_context(
                running_canaille(folder("canaille"), redirect_uri=f"{issuer}/callback", seconds=lifetimes)
            )
            mcp_server = CanaillesTokens(canaille, idp.CLIENT_ID)
            app = demo_app(public_url=f"{issuer}/mcp", idp_issuer=canaille.issuer, verifier=mcp_server)
            await stack.enter_async_context(asgi_on(listener, counted := Origin(app)))
            sidecar = await stack.enter_async_context(
                over_demo_idp(folder("sidecar"), port=port, beside=[server], more=MORE)
            )
            yield World(sidecar, canaille, issuer, counted, mcp_server, folder("operator"))


def known(world: World) -> list[str]:
    """The client that Canaille knows, as options."""
    secret = world.secret(idp.CLIENT_SECRET)
    where = ["--provider", "oidc", "--issuer", world.canaille.issuer, "--token-auth", "basic"]
    return [*where, "--client-id", idp.CLIENT_ID, "--client-secret-file", secret, "--scopes", "profile email"]


@asynccontextmanager
async def first_server_undisturbed(world: World) -> AsyncIterator[None]:
    """Calls, streams, refreshes and new sign-ins at the first server, all the while: not one is lost or refused."""
    traffic = Traffic(world.sidecar.url, pause=0.3)  # beside it run many commands, each a process
    async with traffic.flowing():
        await traffic.more(1)
        yield
        await traffic.more(1)
    assert traffic.lost == []
    assert world.sidecar.said("unexpected_error") == []


@asynccontextmanager
async def pool(world: World) -> AsyncIterator[None]:
    """One for the second server, which is over at the end."""
    await world.make_pool()
    try:
        yield
    finally:
        await world.command("pool", "delete", "notes", "--yes")


@asynccontextmanager
async def calling(world: World, person: Employee) -> AsyncIterator[Caller]:
    """Somebody who signs in at the second server and goes on calling."""
    call = await recorded(person, world.url, "whoami", {}, person.login)
    async with Caller(world.url, call, person.access_token).flowing() as caller:
        await caller.more(1)
        yield caller


async def test_a_pool_made_by_command_opens_its_server(world: World) -> None:
    """Denied and not advertised before; within two seconds a client discovers, registers, signs in and calls."""
    alice = Employee("alice")
    async with first_server_undisturbed(world):
        reached = world.origin.reached
        assert await world.discovered() == (404, "")
        assert (await world.call("whatever"), world.origin.reached) == (503, reached)
        async with pool(world):
            made = time.monotonic()

            async def advertised() -> bool:
                return await world.discovered() == (200, f"{world.issuer}/register")

            await eventually(advertised, STALENESS_SECONDS)
            assert time.monotonic() - made < STALENESS_SECONDS
            told = await alice.whoami(world.url)
            assert (told["user"], told["token_issuer"]) == ("alice", world.canaille.issuer)
            assert alice.paths_shown[:2] == ["/login", "/auth/password"]
            assert world.mcp_server.audiences == {idp.CLIENT_ID}
            shown = (await world.command("pool", "show", "notes")).out
            assert f"{world.issuer}/callback" in shown
            assert idp.CLIENT_SECRET not in shown
    assert {(line["server"], line["pool"]) for line in world.sidecar.said("signed_in")} == {
        ("demo", "corp"),
        ("notes", "notes"),
    }


async def test_another_secret_and_scope_at_canaille_disturb_nobody(world: World) -> None:
    """The former secret goes on until Canaille takes the new one; only who comes then is asked for the new scope."""
    alice, bob = Employee("alice"), Employee("bob")
    async with first_server_undisturbed(world), pool(world), calling(world, alice) as caller:
        changed = await world.command(
            *("pool", "update", "notes", "--client-secret-file", world.secret(NEW_SECRET), "--overlap-days", "1"),
            *("--scopes", "profile email groups"),
        )
        assert f"{idp.CLIENT_ID} until " in changed.out
        assert "openid profile email groups" in changed.out
        assert NEW_SECRET not in changed.out + changed.err
        await renewed(world)
        former = world.sidecar.said("former_credentials")
        assert {(line["what"], line["operation"]) for line in former} == {("secret", "refresh")}

        await at_canaille(world, NEW_SECRET, "openid", "profile", "email", "groups")
        former = world.sidecar.said("former_credentials")
        await renewed(world)
        assert world.sidecar.said("former_credentials") == former
        assert (await bob.whoami(world.url))["user"] == "bob"
        asked = next(hop for hop in bob.shown[0].hops if "/oauth/authorize" in hop)
        assert dict(parse_qsl(urlsplit(asked).query))["scope"] == "openid profile email groups"

        await caller.more(1)
        assert set(caller.since(0)) == {200}
        assert (await alice.whoami(world.url))["user"] == "alice"
        assert alice.sign_ins == 1
        await at_canaille(world, idp.CLIENT_SECRET, "openid", "profile", "email")


async def at_canaille(world: World, secret: str, *scopes: str) -> None:
    """What somebody enters at the provider."""
    allowed = [f"--scope={scope}" for scope in scopes]
    await world.canaille.command("set", "client", idp.CLIENT_ID, f"--client-secret={secret}", *allowed)


async def renewed(world: World) -> None:
    """Canaille gives the calling user another token, and the MCP server gets it."""
    before, refreshes = len(world.mcp_server.arrived), len(refreshed(world))

    async def another() -> bool:
        return len(world.mcp_server.arrived) > before and len(refreshed(world)) > refreshes

    await eventually(another, 3 * SOON)


def refreshed(world: World) -> list[dict[str, Any]]:
    wanted = {"pool": "notes", "operation": "refresh", "outcome": "ok"}.items()
    return [line for line in world.sidecar.said("upstream_called") if wanted <= line.items()]


@pytest.mark.req(180)
async def test_a_deleted_pool_leaves_nothing_behind(world: World) -> None:
    """Foreseen to the last grant, done after a yes; then all of it is denied, refused and gone, and stays so."""
    alice, bob = Employee("alice"), Employee("bob")
    async with first_server_undisturbed(world):
        await world.make_pool()
        async with calling(world, alice) as caller:
            await foreseen(world, bob, caller)
            said = await world.command("pool", "delete", "notes", typed="y\n")
            ended, reached = time.monotonic(), world.origin.reached
            assert "4 clients and 3 grants ended" in said.err
            await caller.more(20)
            assert set(caller.since(ended)) == {503}
            assert set(caller.since(0)) == {200, 503}
            assert world.origin.reached == reached
        await gone(world)
        await refused(world, alice, call=503)

        said = await world.command("pool", "create", "notes", "--id", world.pools[-1], *known(world), status=1)
        assert "Choose another" in said.err
        async with pool(world):
            await refused(world, alice, call=401)
            assert world.origin.reached == reached
            assert (await Employee("alice").whoami(world.url))["user"] == "alice"


async def foreseen(world: World, bob: Employee, caller: Caller) -> None:
    """The dry run counts what there is, and neither it nor a no ends anything."""
    await bob.whoami(world.url)
    await Employee("bob").whoami(world.url)  # another program of his
    status, _ = await world.post(f"{world.issuer}/register", json={"redirect_uris": ["http://127.0.0.1/cb"]})
    assert status == 201
    found = {kind: await world.listed(kind, path) for kind, path in LISTS.items()}
    there = {kind: sum(row.get("count", 1) for row in rows) for kind, rows in found.items()}
    assert there == {"clients": 4, "grants": 3, "users": 2}
    assert len([key for key, kept in await stored(world) if key.startswith(b"dcr:g:") and "b'us'" in kept]) == 3

    would = (await world.command("pool", "delete", "notes", "--dry-run", "--json")).json
    assert there.items() <= would.items()
    assert (would["servers"], would["complete"], would["dry_run"]) == (["notes"], True, True)
    said = await world.command("pool", "delete", "notes", typed="n\n", status=1)
    assert "4 clients, and 3 live grants of 2 users" in said.err
    await caller.more(1)
    assert set(caller.since(0)) == {200}


async def gone(world: World) -> None:
    """Not advertised, not listed, not stored; and the audit trail says why."""
    assert await world.discovered() == (404, "")
    await world.command("pool", "show", "notes", status=1)
    assert [row["pool"] for row in await world.listed("pools", "pools")] == ["corp"]
    for kind, path in LISTS.items():
        assert await world.listed(kind, path) == [], kind
    assert [key for key, _ in await stored(world)] == [b"dcr:pools"]  # that the id was used
    ended = [line for line in world.sidecar.said("grant_ended") if line["server"] == "notes"]
    assert [line["reason"] for line in ended][-3:] == ["pool_deleted"] * 3


async def refused(world: World, person: Employee, *, call: int) -> None:
    """What the program kept is of no use."""
    tokens, client = person.storage.tokens, person.storage.client
    assert tokens is not None
    assert client is not None
    assert await world.call(tokens.access_token) == call
    headers = {"Authorization": aiohttp.encode_basic_auth(client.client_id or "", client.client_secret or "")}
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    status, answer = await world.post(f"{world.issuer}/token", data=form, headers=headers)
    assert (status, answer["error"]) == (401, "invalid_client")


async def stored(world: World) -> list[tuple[bytes, str]]:
    """All that the store has of the last pool: each key that names its id, or whose value does."""
    found = []
    async with Redis(unix_socket_path=str(world.sidecar.store)) as store:
        async for key in store.scan_iter(count=1000):
            kept = repr(await _value(store, key))
            if world.pools[-1] in f"{key!r}{kept}":
                found.append((key, kept))
    return found


async def _value(store: "Redis[bytes]", key: bytes) -> object:
    """Of whatever type it is; nothing when it went meanwhile."""
    match await store.type(key):
        case b"hash":
            return await store.hgetall(key)
        case b"zset":
            return await store.zrange(key, 0, -1)
        case b"set":
            return await store.smembers(key)
        case b"string":
            return await store.get(key)
        case other:
            assert other == b"none", (key, other)
            return None

"""What people do with an MCP client, with each that is published: see `clients` for them, `table` for what comes of it.

Real parts everywhere: Envoy, the sidecar, its store, an identity provider, the MCP server, and the client as its users
install it. Each test is one cell of the README's table.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from redis.asyncio import Redis

from sidecar import events
from sidecar.clock import system_clock
from sidecar.demo.folder import CannotStart
from sidecar.demo.mcp_server import SignedTokens, demo_app
from sidecar.demo.ports import listen, port_of, require_free
from sidecar.demo.serving import asgi_on
from sidecar.demo.stack import AUDIENCE
from sidecar.records import Lifetimes
from tests.flows.running import Running, eventually, free_port, running
from tests.flows.test_kinds_of_client import site
from tests.interop.clients import CLIENTS, LEGACY, Client, Desk, Failed, Inspector
from tests.interop.table import cell

ACCESS, LEEWAY = 4, 2
SHORT = Lifetimes(access=ACCESS, leeway=LEEWAY)
OVER = f"wait:{ACCESS + LEEWAY + 1}"
ADMIN = "fake-admin-token-0123456789-abcdefghij"
LOOPBACK = [f"http://{host}{path}" for host in ("127.0.0.1", "localhost") for path in ("/callback", "/oauth/callback")]

pytestmark = pytest.mark.parametrize("client", [pytest.param(each, id=each.name.strip("`")) for each in CLIENTS])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path / "home")


@cell("Register, approve, sign in, list tools, call one")
@pytest.mark.req(199)
async def test_signs_in_and_calls(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as demo:
        tools, told = await client.run(desk, demo.url, "list", "call")
        assert "whoami" in tools
        assert told["user"] == "alice"
        assert counted(demo) == (1, 1)
        assert await client.run(desk, demo.url, "call"), "started again"
        assert counted(demo) == (1, 1)


@cell("Refresh, three calls at once")
@pytest.mark.req(199)
async def test_refreshes_under_three_calls_at_once(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with running(tmp_path / "demo", lifetimes=SHORT) as demo:
        _, _, three = await client.run(desk, demo.url, "call", OVER, "three")
        assert [told["user"] for told in three] == ["alice"] * 3
        assert counted(demo) == (1, 1)
        assert "refresh_token" in [event.flow for event in demo.happened(events.TokenIssued)]
        assert (await client.run(desk, demo.url, "call"))[0]["user"] == "alice", "started again, with what it kept"
        assert len(demo.happened(events.ClientRegistered)) == 1


@cell("Revoke, sign in again")
@pytest.mark.req(199)
async def test_revokes_and_signs_in_again(client: Client, desk: Desk, tmp_path: Path, record_property: Any) -> None:
    """With what it kept. The Inspector has an option for that too, but looks for the metadata where it keeps none."""
    async with running(tmp_path / "demo") as demo:
        await client.run(desk, demo.url, "call")
        if isinstance(client, Inspector):
            assert (await client.run(desk, demo.url, "anew"))[0]["user"] == "alice"
            own = "revokes" if demo.happened(events.GrantEnded) else "does not revoke"
            record_property("note", f"passes; its own `--relogin` {own}")
        ended, (sign_ins, registrations) = len(demo.happened(events.GrantEnded)), counted(demo)
        await revoke(demo, desk)
        assert [event.reason for event in demo.happened(events.GrantEnded)][ended:] == ["revoked"]
        assert (await client.run(desk, demo.url, "call"))[0]["user"] == "alice"
        assert counted(demo) == (sign_ins + 1, registrations)


@cell("By document (CIMD)")
@pytest.mark.req(199)
async def test_signs_in_by_its_document(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with site(tmp_path) as (app, more), running(tmp_path / "demo", more=more, lifetimes=SHORT) as demo:
        app.changes = {"redirect_uris": LOOPBACK}
        told, _, three = await client.run(desk, demo.url, "call", OVER, "three", document=app.url)
        assert {each["user"] for each in (told, *three)} == {"alice"}
        assert any("Described by <strong>localhost</strong>" in page["text"] for page in desk.pages)
        assert counted(demo) == (1, 0)


@cell("The URL with a slash, `/mcp/`")
@pytest.mark.req(8, 199)
async def test_takes_the_url_with_a_slash(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as demo:
        assert (await client.run(desk, f"{demo.url}/", "call"))[0]["user"] == "alice"
        assert counted(demo) == (1, 1)


@cell("A path beside another server")
@pytest.mark.req(199)
async def test_signs_in_at_each_of_two_servers_on_a_host(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with beside(tmp_path / "demo", "/files/mcp") as (demo, other):
        assert (await client.run(desk, demo.url, "call"))[0]["user"] == "alice"
        assert (await client.run(second(desk), other, "call"))[0]["user"] == "alice"
        assert servers(demo) == ["demo", "other"]


@cell("A host itself, without a path")
@pytest.mark.req(8, 199)
async def test_signs_in_at_a_server_at_the_root_of_its_host(client: Client, desk: Desk, tmp_path: Path) -> None:
    async with beside(tmp_path / "demo", "") as (demo, root):
        assert (await client.run(desk, root, "call"))[0]["user"] == "alice"
        assert (await client.run(second(desk), f"{root}/", "call"))[0]["user"] == "alice"
        assert servers(demo) == ["other", "other"]


@cell("Wire versions")
@pytest.mark.req(190, 199)
async def test_speaks_each_wire_version_that_it_knows(client: Client, tmp_path: Path, record_property: Any) -> None:
    async with running(tmp_path / "demo") as demo:
        for era in client.eras:
            steps = "list", "call", "three"
            tools, told, three = await client.run(Desk.at(tmp_path / era), demo.url, *steps, era=era)
            assert "whoami" in tools
            for each in (told, *three):
                assert each["user"] == "alice"
                assert ("mcp-session-id" in each["headers"]) is (era == LEGACY), each["headers"]
        record_property("note", ", ".join(client.eras))


@cell("The store away, then back")
@pytest.mark.req(199)
async def test_works_again_after_the_store_was_away(
    client: Client, desk: Desk, tmp_path: Path, record_property: Any
) -> None:
    """What failed meanwhile is tried again with what it kept; nobody registers anew.

    Its token ended meanwhile. Programs of the Python SDK that start with such a token sign in, store or no store.
    """
    async with running(tmp_path / "demo", lifetimes=SHORT) as demo:
        await client.run(desk, demo.url, "call", OVER)
        async with store_away(demo):
            with suppress(Failed):  # a program that refreshed as it ended is remembered for two seconds
                await client.run(desk, demo.url, "call")
        assert (await client.run(desk, demo.url, "call"))[0]["user"] == "alice"
        sign_ins, registrations = counted(demo)
        assert registrations == 1
        record_property("note", "goes on" if sign_ins == 1 else "signs in again")


@cell("Registration deleted behind its back")
@pytest.mark.req(199)
async def test_recovers_from_a_deleted_registration(
    client: Client, desk: Desk, tmp_path: Path, record_property: Any
) -> None:
    """By itself, or the person sees a page that says how, does so, and it works."""
    token = tmp_path / "admin.token"
    token.write_text(ADMIN)
    token.chmod(0o600)
    async with running(tmp_path / "demo", more={"admin": {"token_file": str(token)}}) as demo:
        await client.run(desk, demo.url, "call")
        await forget(demo)
        try:
            assert (await client.run(desk, demo.url, "call"))[0]["user"] == "alice"
            record_property("note", "by itself")
        except Failed:
            page = desk.pages[-1]
            assert page["status"] == 400
            assert "remove" in page["text"].lower()
            assert "add it again" in page["text"].lower()
            record_property("note", "a page says how")
            assert (await client.run(second(desk), demo.url, "call"))[0]["user"] == "alice"
        assert counted(demo) == (2, 2)


def counted(demo: Running) -> tuple[int, int]:
    """Sign-ins and registrations."""
    return len(demo.happened(events.SignedIn)), len(demo.happened(events.ClientRegistered))


def servers(demo: Running) -> list[str]:
    """Where somebody signed in."""
    return [event.server for event in demo.happened(events.SignedIn)]


def second(desk: Desk) -> Desk:
    """A machine that knows nothing: as after removing the server from the program."""
    return Desk.at(desk.home.with_name("again"))


async def revoke(demo: Running, desk: Desk) -> None:
    """With what the program kept, as one does that is told to sign out."""
    client, tokens = desk.kept("redirect_uris"), desk.kept("refresh_token")
    form = {"token": tokens["refresh_token"], "client_id": client["client_id"]}
    if secret := client.get("client_secret"):
        form["client_secret"] = secret
    if client.get("token_endpoint_auth_method") == "client_secret_basic":
        headers = {"Authorization": aiohttp.encode_basic_auth(form.pop("client_id"), form.pop("client_secret"))}
        answer = await demo.request("POST", f"{demo.origin}/revoke", data=form, headers=headers)
    else:
        answer = await demo.request("POST", f"{demo.origin}/revoke", data=form)
    assert answer.status == 200, answer.body


async def forget(demo: Running) -> None:
    """An operator deletes the client, and tries again when told to: all parts share a busy machine.

    What was told to be uncertain may have been done, and then is not there the second time.
    """
    (registered,) = demo.happened(events.ClientRegistered)
    done = {200}
    connector = aiohttp.UnixConnector(str(demo.stack.plan.folder.socket("admin")))
    sent = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(connector=connector, headers=sent) as session:

        async def deleted() -> bool:
            url = f"http://admin/admin/clients/{quote(registered.client, safe='')}"
            async with session.delete(url) as response:
                assert response.status in {*done, 503}, await response.text()
                done.add(404)
                return response.status != 503

        await eventually(deleted)


@asynccontextmanager
async def store_away(demo: Running) -> AsyncIterator[None]:
    """It takes connections and answers nothing: a machine that hangs."""
    async with Redis(unix_socket_path=str(demo.stack.plan.folder.store / "valkey.sock")) as store:
        process = int((await store.info("server"))["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@asynccontextmanager
async def beside(folder: Path, path: str) -> AsyncIterator[tuple[Running, str]]:
    """The demo's server at /mcp and another one at `path` of the same host. The URL is the other one's."""
    port = free_ports(3)
    origin, idp = f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}"
    other = f"{origin}{path}"
    with listen() as listener:
        servers = [
            {"name": "demo", "resource": f"{origin}/mcp", "origin": f"http://127.0.0.1:{port + 2}", "pool": "demo"},
            {"name": "other", "resource": other, "origin": f"http://127.0.0.1:{port_of(listener)}", "pool": "demo"},
        ]
        verifier = SignedTokens(idp, AUDIENCE, system_clock)
        app = demo_app(public_url=other if path else f"{other}/", idp_issuer=idp, verifier=verifier)
        async with asgi_on(listener, app), running(folder, port=port, more={"servers": servers}) as demo:
            assert (demo.stack.idp.issuer, demo.stack.mcp_origin) == (idp, servers[0]["origin"]), "a port was taken"
            yield demo, other


def free_ports(count: int) -> int:
    """The first of so many in a row that nobody has: the demo takes those behind its own when it can."""
    while True:
        first = free_port()
        try:
            for port in range(first + 1, first + count):
                require_free(port)
        except CannotStart:
            continue
        return first

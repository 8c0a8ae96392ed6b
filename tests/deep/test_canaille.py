"""The official SDK's client, knowing one URL, signs in at an identity provider that is not ours: Canaille."""

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import pytest_asyncio
from mcp.client.auth import OAuthFlowError

from sidecar.grants.authorisation import EARLY_SECONDS
from tests.deep import canaille as idp
from tests.deep.canaille import Canaille, running_canaille
from tests.deep.employees import CanaillesTokens, Employee
from tests.deep.installed import Installed, installed
from tests.fakes.browser import Browser
from tests.flows.person import told
from tests.flows.running import eventually, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 4
"""Seconds until the first upstream token is so near its end that it gets renewed. Renewed ones live for days."""
STALE_SECONDS = 2.5
"""How long an ended grant may be believed: the cache's two seconds and the way there."""


@dataclass
class World:
    canaille: Canaille
    sidecar: Installed
    mcp_server: CanaillesTokens


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, port = tmp_path_factory.mktemp, free_port()
    lifetimes = {"authorization_code": EARLY_SECONDS + SOON, "refresh_token": 10 * 86400}
    redirect = f"http://localhost:{port}/callback"
    async with running_canaille(folder("canaille"), redirect_uri=redirect, seconds=lifetimes) as canaille:
        pool = {
            "provider": "oidc",
            "issuer": canaille.issuer,
            "client_id": idp.CLIENT_ID,
            "client_secret": idp.CLIENT_SECRET,
            "token_auth": "basic",  # its document allows `post` too, this client's registration does not
            "scopes": ["profile", "email"],
        }
        mcp_server = CanaillesTokens(canaille, idp.CLIENT_ID)
        async with installed(folder("sidecar"), port=port, pool=pool, verifier=mcp_server) as sidecar:
            yield World(canaille, sidecar, mcp_server)


async def test_three_pages_at_canaille_let_its_user_in(world: World) -> None:
    """Discover, register, consent, sign in and consent at Canaille, token, tools/list, whoami."""
    alice = Employee("alice")
    async with alice.client(world.sidecar.url) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["whoami", "count"]
        answer = await told(client)
    assert (answer["user"], answer["email"]) == ("alice", idp.email("alice"))
    assert answer["token_issuer"] == world.canaille.issuer
    assert answer["token_sha256"] == sha256(world.mcp_server.arrived[-1])
    assert {seen.access_token for seen in alice.storage.seen}.isdisjoint(world.mcp_server.arrived)
    assert alice.paths_shown == ["/login", "/auth/password", "/oauth/authorize"]
    assert all(dict(page.forms[0].fields)["csrf_token"] for page in alice.shown)
    assert alice.sign_ins == 1


@pytest.mark.parametrize("without", ["nonce", "code_challenge"])
async def test_what_canaille_insists_on_is_what_we_send(world: World, without: str) -> None:
    bob = Employee("bob")
    await bob.whoami(world.sidecar.url)
    asked = next(hop for hop in bob.shown[0].hops if "/oauth/authorize" in hop)
    query = dict(parse_qsl(urlsplit(asked).query))
    assert query.pop(without)
    async with Browser(world.sidecar.origin) as browser:
        page = await browser.open(f"{world.canaille.issuer}/oauth/authorize?{urlencode(query)}")
        refused = (await idp.sign_in(browser, page, "bob"))[-1]
    assert dict(parse_qsl(urlsplit(refused.url).query))["error"] == "invalid_request"


async def test_the_client_refreshes_by_itself(world: World) -> None:
    bob = Employee("bob")
    async with bob.client(world.sidecar.url) as client:
        await client.list_tools()
        assert bob.auth is not None
        bob.auth.context.token_expiry_time = time.time() - 1  # as if the hour were over
        assert (await told(client))["user"] == "bob"
    first, second = bob.storage.seen
    assert {first.access_token, first.refresh_token}.isdisjoint({second.access_token, second.refresh_token})
    assert bob.sign_ins == 1


async def test_canaille_rotates_its_tokens_behind_the_clients_back(world: World) -> None:
    bob = Employee("bob")
    before = await world.sidecar.upstream_calls("refresh", "ok")
    await bob.whoami(world.sidecar.url)
    first = world.mcp_server.arrived[-1]
    second = await renewed(world, bob, first)
    assert await world.sidecar.upstream_calls("refresh", "ok") == before + 1
    assert await world.canaille.userinfo(first) is None
    assert await world.canaille.userinfo(second) is not None
    assert (bob.sign_ins, len(bob.storage.seen)) == (1, 1)


async def test_after_a_revocation_only_a_new_sign_in_helps(world: World) -> None:
    bob = Employee("bob")
    await bob.whoami(world.sidecar.url)
    await bob.revoke(world.sidecar.origin)
    await refused_soon(world, bob.access_token)
    assert (await bob.whoami(world.sidecar.url))["user"] == "bob"
    assert bob.sign_ins == 2
    assert bob.paths_shown == ["/login", "/auth/password"]


async def test_who_says_no_at_canaille_is_not_let_in(world: World) -> None:
    carol = Employee("carol", answer="deny")
    with pytest.RaisesGroup(OAuthFlowError, flatten_subgroups=True):
        await carol.whoami(world.sidecar.url)
    answer = dict(parse_qsl(urlsplit(carol.pages[-1].url).query))
    assert (answer["error"], answer["iss"]) == ("access_denied", world.sidecar.origin)
    assert "code" not in answer


async def test_who_withdraws_consent_at_canaille_must_sign_in_again(world: World) -> None:
    """The MCP server then refuses the upstream token, and Canaille the refresh token, which ends the grant."""
    dave = Employee("dave")
    await dave.whoami(world.sidecar.url)
    await world.canaille.withdraw_consent("dave")
    await refused_soon(world, dave.access_token)

    async def canaille_was_asked() -> bool:
        assert (await world.sidecar.call(dave.access_token))[0] == 401
        return await world.sidecar.upstream_calls("refresh", "refused") == 1

    await eventually(canaille_was_asked)
    assert (await dave.whoami(world.sidecar.url))["user"] == "dave"
    assert dave.sign_ins == 2
    assert dave.paths_shown == ["/login", "/auth/password", "/oauth/authorize"]


async def renewed(world: World, person: Employee, first: str) -> str:
    """The next upstream token of this person, who goes on calling."""

    async def another() -> bool:
        return (await person.whoami(world.sidecar.url))["token_sha256"] != sha256(first)

    await eventually(another)
    return world.mcp_server.arrived[-1]


async def refused_soon(world: World, token: str, seconds: float = STALE_SECONDS) -> None:
    async def refused() -> bool:
        status, challenge = await world.sidecar.call(token)
        return status == 401 and challenge.startswith("Bearer ")

    await eventually(refused, seconds)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

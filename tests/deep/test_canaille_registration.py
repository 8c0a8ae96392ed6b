"""A sidecar without a client id, at an identity provider that lets it register itself: Canaille."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from joserfc import jwt
from mcp.server.auth.provider import AccessToken

from tests.deep import canaille as idp
from tests.deep.canaille import Canaille, running_canaille
from tests.deep.installed import Installed, installed
from tests.fakes.browser import Browser, Page
from tests.flows.person import Person
from tests.flows.running import eventually, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class AnyonesTokens:
    """The MCP server's TokenVerifier: signed by Canaille for whichever client, and not ended since."""

    canaille: Canaille
    audiences: list[str] = field(default_factory=list)

    async def verify_token(self, token: str) -> AccessToken | None:
        claims = jwt.decode(token, await self.canaille.keys(), algorithms=["RS256", "RS512"]).claims
        user = await self.canaille.userinfo(token)
        if user is None or claims["iss"] != self.canaille.issuer:
            return None
        self.audiences += claims["aud"]
        return AccessToken(
            token=token,
            client_id=claims["aud"][0],
            scopes=[],
            expires_at=claims["exp"],
            subject=user["sub"],
            claims=user | {"iss": claims["iss"]},
        )


@dataclass
class Employee(Person):
    """Somebody with an account at Canaille, who agrees to whatever it asks."""

    async def at_idp(self, browser: Browser, page: Page) -> list[Page]:
        after = await idp.sign_in(browser, page, self.login)
        if not after[-1].outside:
            after.append(await browser.press(after[-1], "accept"))
        return after


@dataclass
class World:
    canaille: Canaille
    sidecar: Installed
    mcp_server: AnyonesTokens


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, port = tmp_path_factory.mktemp, free_port()
    async with running_canaille(folder("canaille")) as canaille:
        pool = {"provider": "oidc", "issuer": canaille.issuer, "scopes": ["profile", "email"]}
        mcp_server = AnyonesTokens(canaille)
        async with installed(folder("sidecar"), port=port, pool=pool, verifier=mcp_server) as sidecar:
            yield World(canaille, sidecar, mcp_server)


async def test_the_sidecar_registers_itself_and_alice_signs_in(world: World) -> None:
    """Nobody entered anything at Canaille: the official client signs in there through what the sidecar registered."""
    await registered(world, 1)
    (client,) = await world.canaille.clients()
    assert client["redirect_uris"] == [f"{world.sidecar.origin}/callback"]
    assert client["client_name"] == "dcr-sidecar for demo"
    assert client["scope"] == ["openid", "profile", "email"]

    alice = Employee("alice")
    answer = await alice.whoami(world.sidecar.url)
    assert (answer["user"], answer["email"]) == ("alice", idp.email("alice"))
    assert set(world.mcp_server.audiences) == {client["client_id"]}
    assert client["client_secret"] not in world.sidecar.log.read_text()


async def registered(world: World, times: int) -> None:
    async def told() -> bool:
        return await world.sidecar.upstream_calls("register", "ok") == times

    await eventually(told, 20)

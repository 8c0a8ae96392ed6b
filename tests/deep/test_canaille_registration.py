"""A sidecar without a client id, at an identity provider that lets it register itself: Canaille."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.deep import canaille as idp
from tests.deep.canaille import Canaille, running_canaille
from tests.deep.employees import CanaillesTokens, Employee
from tests.deep.installed import Installed, installed
from tests.flows.running import eventually, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class World:
    canaille: Canaille
    sidecar: Installed
    mcp_server: CanaillesTokens


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder, port = tmp_path_factory.mktemp, free_port()
    async with running_canaille(folder("canaille")) as canaille:
        pool = {"provider": "oidc", "issuer": canaille.issuer, "scopes": ["profile", "email"]}
        mcp_server = CanaillesTokens(canaille)
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
    assert world.mcp_server.audiences == {client["client_id"]}
    assert client["client_secret"] not in world.sidecar.log.read_text()


async def registered(world: World, times: int) -> None:
    async def told() -> bool:
        return await world.sidecar.upstream_calls("register", "ok") == times

    await eventually(told, 20)

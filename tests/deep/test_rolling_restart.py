"""A rolling restart of two pods under constant traffic: no request and no sign-in is lost (threats PR-01)."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sidecar import keyfile
from sidecar.clock import system_clock, system_entropy
from sidecar.demo.idp import SCOPES, Idp, RelyingParty
from sidecar.demo.idp_state import IdpState
from sidecar.demo.mcp_server import SignedTokens, demo_app
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import aiohttp_on, asgi_on
from sidecar.envoy_config import bootstrap, plan_from
from sidecar.settings import parse
from sidecar.store.embedded import embedded_server
from tests.deep.pods import Pod, PodWithEnvoy, Service
from tests.deep.traffic import STEPS, Traffic, way_in
from tests.fakes.envoy import running_envoy
from tests.flows.running import free_port

AUDIENCE = "api://demo-mcp-server"
POOL: dict[str, Any] = {
    "name": "corp",
    "id": "corp-1",
    "provider": "oidc",
    "client_id": "dcr",
    "client_secret": "s" * 43,
    "scopes": list(SCOPES),
}


@dataclass(frozen=True)
class Deployment:
    port: int
    """The public one."""
    folder: Path
    settings: dict[str, Any]

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"

    def pods(self, kind: type[Pod]) -> tuple[Pod, Pod]:
        return kind(self.folder / "one", self.settings), kind(self.folder / "two", self.settings)


@asynccontextmanager
async def gateways() -> AsyncIterator[tuple[Deployment, Pod, Pod]]:
    """Shape `gateway`: a Service before two pods, each with its Envoy. No pod runs yet."""
    async with around() as deployment:
        one, two = deployment.pods(PodWithEnvoy)
        async with Service("http", (one, two)).on(deployment.port):
            yield deployment, one, two


@asynccontextmanager
async def behind_one_envoy() -> AsyncIterator[tuple[Deployment, Pod, Pod]]:
    """Shape `extauthz`: one Envoy, which reaches two sidecars by a Service's address. No pod runs yet.

    The hard case: a gateway that knows the pods' own addresses leaves one as soon as it is told.
    """
    async with around() as deployment, AsyncExitStack() as stack:
        one, two = deployment.pods(Pod)
        listeners = {}
        for name in ("oauth", "check"):
            listeners[name] = f"127.0.0.1:{(port := free_port())}"
            await stack.enter_async_context(Service(name, (one, two)).on(port))
        document = {
            **deployment.settings,
            "listeners": listeners,
            "envoy": {"listen": f"127.0.0.1:{deployment.port}", "admin": f"unix:{deployment.folder}/envoy.sock"},
        }
        settings = parse(document, base=deployment.folder)
        plan = plan_from(
            settings.directory,
            oauth=settings.listeners.oauth,
            check=settings.listeners.check,
            envoy=settings.envoy,
            check_secret=False,
        )
        await stack.enter_async_context(running_envoy(bootstrap(plan)))
        yield deployment, one, two


@asynccontextmanager
async def around() -> AsyncIterator[Deployment]:
    """What pods need: a store, an IdP, an MCP server."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roll-")))
        idp_listener, mcp_listener = (stack.enter_context(listen()) for _ in range(2))
        issuer = f"http://127.0.0.1:{port_of(idp_listener)}"
        store = await stack.enter_async_context(embedded_server(f"{folder}/store"))
        keyfile.generate(folder / "keys.json", entropy=system_entropy, clock=system_clock)
        settings = {
            "keys": {"file": f"{folder}/keys.json"},
            "store": {"url": store},
            "pools": [{**POOL, "issuer": issuer}],
            "limits": {name: {"per_hour": 0} for name in ("registrations", "pool_registrations", "sign_ins")},
        }
        made = Deployment(free_port(), folder, settings)
        origin = f"http://127.0.0.1:{port_of(mcp_listener)}"
        settings["servers"] = [{"name": "demo", "resource": made.url, "origin": origin, "pool": "corp"}]
        party = RelyingParty(POOL["client_id"], POOL["client_secret"], f"{made.origin}/callback")
        idp = Idp(issuer, party, AUDIENCE, IdpState(folder / "idp.json", system_clock, system_entropy))
        mcp = demo_app(public_url=made.url, idp_issuer=issuer, verifier=SignedTokens(issuer, AUDIENCE, system_clock))
        await stack.enter_async_context(aiohttp_on(idp_listener, idp.app()))
        await stack.enter_async_context(asgi_on(mcp_listener, mcp))
        yield made


Shape = Callable[[], AbstractAsyncContextManager[tuple[Deployment, Pod, Pod]]]


@asynccontextmanager
async def half_way_in(origin: str) -> AsyncIterator[list[AsyncIterator[str]]]:
    """Sign-ins that rest, one after each step."""
    async with AsyncExitStack() as stack:
        ways = []
        for steps in range(1, STEPS):
            way = await stack.enter_async_context(aclosing(way_in(origin, "alice")))
            for _ in range(steps):
                await anext(way)
            ways.append(way)
        yield ways


async def ended(way: AsyncIterator[str]) -> str:
    """What its last step gives: the access token."""
    return [step async for step in way][-1]


@pytest.mark.req(65)
@pytest.mark.parametrize(
    "shape", [pytest.param(gateways, id="two Envoys"), pytest.param(behind_one_envoy, id="one Envoy")]
)
async def test_a_rolling_restart_loses_no_request_and_no_sign_in(shape: Shape) -> None:
    """Sign-ins that one pod began, each resting after another step, are ended by the other while the first is gone."""
    async with AsyncExitStack() as stack:
        deployment, one, two = await stack.enter_async_context(shape())
        await stack.enter_async_context(one.running())
        begun_at_one = await stack.enter_async_context(half_way_in(deployment.origin))
        await stack.enter_async_context(two.running())
        async with Traffic(deployment.url).flowing() as traffic:
            await traffic.more(3)
            await one.delete()
            signed_in = [await ended(way) for way in begun_at_one]
            async with half_way_in(deployment.origin) as begun_at_two:
                await one.start()
                await two.delete()
                signed_in += [await ended(way) for way in begun_at_two]
            await two.start()
            await traffic.more(3)
    assert traffic.lost == []
    assert len(set(signed_in)) == 2 * (STEPS - 1)


async def test_a_pod_that_is_killed_loses_requests() -> None:
    """The count above can see a loss."""
    async with gateways() as (deployment, one, two), one.running(), two.running():
        async with Traffic(deployment.url).flowing() as traffic:
            await traffic.more(3)
            await one.kill()
            await traffic.more(1)
        assert {loss.partition(":")[0] for loss in traffic.lost} >= {"call, kept connection", "call, own connection"}

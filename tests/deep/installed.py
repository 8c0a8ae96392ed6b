"""The sidecar set up as the README tells it: commands, a YAML file, a process, and the Envoy configuration it printed.

In front of the demo's MCP server, which takes the tokens of any provider that its `verifier` knows.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import yaml
from mcp.server.auth.provider import TokenVerifier

from sidecar.clock import system_clock, system_entropy
from sidecar.demo.children import child, tail
from sidecar.demo.idp import SCOPES, Idp, RelyingParty
from sidecar.demo.idp_state import IdpState
from sidecar.demo.mcp_server import SignedTokens, demo_app
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import aiohttp_on, asgi_on
from sidecar.demo.stack import AUDIENCE
from tests.fakes.envoy import free_port, running_envoy

REPOSITORY = Path(__file__).parents[2]
SET_UP = (
    "keys generate {0}/keys.json",
    "config check {0}/sidecar.yaml",
    "envoy-config --config {0}/sidecar.yaml --output {0}/envoy.yaml",
)
SERVE = "serve --config {0}/sidecar.yaml"
_SECONDS = 60


@dataclass(frozen=True)
class Installed:
    url: str
    """The one thing that users know."""
    origin: str
    ops: str
    log: Path

    @property
    def config(self) -> Path:
        return self.log.with_name("sidecar.yaml")

    @property
    def store(self) -> Path:
        """Its socket."""
        return self.log.parent / "store" / "valkey.sock"

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log so far that tell of this event."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if f'"event":"{event}"' in line]

    async def call(self, token: str) -> tuple[int, str]:
        """A bare MCP request: the status and the challenge."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(self.url, json=message) as response,
        ):
            return response.status, response.headers.get("WWW-Authenticate", "")

    async def upstream_calls(self, operation: str, outcome: str) -> int:
        """How often the provider was called so: the sidecar's own count."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.ops}/metrics") as response:
            text = await response.text()
        for line in text.splitlines():
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found = (labels.get("operation"), labels.get("outcome"))
            if line.startswith("dcr_sidecar_upstream_calls_total") and found == (operation, outcome):
                return int(float(line.rpartition(" ")[2]))
        return 0


@asynccontextmanager
async def over_demo_idp(folder: Path, *, port: int, **more: Any) -> AsyncIterator[Installed]:
    """With the demo's identity provider, and its MCP server as it is."""
    with listen() as listener:
        issuer = f"http://127.0.0.1:{port_of(listener)}"
        party = RelyingParty("dcr", "s" * 43, f"http://localhost:{port}/callback")
        idp = Idp(issuer, party, AUDIENCE, IdpState(folder / "idp.json", system_clock, system_entropy), 3600)
        pool = {
            "provider": "oidc",
            "issuer": issuer,
            "client_id": party.client_id,
            "client_secret": party.client_secret,
            "scopes": list(SCOPES),
        }
        verifier = SignedTokens(issuer, AUDIENCE, system_clock)
        async with (
            aiohttp_on(listener, idp.app()),
            installed(folder, port=port, pool=pool, verifier=verifier, **more) as parts,
        ):
            yield parts


@asynccontextmanager
async def installed(
    folder: Path,
    *,
    port: int,
    pool: dict[str, Any],
    verifier: TokenVerifier,
    beside: Sequence[dict[str, Any]] = (),
    more: Mapping[str, Any] = MappingProxyType({}),
) -> AsyncIterator[Installed]:
    """`pool` is the pool's section of the configuration, without its names. `port` is the one that Envoy gets.

    `beside` are further servers, `more` further sections.
    """
    origin = f"http://localhost:{port}"
    parts = Installed(f"{origin}/mcp", origin, f"http://127.0.0.1:{free_port()}", folder / "sidecar.log")
    mcp = demo_app(public_url=parts.url, idp_issuer=pool["issuer"], verifier=verifier)
    with listen() as listener:
        settings = _settings(folder, parts, port_of(listener), port, pool)
        settings["servers"] += beside
        parts.config.write_text(yaml.safe_dump({**settings, **more}))
        for command in SET_UP:
            await _run(folder, command)
        async with (
            asgi_on(listener, mcp),
            child(_command(folder, SERVE), folder=REPOSITORY, log=parts.log) as process,
            running_envoy((folder / "envoy.yaml").read_text()),
        ):
            await _ready(parts, process)
            yield parts


def _settings(folder: Path, parts: Installed, mcp_port: int, port: int, pool: dict[str, Any]) -> dict[str, Any]:
    server = {"name": "demo", "resource": parts.url, "origin": f"http://127.0.0.1:{mcp_port}", "pool": "corp"}
    listeners = {name: f"unix:{folder}/{name}.sock" for name in ("oauth", "check", "admin")}
    return {
        "keys": {"file": "keys.json"},
        "store": {"url": f"embedded:{folder}/store"},
        "servers": [server],
        "pools": [{"name": "corp", "id": "corp-1"} | pool],
        "listeners": listeners | {"ops": parts.ops.removeprefix("http://")},
        "envoy": {"listen": f"127.0.0.1:{port}", "admin": f"unix:{folder}/envoy.sock"},
    }


def _command(folder: Path, command: str) -> list[str]:
    return [sys.executable, "-m", "sidecar", *(word.format(folder) for word in command.split())]


async def _run(folder: Path, command: str) -> None:
    log = folder / "set-up.log"
    async with child(_command(folder, command), folder=REPOSITORY, log=log) as process:
        assert await asyncio.wait_for(process.wait(), _SECONDS) == 0, tail(log)


async def _ready(parts: Installed, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_SECONDS), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, tail(parts.log)
            try:
                async with session.get(f"{parts.ops}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)

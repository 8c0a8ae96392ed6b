"""Thousands of registrations from one address while people sign in: real Envoy, a sidecar process and its Valkey.

Bounds are generous, for machines that do much else; the numbers are printed (`pytest -s`, and when a test fails).
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.deep.installed import REPOSITORY, Installed, over_demo_idp
from tests.flows.person import Person
from tests.flows.running import free_port

REGISTRATIONS, CONNECTIONS = 20_000, 200
"""More connections than the store has turns: a flood that takes them all would leave none to the people."""
FLOODER = "127.0.0.2"
"""Where the flood comes from; the person is at 127.0.0.1."""
PAUSE = 2
"""Seconds between two sign-ins: people, not a second flood."""
MIB = 1 << 20


@dataclass
class Deployment:
    parts: Installed
    folder: Path
    signed_in: list[float] = field(default_factory=list)
    """Seconds of each sign-in while the flood came."""
    called: list[float] = field(default_factory=list)
    """Seconds of each MCP call with a token, likewise."""

    @property
    def port(self) -> int:
        return int(self.parts.origin.rpartition(":")[2])

    @property
    def resident(self) -> int:
        """The sidecar's resident memory, in bytes."""
        wanted = str(self.parts.config)
        (process,) = [each for each in Path("/proc").glob("[0-9]*") if wanted in _command_of(each)]
        fields = (line.split() for line in (process / "status").read_text().splitlines())
        return next(int(words[1]) * 1024 for words in fields if words[0] == "VmRSS:")

    def store(self) -> "Redis[bytes]":
        return Redis(unix_socket_path=str(self.parts.store))

    async def sign_in(self) -> float:
        """A new person with a new client, from the first 401 to an answered MCP call: the seconds it took."""
        started = time.monotonic()
        assert (await Person("alice").whoami(self.parts.url))["user"] == "alice"
        return time.monotonic() - started

    async def flood(self, number: int) -> dict[str, Any]:
        """What the flooder tells. Meanwhile people sign in one after the other, and one who has goes on calling."""
        alice = Person("alice")
        await alice.whoami(self.parts.url)
        assert alice.storage.tokens is not None
        command = ("-m", "tests.deep.flooder", str(self.port), FLOODER, str(number), str(CONNECTIONS))
        process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=REPOSITORY, stdout=PIPE)
        told = asyncio.create_task(process.communicate())
        try:
            await asyncio.gather(self._sign_in_until(told), self._call_until(told, alice.storage.tokens.access_token))
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0
        report: dict[str, Any] = json.loads((await told)[0])
        return report

    async def _sign_in_until(self, over: "asyncio.Task[Any]") -> None:
        while not over.done():
            self.signed_in.append(await self.sign_in())
            await asyncio.wait({over}, timeout=PAUSE)

    async def _call_until(self, over: "asyncio.Task[Any]", token: str) -> None:
        while not over.done():
            started = time.monotonic()
            status, _ = await self.parts.call(token)
            assert status not in {401, 403, 404, 429, 503}
            self.called.append(time.monotonic() - started)
            await asyncio.wait({over}, timeout=PAUSE / 10)


def _command_of(process: Path) -> str:
    try:
        command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it ended meanwhile
        return ""
    return " ".join(command) if "serve" in command else ""


@asynccontextmanager
async def deployed() -> AsyncIterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="flood-") as name:
        async with over_demo_idp(Path(name), port=free_port()) as parts:
            yield Deployment(parts, Path(name))


@dataclass(frozen=True)
class Before:
    sign_in: float
    resident: int
    stored: int


async def before(deployment: Deployment) -> Before:
    """After a few sign-ins, so that everything is loaded."""
    quiet = statistics.median([await deployment.sign_in() for _ in range(3)])
    async with deployment.store() as store:
        return Before(quiet, deployment.resident, (await store.info("memory"))["used_memory"])


def report(title: str, lines: dict[str, str]) -> None:
    sys.stdout.write("\n".join([f"\n{title}", *(f"  {name:<34}{value}" for name, value in lines.items()), ""]))


def people(deployment: Deployment, was: Before) -> dict[str, str]:
    signed_in, called = deployment.signed_in, deployment.called
    return {
        "sign-in without the flood": f"{was.sign_in:.2f} s",
        f"sign-ins during it: {len(signed_in)}": f"{statistics.median(signed_in):.2f} s, "
        f"longest {max(signed_in):.2f} s",
        f"MCP calls during it: {len(called)}": f"{statistics.median(called) * 1000:.0f} ms, "
        f"longest {max(called) * 1000:.0f} ms",
    }


@pytest.mark.req(62)
async def test_a_flood_is_refused_and_people_sign_in() -> None:
    """With the limits that hold unless configured otherwise."""
    async with deployed() as deployment:
        was = await before(deployment)
        told = await deployment.flood(REGISTRATIONS)
        statuses = told["statuses"]
        report(
            f"{REGISTRATIONS} registrations from one address, default limits",
            {
                "flood": f"{told['seconds']:.1f} s, {REGISTRATIONS / told['seconds']:.0f} a second, {statuses}",
                "resident memory of the sidecar": f"{was.resident / MIB:.0f} -> {deployment.resident / MIB:.0f} MiB",
                **people(deployment, was),
            },
        )
        assert set(statuses) == {"201", "429"}
        assert told["without_retry_after"] == 0
        assert 100 <= statuses["201"] <= 100 + 300 * told["seconds"] / 3600 + 1
        assert told["ids"] == statuses["201"]
        assert len(deployment.signed_in) >= 2
        assert max(deployment.signed_in) < 10
        assert deployment.resident - was.resident < 64 * MIB


@pytest.mark.req(62, 63)
async def test_a_flood_that_is_let_in_stays_small_and_people_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an operator had named the flooder's address a hosted client's, without a limit."""
    named = {"name": "flood", "cidrs": [f"{FLOODER}/32"], "registrations": {"per_hour": 0}}
    monkeypatch.setenv("DCR_SIDECAR_LIMITS__RANGES", json.dumps([named]))
    async with deployed() as deployment:
        was = await before(deployment)
        told = await deployment.flood(REGISTRATIONS)
        async with deployment.store() as store:
            stored = (await store.info("memory"))["used_memory"] - was.stored
            entries = [key async for key in store.scan_iter(match="dcr:c:*", count=1000)]
            idle = [key for key in entries[:500] if 0 < await store.ttl(key) <= 86400]
            cost = [await store.memory_usage(key, samples=0) for key in idle]
        report(
            f"{REGISTRATIONS} registrations from one address, all let in",
            {
                "flood": f"{told['seconds']:.1f} s, {REGISTRATIONS / told['seconds']:.0f} a second",
                "resident memory of the sidecar": f"{was.resident / MIB:.0f} -> {deployment.resident / MIB:.0f} MiB",
                "memory of the store": f"{stored / MIB:.1f} MiB more, {stored / REGISTRATIONS:.0f} bytes each",
                "an entry that nobody uses": f"{statistics.median(cost):.0f} bytes (MEMORY USAGE), for one day",
                **people(deployment, was),
            },
        )
        assert told["statuses"] == {"201": REGISTRATIONS}
        assert told["ids"] == REGISTRATIONS
        assert len(entries) >= REGISTRATIONS
        assert len(idle) > 450, "nearly all of them are nobody's, and end within a day"
        assert stored / REGISTRATIONS < 2048
        assert len(deployment.signed_in) >= 2
        assert max(deployment.signed_in) < 10
        assert deployment.resident - was.resident < 64 * MIB

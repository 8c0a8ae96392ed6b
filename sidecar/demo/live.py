"""The demo while it runs in a terminal: `ready: …`, a live log, and an end that leaves nothing running.

Owns the signals and what is printed between start and end.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from sidecar.app import StartError
from sidecar.clock import system_clock
from sidecar.demo.children import ChildFailed
from sidecar.demo.folder import Folder
from sidecar.demo.narrator import Narrator
from sidecar.demo.stack import Plan, Stack, started
from sidecar.events import Event
from sidecar.settings import SettingsError
from sidecar.store.base import StoreError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(port: int, folder: Folder, out: Console, complaints: Console) -> int:
    """Until a signal or a failure; the exit code."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    demo, stopped = asyncio.create_task(_demo(Plan(port, folder), out)), asyncio.create_task(stop.wait())
    await asyncio.wait({demo, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not demo.done():
        out.print("\nStopping…")
        demo.cancel()
    stopped.cancel()
    try:
        with suppress(asyncio.CancelledError):
            await demo
    except (ChildFailed, StartError, StoreError, SettingsError) as error:
        complaints.print(f"The demo failed: {error}")
        return 1
    out.print("Stopped.")
    return 0


async def _demo(plan: Plan, out: Console) -> None:
    """Until cancelled. Raises what `started` raises, and ChildFailed when a part ends on its own."""
    curtain = _Curtain(Narrator(out, system_clock))
    async with started(plan, sinks=(curtain,)) as stack:
        out.print(f"ready: {plan.url}")
        out.print(_introduction(stack, plan.folder))
        curtain.raised = True
        raise ChildFailed(await stack.broken())


def _introduction(stack: Stack, folder: Folder) -> str:
    return (
        "\n"
        "Paste that URL into an MCP client; sign in as alice or bob.\n"
        f"IdP without DCR  {stack.idp.issuer}\n"
        f"Metrics          {stack.ops}/metrics\n"
        f"Data and logs    {folder.path}\n"
        f"Look inside      {_relative(Path(sys.argv[0]))} client list --config {_relative(folder.settings)}\n"
        "Ctrl-C stops everything.\n"
    )


def _relative(file: Path) -> Path:
    """As people would type it from where they are."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


class _Curtain:
    """Our own probes are no story: nothing is told before everything stands."""

    def __init__(self, narrator: Narrator) -> None:
        self.raised = False
        self._narrator = narrator

    def __call__(self, event: Event) -> None:
        if self.raised:
            self._narrator(event)

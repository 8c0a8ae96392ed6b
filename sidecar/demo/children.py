"""Child processes that stop when told, and that cannot outlive us however we end.

Owns starting, stopping and the log file of one child; knows nothing about what it runs.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

_STOP_SECONDS = 5.0
_TAIL_BYTES = 2000
# PR_SET_PDEATHSIG, then: did the parent die before we said so?
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class ChildFailed(Exception):
    """A child ended on its own. The message holds the last lines that it wrote."""


@contextlib.asynccontextmanager
async def child(command: Sequence[str], *, folder: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command in `folder`; on exit ask it to stop, and make it when it does not."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_tied(command),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is for us: we stop the parts in their order
        )
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def tail(log: Path) -> str:
    """The end of a log, for a message about a child that failed."""
    with contextlib.suppress(OSError):
        return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    return ""


def _tied(command: Sequence[str]) -> list[str]:
    """On Linux the kernel ends the child when we are killed. Elsewhere a SIGKILL of ours leaves it behind.

    A launcher, not a `preexec_fn`: that one is unsafe beside threads. The setting survives the exec.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]

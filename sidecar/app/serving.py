"""Listeners and their life: bind all, serve, and on a signal go in an order that loses nothing.

Owns sockets and signals. Owns neither what is served (`faces`) nor what it needs (`services`).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import web

from sidecar.settings.binds import Bind

HTTP: Mapping[str, Any] = MappingProxyType(
    {
        "access_log": None,  # one request event says more, and says it once
        "auto_decompress": False,  # compressed bodies are refused, not inflated
        # Envoy passes on up to 60 KiB of headers, and a check repeats the path of what it checks. A smaller limit here
        # would turn a long request line into an error page of aiohttp's own, which nobody can parse.
        "max_line_size": 64 * 1024,
        "max_field_size": 64 * 1024,
        "lingering_time": 2.0,  # for the rest of a body that was refused
    }
)
"""How aiohttp speaks HTTP on every listener."""

_SOCKET_MODE = 0o660
_BACKLOG = 1024


class StartError(Exception):
    """The sidecar cannot start; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How to go. Both together stay below the grace period of whoever stops us (Kubernetes: 30 s)."""

    drain_seconds: float = 0.0
    """Not ready any more, but still serving: the time that load balancers need to look elsewhere, and proxies to leave.

    Each answer says that its connection ends: one that we end first may lose a request that is on its way to us.
    """
    finish_seconds: float = 20.0
    """For requests under way, after listening has ended."""


@dataclass(frozen=True, slots=True)
class Listener:
    name: str
    bind: Bind
    app: web.Application


@contextlib.asynccontextmanager
async def listening(listeners: Sequence[Listener], shutdown: Shutdown) -> AsyncIterator[None]:
    """All listeners at work, or none and StartError. They end together, so that one slow request delays no other."""
    runners = [web.AppRunner(listener.app, shutdown_timeout=shutdown.finish_seconds, **HTTP) for listener in listeners]
    try:
        for runner, listener in zip(runners, listeners, strict=True):
            await runner.setup()
            await _bind(runner, listener)
        yield
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def _bind(runner: web.AppRunner, listener: Listener) -> None:
    bind = listener.bind
    site = (
        web.UnixSite(runner, bind.unix, backlog=_BACKLOG)
        if bind.unix
        else web.TCPSite(runner, bind.host, bind.port, backlog=_BACKLOG)
    )
    if bind.unix and await _answers(bind.unix):
        raise StartError(f"cannot listen on {bind} (another process does): change `listeners.{listener.name}`")
    try:
        await site.start()
        if bind.unix:
            Path(bind.unix).chmod(_SOCKET_MODE)  # noqa: ASYNC240 - once, at start
    except (OSError, OverflowError) as error:
        why = _reason(error)
        raise StartError(f"cannot listen on {bind} ({why}): free it, or change `listeners.{listener.name}`") from error


def _reason(error: Exception) -> str:
    """What the system says, without the address that asyncio tells once more."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else str(error)


async def _answers(path: str) -> bool:
    """A socket's file outlives its process, so it is replaced; but not under one that still listens."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def ends_connections(app: web.Application, when: Callable[[], bool]) -> None:
    """From then on every answer says `Connection: close` (RFC 9112 9.6), so that nobody asks there again."""

    async def last_one(_request: web.Request, response: web.StreamResponse) -> None:
        if when():
            response.force_close()
            response.headers["Connection"] = "close"  # this signal comes after aiohttp wrote its own headers

    app.on_response_prepare.append(last_one)


@contextlib.contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` for as long as this lasts."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

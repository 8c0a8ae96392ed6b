"""The composition root: settings in, a running sidecar out.

services   adapters and use cases, built once
faces      one aiohttp application per listener
serving    sockets, signals, and an orderly end
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import TextIO

from sidecar import __version__
from sidecar.app.faces import admin_app, check_app, oauth_app, ops_app
from sidecar.app.services import Adapters, Services, Sources, build, open_services
from sidecar.app.serving import Listener, Shutdown, StartError, ends_connections, listening, stopped_by_signals
from sidecar.events import Recorder
from sidecar.settings.model import Settings
from sidecar.store.base import StoreError
from sidecar.telemetry import library_logs, open_log

__all__ = [
    "Adapters",
    "Services",
    "Shutdown",
    "Sources",
    "StartError",
    "admin_app",
    "build",
    "check_app",
    "oauth_app",
    "open_services",
    "ops_app",
    "serve",
]


async def serve(
    settings: Settings,
    *,
    sinks: Sequence[Recorder] = (),
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
    shutdown: Shutdown = Shutdown(),  # noqa: B008 - a frozen value
    stream: TextIO = sys.stdout,
) -> None:
    """Serve until `stop` is set, or until SIGTERM or SIGINT when no `stop` is given. Raises StartError.

    `ready` is set once every listener is bound. `sinks` get every event, besides the log and the metrics.
    """
    log = open_log(settings.log.format, settings.log.level, stream)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(library_logs(log))
        log.info(
            "starting",
            version=__version__,
            servers=[server.name for server in settings.directory.servers],
            store=settings.store.url.partition(":")[0],  # the rest may hold a password
            active_key=settings.keyring.active,
        )
        for warning in settings.warnings:
            log.warning("configuration", detail=warning)
        if stop is None:
            stop = asyncio.Event()
            stack.enter_context(stopped_by_signals(stop))
        try:
            services = await stack.enter_async_context(open_services(settings, sinks=sinks, log=log))
        except StoreError as error:  # only the embedded one has to answer at once
            raise StartError(str(error)) from error
        binds = settings.listeners
        listeners = (
            Listener("oauth", binds.oauth, oauth_app(services)),
            Listener("check", binds.check, check_app(services)),
            *([Listener("admin", binds.admin, admin_app(services))] if settings.admin_token else ()),
            Listener("ops", binds.ops, ops_app(services, stop.is_set)),
        )
        for listener in listeners:
            ends_connections(listener.app, stop.is_set)
        async with listening(listeners, shutdown):
            for listener in listeners:
                log.info("listening", listener=listener.name, address=str(listener.bind))
            if ready is not None:
                ready.set()
            await stop.wait()
            log.info("stopping", drain_seconds=shutdown.drain_seconds)
            await asyncio.sleep(shutdown.drain_seconds)
    log.info("stopped")

"""Hearing what other replicas ended, so that it is forgotten here in milliseconds. Owns no channel."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from sidecar.events import PushChannel, Recorder
from sidecar.grants.principals import Principals
from sidecar.store.base import Channel, News, StoreError

_ECHO_SECONDS = 5.0


def _ignore() -> None:
    """For whom pools never change."""


async def hear(
    news: AsyncIterator[News],
    principals: Principals,
    recorder: Recorder,
    pools_changed: Callable[[], None] = _ignore,
) -> None:
    """Runs as long as the process. Whatever was not heard is forgotten by age; an outage is told once."""
    up: bool | None = None
    async for item in news:
        if item.kind == "grant":
            principals.forget(item.grant_id)
            continue
        if item.kind == "pools":
            pools_changed()
            continue
        before, up = up, item.kind == "up"
        if up != before:
            recorder(PushChannel(up=up, detail=item.why))
        if up:
            principals.forget_all()


async def echo(channel: Channel) -> None:
    """Runs as long as the process: how long news takes is known before there is any that matters."""
    while True:
        await asyncio.sleep(_ECHO_SECONDS)
        with contextlib.suppress(StoreError):  # readiness tells that
            await channel.echo()

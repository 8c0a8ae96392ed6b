"""Hearing what other replicas ended, so that it is forgotten here in milliseconds. Owns no channel."""

from collections.abc import AsyncIterator

from sidecar.events import PushChannel, Recorder
from sidecar.grants.principals import Principals
from sidecar.store.base import News


async def hear(news: AsyncIterator[News], principals: Principals, recorder: Recorder) -> None:
    """Runs as long as the process. Whatever was not heard is forgotten by age; an outage is told once."""
    up: bool | None = None
    async for item in news:
        if item.kind == "grant":
            principals.forget(item.grant_id)
            continue
        before, up = up, item.kind == "up"
        if up != before:
            recorder(PushChannel(up=up, detail=item.why))
        if up:
            principals.forget_all()

"""The real store adapter on fakeredis, Lua included: for tests of what stands above the store.

    async with fake_store() as store: ...

fakeredis keeps the machine's time, so a test that moves time passes `now` to the verbs that take it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fakeredis import FakeAsyncRedis, FakeServer

from sidecar.store.redis import RedisStore, store_on


@asynccontextmanager
async def fake_store(server: FakeServer | None = None, *, prefix: str = "test") -> AsyncIterator[RedisStore]:
    """Its own empty store; stores that are given the same `server` see the same data, as replicas do."""
    client = FakeAsyncRedis(server=server or FakeServer())
    try:
        # Generous: a busy test machine must not look like a broken store.
        yield store_on(client, prefix=prefix, timeout_ms=10_000)
    finally:
        await client.aclose()

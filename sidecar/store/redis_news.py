"""News of grants that are not what they were, from every replica to every other. Owns the channel, not its use.

Redis delivers at most once, so hearing of an end only makes it faster; `up` tells that earlier ends were missed.
"""

import asyncio
from collections.abc import AsyncIterator

from redis.asyncio.client import PubSub
from redis.exceptions import RedisClusterException, RedisError

from sidecar.store.base import News, StoreError
from sidecar.store.redis_link import explain
from sidecar.store.redis_part import Part

_QUIET_SECONDS = 1.0
"""After so long without a message the server is asked whether it is there; after as long again it is not."""
_RETRY_SECONDS = 0.25


class RedisNews(Part):
    __slots__ = ()

    async def news(self) -> AsyncIterator[News]:
        """Never ends by itself and never raises StoreError: a channel that broke is opened again."""
        while True:
            try:
                async with self.link.subscription(self.keys.news()) as channel:
                    yield News("up")
                    async for grant_id in _heard(channel):
                        yield News("grant", grant_id)
            except StoreError as error:
                yield News("down", why=str(error))
            await asyncio.sleep(_RETRY_SECONDS)


async def _heard(channel: PubSub) -> AsyncIterator[str]:
    """Grant ids as they come. Raises StoreError when the server is gone, said so or not (half-open connections)."""
    asked = False
    while True:
        try:
            message = await channel.get_message(timeout=_QUIET_SECONDS)
            if message is None and not asked:
                async with asyncio.timeout(_QUIET_SECONDS):
                    await channel.ping()
        except (RedisError, RedisClusterException, OSError) as error:
            raise StoreError(explain(error)) from error
        if message is None and asked:
            raise StoreError("the store's news channel is silent")
        asked = message is None
        if message is not None and message["type"] == "message":
            yield message["data"].decode(errors="replace")

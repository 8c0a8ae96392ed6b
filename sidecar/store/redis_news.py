"""News of grants that are not what they were, from every replica to every other. Owns the channel, not its use.

Redis delivers at most once, so hearing of an end only makes it faster; `up` tells that earlier ends were missed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from redis.asyncio.client import PubSub
from redis.exceptions import RedisClusterException, RedisError

from sidecar.store.base import News, StoreError
from sidecar.store.redis_link import explain
from sidecar.store.redis_part import Part

_QUIET_SECONDS = 1.0
"""After so long without a message the server is asked whether it is there; after as long again it is not."""
_RETRY_SECONDS = 0.25
_POOLS = "pools"
"""What scripts say of a change of a pool; no grant id looks like it."""
_ECHO = "echo"
"""What a replica says to itself; no grant id looks like it either."""


class RedisNews(Part):
    __slots__ = ()

    async def news(self) -> AsyncIterator[News]:
        """Never ends by itself and never raises StoreError: a channel that broke is opened again."""
        while True:
            try:
                async with self.link.subscription(self.keys.news()) as channel:
                    yield News("up")
                    async for told in _heard(channel):
                        if told.startswith(_ECHO):
                            self._echoed(told)
                        else:
                            yield News("pools") if told == _POOLS else News("grant", told)
            except StoreError as error:
                yield News("down", why=str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def echo(self) -> None:
        # Through the channel that ends of grants take, but by one clock: that of the store may be seconds off.
        said = f"{_ECHO}:{self.link.name}:{self.link.monotonic()}"
        await self.link.command("PUBLISH", self.keys.news(), said)

    def _echoed(self, told: str) -> None:
        """Nothing, when another replica said it."""
        name, _, said_at = told.removeprefix(f"{_ECHO}:").partition(":")
        with contextlib.suppress(ValueError):  # whoever can write to the store can say anything
            if name == self.link.name:
                self.on_echo(self.link.monotonic() - float(said_at))


async def _heard(channel: PubSub) -> AsyncIterator[str]:
    """What was said, as it comes. Raises StoreError when the server is gone, told or not (half-open connections)."""
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

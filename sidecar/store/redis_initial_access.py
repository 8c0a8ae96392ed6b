"""Initial access tokens in Redis: a hash each, and a list by pool. Uses are counted down in one script on one key."""

from sidecar.store.base import StoreError
from sidecar.store.initial_access import InitialAccessToken
from sidecar.store.packing import initial_access_pairs, read_initial_access
from sidecar.store.redis_link import together
from sidecar.store.redis_part import UNCONFIRMED, Part, given, milliseconds

_BATCH = 64
"""Read at once."""


class RedisInitialAccess(Part):
    __slots__ = ()

    async def add_initial_access(self, token: InitialAccessToken) -> None:
        # Listed first: an entry without its token is harmless, a token that nobody finds could not be revoked.
        index, ends = self.keys.initial_accesses(token.pool_id), milliseconds(token.expires_at)
        await self.link.script("index_add", index, token.id, ends, "")
        key = self.keys.initial_access(token.id)
        if not await self.link.script("initial_access_put", key, ends, *initial_access_pairs(token)):
            raise StoreError("the store already has an initial access token of this id")

    async def spend_initial_access(
        self, token_id: str, pool_id: str, *, spend: bool = True, now: float | None = None
    ) -> bool:
        key = self.keys.initial_access(token_id)
        good = await self.link.script("initial_access_spend", key, given(now), pool_id, "1" if spend else "")
        if good and spend and not await self._confirmed_use(key):
            self.on_shortfall("initial_access")
        return bool(good)

    async def refund_initial_access(self, token_id: str) -> None:
        await self.link.script("initial_access_refund", self.keys.initial_access(token_id))

    async def initial_accesses(self, pool_id: str) -> tuple[InitialAccessToken, ...]:
        listed = await self.link.command("ZRANGE", self.keys.initial_accesses(pool_id), 0, -1)
        found: list[InitialAccessToken | None] = []
        for start in range(0, len(listed), _BATCH):
            found += await together(*(self._read(each.decode()) for each in listed[start : start + _BATCH]))
        return tuple(token for token in found if token is not None)

    async def end_initial_access(self, token_id: str) -> InitialAccessToken | None:
        token, key = await self._read(token_id), self.keys.initial_access(token_id)
        ended = await self.link.command("DEL", key)  # also one that cannot be read
        if token is not None:
            await self.link.command("ZREM", self.keys.initial_accesses(token.pool_id), token_id)
        # Also when nothing was there: an earlier try may have ended it, unconfirmed.
        if not await self.link.confirmed(self.keys.barrier_beside(key)):
            raise StoreError(UNCONFIRMED)
        return token if ended else None

    async def _read(self, token_id: str) -> InitialAccessToken | None:
        stored = await self.link.command("HGETALL", self.keys.initial_access(token_id))
        return self._readable(lambda: read_initial_access(token_id, stored))

    async def _confirmed_use(self, key: str) -> bool:
        """A use that was taken stays taken; an error would only make the caller take another."""
        try:
            return await self.link.confirmed(self.keys.barrier_beside(key))
        except StoreError:
            return False

"""Pools in Redis: one hash of sealed records, changed by one script; and the end of a pool's registry entries."""

from sidecar.store.base import StoreError
from sidecar.store.packing import read_pools
from sidecar.store.pools import PoolRecords, Put
from sidecar.store.redis_link import together
from sidecar.store.redis_part import UNCONFIRMED, Part

_BATCH = 64
_ID_TAKEN = -1


class RedisPools(Part):
    __slots__ = ()

    async def pools_revision(self) -> int:
        return int(await self.link.command("HGET", self.keys.pools(), "#rev") or 0)

    async def pool_records(self) -> PoolRecords:
        return read_pools(await self.link.command("HGETALL", self.keys.pools()))

    async def put_pool(self, name: str, sealed: bytes, *, version: int, claims: str = "") -> Put:
        stored = await self.link.script("pool_put", self.keys.pools(), name, version, claims, sealed)
        if stored == _ID_TAKEN:
            return Put("id_taken")
        if not stored:
            return Put("conflict")
        await self._pools_confirmed()
        return Put("done", int(stored))

    async def drop_pool(self, name: str, *, version: int) -> bool:
        dropped = await self.link.script("pool_drop", self.keys.pools(), name, version)
        await self._pools_confirmed()
        return bool(dropped)

    async def forget_clients(self, pool_id: str) -> int:
        # Entries first: a place without its entry is harmless, an entry that nobody finds would stay.
        listing, count = self.keys.clients_of(pool_id), 0
        while names := await self.link.command("ZRANGE", listing, 0, _BATCH - 1):
            count += sum(await together(*(self._forget_client(pool_id, name.decode()) for name in names)))
            await self.link.command("ZREM", listing, *names)
        return count

    async def _forget_client(self, pool_id: str, client_id: str) -> bool:
        """A client that is a document may have come to another pool since: then the entry is that one's."""
        key = self.keys.client(client_id)
        if await self.link.command("HGET", key, "p") != pool_id.encode():
            return False
        return bool(await self.link.command("DEL", key))

    async def _pools_confirmed(self) -> None:
        if not await self.link.confirmed(self.keys.barrier_beside(self.keys.pools())):
            raise StoreError(UNCONFIRMED)

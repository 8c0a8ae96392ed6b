"""The client registry in Redis: what a self-describing id cannot carry, what was changed, and who is denied.

An entry that nobody uses is forgotten; one that was changed, and a denial, never are.
"""

from typing import Literal

from sidecar.store.codec import ALWAYS, ENDING
from sidecar.store.packing import client_pairs, read_client
from sidecar.store.redis_part import Part, milliseconds
from sidecar.store.registry import Denial, Registration

_NO_END = -1
"""What PTTL says of an entry that was changed."""


class RedisClients(Part):
    __slots__ = ()

    async def register(self, registration: Registration, seconds: int) -> None:
        key, life = self.keys.client(registration.client_id), milliseconds(seconds)
        await self._enlist(registration.pool_id, registration.client_id, life)
        await self.link.script("client_put", key, life, *client_pairs(registration))

    async def change(self, registration: Registration) -> bool:
        # Whoever deletes writes the denial, then removes the entry; we write the entry, then read the denial. So one of
        # the two sees the other, and no entry of a deleted client stays.
        key = self.keys.client(registration.client_id)
        await self._enlist(registration.pool_id, registration.client_id, "")
        await self.link.script("client_put", key, "", *client_pairs(registration))
        if await self.denied(registration.client_id):
            await self._remove(registration.client_id)
            return False
        await self._confirm_beside(key)
        return True

    async def registered(self, client_id: str) -> Registration | None:
        key = self.keys.client(client_id)
        stored = await self.link.command("HGETALL", key)
        entry = self._readable(lambda: read_client(client_id, stored))
        if entry is None and stored and await self.link.command("PTTL", key) == _NO_END:
            return Registration(client_id, "", {}, 0, 0, lost=True)
        return entry

    async def used(self, client_id: str, at: int, seconds: int) -> bool:
        life = milliseconds(seconds)
        pool_id = await self.link.script("client_used", self.keys.client(client_id), at, life)
        if pool_id is None:
            return False
        await self._enlist(pool_id.decode(), client_id, life)
        return True

    async def deny(self, client_id: str) -> None:
        key = self.keys.denied_client(client_id)
        await self.link.command("SET", key, ENDING, "NX")
        await self._confirm_beside(key)

    async def denied(self, client_id: str) -> Denial:
        value = await self.link.command("GET", self.keys.denied_client(client_id))
        if value is None:
            return ""
        return "ending" if value == ENDING.encode() else "ended"

    async def forget(self, client_id: str) -> bool:
        if await self.denied(client_id) != "ending":
            return False
        await self._remove(client_id)
        return bool(await self.link.script("client_end", self.keys.denied_client(client_id), ENDING, ALWAYS))

    async def _enlist(self, pool_id: str, client_id: str, life: int | Literal[""]) -> None:
        """For so many milliseconds, or for good. A later end stays."""
        await self.link.script("listing_add", self.keys.clients_of(pool_id), client_id, life)

    async def _remove(self, client_id: str) -> None:
        """The entry, and first its place in the list of its pool."""
        key = self.keys.client(client_id)
        pool_id = await self.link.command("HGET", key, "p")
        if pool_id is not None:
            await self.link.command("ZREM", self.keys.clients_of(pool_id.decode()), client_id)
        await self.link.command("DEL", key)

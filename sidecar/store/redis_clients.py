"""The client registry in Redis: what a self-describing id cannot carry, forgotten when it is not used."""

from sidecar.store.base import Registration
from sidecar.store.packing import client_pairs, read_client
from sidecar.store.redis_part import Part, milliseconds


class RedisClients(Part):
    __slots__ = ()

    async def register(self, registration: Registration, seconds: int) -> None:
        key = self.keys.client(registration.client_id)
        await self.link.script("client_put", key, milliseconds(seconds), *client_pairs(registration))

    async def registered(self, client_id: str) -> Registration | None:
        stored = await self.link.command("HGETALL", self.keys.client(client_id))
        return self._readable(lambda: read_client(client_id, stored))

    async def used(self, client_id: str, at: int, seconds: int) -> None:
        await self.link.script("client_used", self.keys.client(client_id), at, milliseconds(seconds))

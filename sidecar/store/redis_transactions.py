"""Approvals, the authorizations they start, and assertions, in Redis: each is consumed once. Owns no seal."""

from sidecar.store.base import StoreError, Taken
from sidecar.store.codec import digest
from sidecar.store.redis_part import Part, milliseconds


class RedisTransactions(Part):
    __slots__ = ()

    async def spend_form(self, nonce: str, seconds: int) -> bool:
        key = self.keys.form(nonce)
        return bool(await self.link.command("SET", key, "1", "NX", "EX", seconds))

    async def spend_assertion(self, client_id: str, jti: str, seconds: int) -> bool:
        key = self.keys.assertion(client_id, jti)
        return bool(await self.link.command("SET", key, "1", "NX", "EX", seconds))

    async def start(self, handle: str, binding: str, sealed: bytes, seconds: int) -> None:
        key = self.keys.transaction(handle)
        if not await self.link.script("transaction_start", key, digest(binding), sealed, milliseconds(seconds)):
            raise StoreError("the store already has a transaction of this handle")

    async def take(self, handle: str, binding: str) -> Taken:
        outcome, *sealed = await self.link.script("transaction_take", self.keys.transaction(handle), digest(binding))
        return Taken(outcome.decode(), *sealed)

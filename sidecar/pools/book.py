"""The pools that operators made, as records: read, and changed if nobody else did so meanwhile. Owns no rule."""

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.pools.sealed import PoolVault, StoredPool, UnreadablePool
from sidecar.store.pools import PoolRecord, Pools, Put


@dataclass(frozen=True, slots=True)
class Entry:
    version: int
    stored: StoredPool | None
    """None: it cannot be read."""


@dataclass(frozen=True, slots=True)
class PoolBook:
    store: Pools
    vault: PoolVault

    async def entries(self) -> Mapping[str, Entry]:
        return entries((await self.store.pool_records()).records, self.vault)

    async def add(self, stored: StoredPool) -> Put:
        """Its id stays its own for good."""
        sealed = self.vault.seal(stored)
        return await self.store.put_pool(stored.pool.name, sealed, version=0, claims=stored.pool.id)

    async def replace(self, stored: StoredPool, version: int) -> Put:
        return await self.store.put_pool(stored.pool.name, self.vault.seal(stored), version=version)

    async def remove(self, name: str, version: int) -> bool:
        return await self.store.drop_pool(name, version=version)


def entries(records: Mapping[str, PoolRecord], vault: PoolVault) -> Mapping[str, Entry]:
    """The pools among these records, by name. A name with a colon is that of something that belongs to a pool."""
    return {name: _entry(name, record, vault) for name, record in sorted(records.items()) if ":" not in name}


def _entry(name: str, record: PoolRecord, vault: PoolVault) -> Entry:
    try:
        return Entry(record.version, vault.open(name, record.sealed))
    except UnreadablePool:
        return Entry(record.version, None)

"""How many clients and grants each pool has, told every half a minute. Owns no pool and no metric.

Each replica counts for itself and finds the same: two commands a pool, whatever there is in it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sidecar.events import PoolsCounted, Recorder
from sidecar.records import Pool
from sidecar.repeating import repeat
from sidecar.store.listing import Listings, OfPool

_INTERVAL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Census:
    pools: Mapping[str, Pool]
    store: Listings
    recorder: Recorder

    async def count(self) -> None:
        """Raises StoreError."""
        self.recorder(PoolsCounted(counts=tuple([await self._count(name, pool) for name, pool in self._served()])))

    async def repeat(self) -> None:
        """Runs as long as the process. A store that is down is asked again; what was told last stands meanwhile."""
        await repeat(self.count, self.recorder, partial(asyncio.sleep, _INTERVAL_SECONDS))

    def _served(self) -> list[tuple[str, Pool]]:
        found = []
        for name in self.pools:
            with contextlib.suppress(KeyError):  # gone since it was listed
                found.append((name, self.pools[name]))
        return found

    async def _count(self, name: str, pool: Pool) -> tuple[str, int, int]:
        return name, await self.store.count_clients(pool.id), await self.store.count_grants(OfPool(pool.id))

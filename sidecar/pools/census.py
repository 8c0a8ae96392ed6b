"""How many clients and grants each pool has, told every half a minute. Owns no pool and no metric.

Each replica counts for itself and finds the same: two commands a pool, whatever there is in it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.events import PoolsCounted, Recorder, UnexpectedError
from sidecar.records import Pool
from sidecar.store.base import StoreError
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
        while True:
            try:
                await self.count()
            except StoreError:
                pass  # readiness tells that
            except Exception as error:  # noqa: BLE001 - nobody else would count again
                self.recorder(UnexpectedError(kind=type(error).__name__, frames=()))
            await asyncio.sleep(_INTERVAL_SECONDS)

    def _served(self) -> list[tuple[str, Pool]]:
        found = []
        for name in self.pools:
            with contextlib.suppress(KeyError):  # gone since it was listed
                found.append((name, self.pools[name]))
        return found

    async def _count(self, name: str, pool: Pool) -> tuple[str, int, int]:
        return name, await self.store.count_clients(pool.id), await self.store.count_grants(OfPool(pool.id))

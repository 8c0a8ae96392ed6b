"""Which keys there are, and how many registered clients each has made: what retiring one would end."""

from collections import Counter
from dataclasses import dataclass

from sidecar.admin.pools import PoolNames
from sidecar.admin.views import KeysView, KeyView
from sidecar.client_ids import ClientIds
from sidecar.store.listing import Listings

_AT_MOST = 100_000
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class KeyOverview:
    ids: ClientIds
    store: Listings
    pools: PoolNames

    async def read(self) -> KeysView:
        made: Counter[int | None] = Counter()
        complete = True
        for name in self.pools.names():
            complete &= await self._count(self.pools.pool(name).id, made)
        keys = tuple(
            KeyView(id=key.id, state=key.state, created_at=key.created_at, clients=made[key.id])
            for key in self.ids.keyring.keys
        )
        return KeysView(keys=keys, clients_read=made.total(), complete=complete)

    async def _count(self, pool_id: str, made: Counter[int | None]) -> bool:
        """By the ids alone: no entry is read. False when there were too many."""
        after = ""
        while made.total() < _AT_MOST:
            page = await self.store.client_ids_of(pool_id, after=after, limit=_PAGE)
            made.update(self.ids.key_of(client_id) for client_id in page.items)
            after = page.after
            if not after:
                return True
        return False

"""The pools that are served now, by name: the configuration's, else those of the store. A read-only mapping.

A pool of the configuration that has its own credentials depends on nothing else. For any other name a copy of the
store's records is kept, which is asked for changes each second: a lookup in a copy that is older than two seconds
raises StoreError, so that a pool that was deleted elsewhere is denied in time (design 10). Nothing is followed when the
configuration has every pool that a server names. Owns no record and no change; which pools are served is `selection`'s.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sidecar.clock import Monotonic
from sidecar.events import PoolNotServed, Recorder, UnexpectedError
from sidecar.pools.selection import Selected, Selection
from sidecar.records import Pool
from sidecar.store.base import StoreError
from sidecar.store.pools import Pools

STALENESS_SECONDS = 2.0
_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Copy:
    revision: int
    read_at: float
    selected: Selected = field(default_factory=Selected)


class LivePools(Mapping[str, Pool]):
    def __init__(self, selection: Selection, store: Pools, *, monotonic: Monotonic, recorder: Recorder) -> None:
        self.selection = selection
        self.configured = selection.configured.pools
        self._store = store
        self._monotonic = monotonic
        self._recorder = recorder
        self._copy = _Copy(-1, float("-inf"))
        self._changed = asyncio.Event()
        named = {server.pool for server in selection.configured.servers if server.pool}
        self.followed = any(name not in self.configured or not self.configured[name].client_id for name in named)

    def __getitem__(self, name: str) -> Pool:
        """Raises KeyError for a pool that is not here, and StoreError when nobody knows whether it is."""
        own = self.configured.get(name)
        if own is not None and own.client_id:
            return own
        if not self.followed:
            raise KeyError(name)
        if self._monotonic() - self._copy.read_at > STALENESS_SECONDS:
            raise StoreError("the pools have not been read from the store for a while")
        if name in self._copy.selected.unfit:
            raise StoreError("the pool's record must not be used")
        return self._copy.selected.served[name]

    def __iter__(self) -> Iterator[str]:
        """As far as was known last: whoever looks one up then learns whether that is still so."""
        own = [name for name, pool in self.configured.items() if pool.client_id]
        return iter(dict.fromkeys([*own, *self._copy.selected.served]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def waiting(self, name: str) -> Pool | None:
        """A pool that is absent for want of a client of its own, as far as was known last."""
        return self._copy.selected.waiting.get(name)

    def changed(self) -> None:
        """A pool is not what it was: do not wait for the next look."""
        self._changed.set()

    async def look_soon(self) -> None:
        """After a change that stands, whether or not it can be seen at once."""
        with contextlib.suppress(StoreError):
            await self.refresh()

    async def refresh(self) -> None:
        """Look now. Raises StoreError."""
        if not self.followed:
            return
        read_at, copy = self._monotonic(), self._copy
        revision = await self._store.pools_revision()
        if revision == copy.revision:
            self._copy = replace(copy, read_at=read_at)
            return
        found = await self._store.pool_records()
        selected = self.selection.of(found.records)
        for name, reason in selected.unfit.items():
            self._recorder(PoolNotServed(pool=name, reason=reason))
        self._copy = _Copy(found.revision, read_at, selected)

    async def follow(self) -> None:
        """Runs as long as the process. A store that is down is asked again; what was copied grows old meanwhile."""
        while self.followed:
            try:
                await self.refresh()
            except StoreError:
                pass  # readiness tells that
            except Exception as error:  # noqa: BLE001 - the copy grows old, which denies; but nobody else would look again
                self._recorder(UnexpectedError(kind=type(error).__name__, frames=()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_SECONDS):
                    await self._changed.wait()
            self._changed.clear()

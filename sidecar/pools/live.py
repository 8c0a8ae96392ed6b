"""The pools that are served now, by name: the configuration's, else those of the store. A read-only mapping.

A pool of the configuration that has its own credentials depends on nothing else. For any other name a copy of the
store's records is kept, which is asked for changes each second: a lookup in a copy that is older than two seconds
raises StoreError, so that a pool that was deleted elsewhere is denied in time (design 10). Nothing is followed when the
configuration has every pool that a server names. Owns no record and no change.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sidecar.clock import Monotonic
from sidecar.directory import Server
from sidecar.events import PoolNotServed, Recorder, UnexpectedError
from sidecar.pools.judgement import open_to_everybody
from sidecar.pools.sealed import PoolVault, UnreadablePool
from sidecar.records import Pool
from sidecar.store.base import StoreError
from sidecar.store.pools import PoolRecord, PoolRecords, Pools

STALENESS_SECONDS = 2.0
_INTERVAL_SECONDS = 1.0

Complete = Callable[[Pool, Mapping[str, PoolRecord]], Pool | None]
"""A pool without a client id, made whole from what stands beside it in the store; None when nothing does (yet)."""


def incomplete(_pool: Pool, _records: Mapping[str, PoolRecord]) -> Pool | None:
    """For whom nothing registers pools upstream."""
    return None


@dataclass(frozen=True, slots=True)
class _Copy:
    revision: int
    read_at: float
    pools: Mapping[str, Pool]
    unusable: frozenset[str] = frozenset()
    waiting: Mapping[str, Pool] = field(default_factory=dict)
    """Those that nothing has made whole yet."""


class LivePools(Mapping[str, Pool]):
    def __init__(
        self,
        configured: Mapping[str, Pool],
        servers: tuple[Server, ...],
        store: Pools,
        *,
        vault: PoolVault,
        monotonic: Monotonic,
        recorder: Recorder,
        complete: Complete = incomplete,
    ) -> None:
        self.configured = configured
        self._servers = servers
        self._store = store
        self.vault = vault
        self._monotonic = monotonic
        self._recorder = recorder
        self._complete = complete
        self._copy = _Copy(-1, float("-inf"), {})
        self._changed = asyncio.Event()
        named = {server.pool for server in servers if server.pool}
        self.followed = any(name not in configured or not configured[name].client_id for name in named)

    def __getitem__(self, name: str) -> Pool:
        """Raises KeyError for a pool that is not here, and StoreError when nobody knows whether it is."""
        own = self.configured.get(name)
        if own is not None and own.client_id:
            return own
        if not self.followed:
            raise KeyError(name)
        if self._monotonic() - self._copy.read_at > STALENESS_SECONDS:
            raise StoreError("the pools have not been read from the store for a while")
        if name in self._copy.unusable:
            raise StoreError("the pool's record must not be used")
        return self._copy.pools[name]

    def __iter__(self) -> Iterator[str]:
        """As far as was known last: whoever looks one up then learns whether that is still so."""
        own = [name for name, pool in self.configured.items() if pool.client_id]
        return iter(dict.fromkeys([*own, *self._copy.pools]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def waiting(self, name: str) -> Pool | None:
        """A pool that is absent for want of a client of its own, as far as was known last."""
        return self._copy.waiting.get(name)

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
        self._copy = self._copied(found, read_at)

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

    def _copied(self, found: PoolRecords, read_at: float) -> _Copy:
        pools, unusable, waiting = {}, set(), {}
        for name, pool in self._candidates(found.records).items():
            reason = self.unfit(pool) if pool else "unreadable"
            whole = pool if pool is None or pool.client_id else self._complete(pool, found.records)
            if reason:
                self._recorder(PoolNotServed(pool=name, reason=reason))
                unusable.add(name)
            elif whole:
                pools[name] = whole
            elif pool:
                waiting[name] = pool
        return _Copy(found.revision, read_at, pools, frozenset(unusable), waiting)

    def _candidates(self, records: Mapping[str, PoolRecord]) -> Mapping[str, Pool | None]:
        """Those that may be served; None for one that cannot be read."""
        found: dict[str, Pool | None] = {name: pool for name, pool in self.configured.items() if not pool.client_id}
        for name, record in records.items():
            if ":" in name or name in self.configured:
                continue
            try:
                stored = self.vault.open(name, record.sealed)
            except UnreadablePool:
                found[name] = None
            else:
                found |= {name: stored.pool} if stored.state == "live" else {}
        return found

    def unfit(self, pool: Pool) -> str:
        """The configuration may have changed since it was judged: a server was added, its id was given to another."""
        if any(other.id == pool.id and other.name != pool.name for other in self.configured.values()):
            return "id_in_configuration"
        if any(open_to_everybody(pool, server) for server in self._servers if server.pool == pool.name):
            return "needs_allow"
        return ""

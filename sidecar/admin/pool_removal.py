"""The end of a pool: told before, then done in an order in which nothing is made behind it, however often interrupted.

The record says first that the pool is over, and goes last: until then every replica goes on with what is left. Owns no
sweep of grants.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from sidecar.admin import SOURCE
from sidecar.admin.errors import Conflict, Unknown
from sidecar.admin.grants import GrantAdmin
from sidecar.admin.pool_look import PoolLook
from sidecar.admin.pool_views import PoolEnd
from sidecar.events import PoolDeleted, Recorder
from sidecar.grants.sweeps import Sweeper
from sidecar.oauth.errors import InvalidRequest
from sidecar.pools import LivePools, StoredPool
from sidecar.pools.book import Entry, PoolBook
from sidecar.records import Pool
from sidecar.repeating import repeat
from sidecar.store.base import Store
from sidecar.store.listing import OfPool, Sweep

_INTERVAL_SECONDS = 30.0

Retire = Callable[[Pool], Awaitable[bool]]
"""Ends what the pool has at its provider. False: not yet, so ask again."""


async def nothing_upstream(_pool: Pool) -> bool:
    """For pools whose credentials somebody entered: what they are at the provider is that person's."""
    return True


@dataclass(frozen=True, slots=True)
class PoolRemoval:
    book: PoolBook
    live: LivePools
    store: Store
    grants: GrantAdmin
    sweeper: Sweeper
    look: PoolLook
    recorder: Recorder
    retire: Retire = nothing_upstream

    async def delete(self, name: str, *, dry_run: bool, version: int | None) -> PoolEnd:
        """`version` is the confirmation. Doing it again goes on with what was left.

        Raises Unknown, Conflict for a pool of the configuration or another version, InvalidRequest without `version`.
        """
        if name in self.live.configured:
            where = f"It is declared in the configuration, as pools[{name}]; remove it there and restart."
            raise Conflict(where, reason="a pool of the configuration")
        entry = (await self.book.entries()).get(name)
        if entry is None:
            raise Unknown(f"There is no pool {name}.", reason="no such pool")
        if entry.stored is None:
            raise Conflict("Its record cannot be read with the keys that are here.", reason="an unreadable record")
        if dry_run:
            return await self._foreseen(entry.stored, entry.version)
        if version is None:
            raise InvalidRequest(
                "Ask with dry_run=true first, and repeat with the version that it answers.", reason="not confirmed"
            )
        marked = await self._marked(entry.stored, entry.version, version)
        return await self._go_on(marked)

    async def resume(self) -> None:
        """All that is left. Raises StoreError."""
        for entry in (await self.book.entries()).values():
            if entry.stored is not None and entry.stored.state == "deleting":
                await self._go_on(entry)

    async def resume_for_ever(self) -> None:
        """Runs as long as the process. Whatever fails is tried again."""
        await repeat(self.resume, self.recorder, partial(asyncio.sleep, _INTERVAL_SECONDS))

    async def _foreseen(self, stored: StoredPool, version: int) -> PoolEnd:
        pool = stored.pool
        live, users, complete = await self.grants.count(OfPool(pool.id))
        clients = await self.store.count_clients(pool.id)
        return self._end(
            pool, dry_run=True, version=version, clients=clients, users=users, grants=live, complete=complete
        )

    async def _marked(self, stored: StoredPool, stands: int, version: int) -> Entry:
        """From now on the pool does nothing any more."""
        if stored.state == "deleting":
            return Entry(stands, stored)
        marked = replace(stored, state="deleting")
        put = await self.book.replace(marked, version) if version == stands else None
        if put is None or put.outcome != "done":
            raise Conflict("The pool was changed meanwhile; look again.", reason="another version")
        self.recorder(PoolDeleted(pool=stored.pool.name, pool_id=stored.pool.id, source=SOURCE))
        await self.live.look_soon()
        return Entry(put.version, marked)

    async def _go_on(self, entry: Entry) -> PoolEnd:
        # The cut-off first: whoever is signing in now writes the grant, then reads this; and we, then look for grants.
        stored = entry.stored
        if stored is None:
            raise ValueError("nothing is known of this pool")
        pool, whose = stored.pool, OfPool(stored.pool.id)
        await self.store.cut_off(whose, bar=True)
        swept = await self.sweeper.sweep(Sweep(whose, None, "pool_deleted", {}))
        clients = await self.store.forget_clients(pool.id) if swept.complete else 0
        complete = swept.complete and await self._cleared(pool) and await self.retire(pool)
        if complete:
            await self.book.remove(pool.name, entry.version)
        return self._end(
            pool, dry_run=False, version=0, clients=clients, users=0, grants=swept.ended, complete=complete
        )

    async def _cleared(self, pool: Pool) -> bool:
        for token in await self.store.initial_accesses(pool.id):
            await self.store.end_initial_access(token.id)
        return True

    def _end(
        self, pool: Pool, *, dry_run: bool, version: int, clients: int, users: int, grants: int, complete: bool
    ) -> PoolEnd:
        return PoolEnd(
            pool=pool.name,
            id=pool.id,
            dry_run=dry_run,
            version=version,
            clients=clients,
            users=users,
            grants=grants,
            servers=self.look.servers_of(pool.name),
            complete=complete,
        )

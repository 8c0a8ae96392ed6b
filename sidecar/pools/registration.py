"""Pools that register themselves at their IdP: who does it, when, and where the result is kept.

Every replica looks; whoever holds the store's lease acts, and the version of the record is the fence: what a holder
that was too slow brings home is taken back. Owns neither what is tried (`attempts`) nor who uses the credentials:
`live` serves the pool once `RegistrationVault.complete` makes it whole.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from sidecar.clock import Clock, Entropy, random_text
from sidecar.events import Recorder, UnexpectedError, UpstreamRegistrationFailed, UpstreamRegistrationLost
from sidecar.pools.attempts import Attempts, Work, state_after, wait_after
from sidecar.pools.registered import (
    Due,
    Registration,
    RegistrationVault,
    Status,
    UnreadableRegistration,
    completed,
    due,
    record_name,
)
from sidecar.pools.selection import Selection
from sidecar.pools.standing import UNREADABLE, RegistrationStatus, standing
from sidecar.records import Pool
from sidecar.store.base import StoreError
from sidecar.store.pools import PoolRecord, PoolRecords, Pools
from sidecar.store.upstream_registrations import RegistrationLease, UpstreamRegistrations
from sidecar.upstream.base import UpstreamError
from sidecar.upstream.messages import asked_scopes
from sidecar.upstream.quirks import PRESETS

LEASE_SECONDS = 120.0
_LOOK_SECONDS = 5.0
_BY_HAND = "if it stays so, register a client there with these callbacks and scopes, and set the pool's client_id"


class Store(Pools, UpstreamRegistrations, Protocol):
    """The parts of a store that are needed here."""


@dataclass(slots=True)
class PoolRegistration:
    selection: Selection
    store: Store
    vault: RegistrationVault
    attempts: Attempts
    clock: Clock
    entropy: Entropy
    recorder: Recorder
    changed: Callable[[], None] = lambda: None
    """Told when a pool became another through it."""
    _read: PoolRecords = field(init=False, default_factory=lambda: PoolRecords(-1, {}))
    _forgotten: set[str] = field(init=False, default_factory=set)
    _unreadable: set[str] = field(init=False, default_factory=set)
    _wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _under_way: "set[asyncio.Task[None]]" = field(init=False, default_factory=set)

    async def run(self) -> None:
        """Runs as long as the process."""
        while True:
            self._wake.clear()
            with contextlib.suppress(StoreError):  # readiness tells that; the next look comes soon
                await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()

    async def look(self) -> None:
        """Do what is due for every pool that has no client id of its own. Raises StoreError."""
        for pool in await self._candidates():
            try:
                await self._keep(pool)
            except (StoreError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - one pool must not keep the others from being looked at
                self.recorder(UnexpectedError(kind=type(error).__name__, frames=()))

    async def drain(self) -> None:
        """Until nothing is under way at an IdP any more."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    def forgotten(self, pool: Pool) -> None:
        """The IdP did not take this pool's client (`invalid_client`): the next look sees what that needs."""
        self._forgotten.add(pool.client_id)
        self._wake.set()

    def look_soon(self) -> None:
        self._wake.set()

    def status(self, pool: Pool) -> RegistrationStatus:
        """As of the last look."""
        return standing(pool, self._read.records, self.vault, self.selection.configured)

    async def whole(self, pool: Pool) -> Pool:
        """The pool with what it has through its registration, if anything. Raises StoreError."""
        with contextlib.suppress(UnreadableRegistration):
            found = self.vault.opened(pool.id, (await self.store.pool_records()).records)
            return completed(pool, found) or pool
        return pool

    async def end(self, pool: Pool) -> bool:
        """The pool is being deleted: so are its clients at the IdP, as far as they can be. Raises StoreError."""
        try:
            record, found = self._opened(pool, await self.store.pool_records())
        except UnreadableRegistration:
            return True  # it stays, and names no pool that could come back
        if record is None:
            return True
        clients = {each.client_id: each for each in reversed((found.registered, *found.former)) if each is not None}
        for each in clients.values():
            await self.attempts.take_back(self._work(pool), found.issuer, each)
        return await self.store.drop_pool(record_name(pool.id), version=record.version)

    async def _candidates(self) -> list[Pool]:
        revision = await self.store.pools_revision()
        if revision != self._read.revision:
            self._read = await self.store.pool_records()
        found = self.selection.candidates(self._read.records).values()
        own = [pool for pool in found if pool is not None and not pool.client_id]
        return [pool for pool in own if pool.provider in PRESETS and self._work(pool).callbacks]

    async def _keep(self, pool: Pool) -> None:
        try:
            record, found = self._opened(pool, self._read)
        except UnreadableRegistration:
            self._tell_unreadable(pool)
            return
        if not self._due(pool, found):
            if record is not None and self.vault.outdated(record.sealed):
                await self._put(found, record)
            return
        owner = random_text(self.entropy)
        lease = await self.store.lease_registration(pool.id, owner, LEASE_SECONDS)
        if lease.outcome not in {"granted", "interrupted"}:
            return
        # A task of its own: who asked may go, what was begun at the IdP is brought to its end.
        task = asyncio.create_task(self._attempt(pool, owner, lease), name=f"registration of {pool.name}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.shield(task)

    async def _attempt(self, pool: Pool, owner: str, lease: RegistrationLease) -> None:
        work = self._work(pool)
        self._read = await self.store.pool_records()  # under the lease: whoever had it before is in here
        try:
            record, before = self._opened(pool, self._read)
        except UnreadableRegistration:  # which the next look tells
            await self.store.release_registration(pool.id, owner)
            return
        if lease.outcome == "interrupted":
            self._tell_interrupted(work, before)
        cool_down = 0.0
        if action := self._due(pool, before):
            try:
                after = await self.attempts.carry_out(action, work, before)
            except UpstreamError as error:
                cool_down = wait_after(error, lease.failures)
                await self._failed(work, before, record, error)
            else:
                await self._keep_result(work, before, after, record)
            self._read = await self.store.pool_records()
        await self.store.release_registration(pool.id, owner, cool_down=cool_down)

    async def _keep_result(
        self, work: Work, before: Registration, after: Registration, record: PoolRecord | None
    ) -> None:
        old, new = before.registered, after.registered
        kept = False
        try:
            kept = await self._put(after, record)
        finally:
            if not kept and new is not None and (old is None or old.client_id != new.client_id):
                await self.attempts.take_back(work, after.issuer, new)
        if kept and old is not None:
            self._forgotten.discard(old.client_id)
        self.changed()

    async def _failed(self, work: Work, before: Registration, record: PoolRecord | None, error: UpstreamError) -> None:
        state = state_after(error)
        if state == "unavailable" and (before.registered is not None or before.status.state == state):
            return  # it serves, or it was told already
        status = Status(state, str(error))
        if before.status == status or not await self._put(replace(before, status=status), record):
            return
        self._tell_failed(work, before.issuer or work.pool.issuer, status)

    async def _put(self, registration: Registration, record: PoolRecord | None) -> bool:
        version = record.version if record else 0
        put = await self.store.put_pool(
            record_name(registration.pool_id), self.vault.seal(registration), version=version
        )
        return put.outcome == "done"

    def _opened(self, pool: Pool, read: PoolRecords) -> tuple[PoolRecord | None, Registration]:
        return read.records.get(record_name(pool.id)), self.vault.opened(pool.id, read.records)

    def _due(self, pool: Pool, registration: Registration) -> Due:
        work = self._work(pool)
        return due(
            pool,
            registration,
            redirect_uris=work.callbacks,
            scopes=work.scopes,
            forgotten=self._forgotten,
            now=self.clock(),
        )

    def _work(self, pool: Pool) -> Work:
        directory = self.selection.configured
        return Work(
            pool,
            directory.servers_with(pool.name),
            directory.callbacks_of(pool.name),
            asked_scopes(pool, PRESETS[pool.provider]) if pool.provider in PRESETS else (),
        )

    def _tell_failed(self, work: Work, issuer: str, status: Status) -> None:
        self.recorder(
            UpstreamRegistrationFailed(
                pool=work.pool.name,
                upstream_issuer=issuer,
                outcome=status.state,
                callbacks=work.callbacks,
                scopes=work.scopes,
                detail=f"{status.detail}; {_BY_HAND}",
            )
        )

    def _tell_unreadable(self, pool: Pool) -> None:
        if pool.id not in self._unreadable:
            self._unreadable.add(pool.id)
            self._tell_failed(self._work(pool), pool.issuer, UNREADABLE)

    def _tell_interrupted(self, work: Work, before: Registration) -> None:
        text = "a try broke off: there may be a client at the IdP that nobody uses"
        self.recorder(
            UpstreamRegistrationLost(
                pool=work.pool.name,
                upstream_issuer=before.issuer or work.pool.issuer,
                upstream_client="",
                outcome="orphaned",
                detail=text,
            )
        )

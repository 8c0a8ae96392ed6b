"""Ends all grants of something: at once as far as that goes, and the rest in the background until none is left.

The list of what is left to do is in the store, so a sweep outlives the process that began it. Any replica goes on with
it; two that do so at once end each grant once. Owns no denial: whoever begins a sweep has written that before.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.events import ClientDeleted, Recorder
from sidecar.grants import telling
from sidecar.repeating import repeat
from sidecar.store.base import Grants
from sidecar.store.listing import Listings, OfClient, Sweep
from sidecar.store.listing import Sweeps as Pending
from sidecar.store.registry import Clients as Registry

AT_ONCE = 2000
"""Grants that are looked at before the caller gets an answer, when nothing else is said."""
_PAGE = 32
_INTERVAL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Swept:
    ended: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Sweeper:
    grants: Grants
    listings: Listings
    pending: Pending
    registry: Registry
    recorder: Recorder
    _left: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)
    """Something was left to the background, which need not wait for its time."""

    async def sweep(self, sweep: Sweep, *, at_once: int = AT_ONCE) -> Swept:
        """Remember it, then end what can be ended soon. A StoreError leaves it remembered."""
        await self.pending.sweep_begun(sweep)
        swept = await self._go_on(sweep, at_once)
        if not swept.complete:
            self._left.set()
        return swept

    async def resume(self) -> None:
        """All that is left, to the end. Raises StoreError."""
        for sweep in await self.pending.sweeps_pending():
            await self._go_on(sweep, None)

    async def resume_for_ever(self) -> None:
        """Runs as long as the process. Whatever fails is tried again."""
        await repeat(self.resume, self.recorder, self._pause)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_INTERVAL_SECONDS):
                await self._left.wait()
        self._left.clear()

    async def _go_on(self, sweep: Sweep, most: int | None) -> Swept:
        after, seen, ended = "", 0, 0
        while True:
            page = await self.listings.grants_listed(sweep.whose, after=after, limit=_PAGE)
            if await self._finished(sweep):
                break
            gone = await self._end(sweep, page.items)
            await self.listings.strike(sweep.whose, tuple(gone))
            ended += sum(gone.values())
            seen += len(page.items)
            after = page.after
            if not after:
                break
            if most is not None and seen >= most:
                return Swept(ended, complete=False)
        await self._finish(sweep, ended)
        return Swept(ended, complete=True)

    async def _finished(self, sweep: Sweep) -> bool:
        """Another replica was faster. Asked after a page is read: what is on it began before a client was let in again.

        Sweeps of users know their cut-off, which what begins later is behind; and no pool comes back.
        """
        return isinstance(sweep.whose, OfClient) and await self.registry.denied(sweep.whose.client_id) != "ending"

    async def _end(self, sweep: Sweep, grant_ids: Sequence[str]) -> dict[str, bool]:
        """Those that are over now, and whether it was us."""
        results = await asyncio.gather(
            *(self._end_one(sweep, grant_id) for grant_id in grant_ids), return_exceptions=True
        )
        found: dict[str, bool] = {}
        for grant_id, result in zip(grant_ids, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            if result is not None:
                found[grant_id] = result
        return found

    async def _end_one(self, sweep: Sweep, grant_id: str) -> bool | None:
        """None: it began behind the cut-off, so it stays. One of which nothing can be read is ended."""
        state = await self.grants.read(grant_id)
        if state is not None and sweep.until is not None and state.behind >= sweep.until:
            return None
        ended = await self.grants.revoke(grant_id)
        if ended and state is not None:
            self.recorder(telling.ended(state.grant, sweep.reason))
        return ended

    async def _finish(self, sweep: Sweep, ended: int) -> None:
        if isinstance(sweep.whose, OfClient) and await self.registry.forget(sweep.whose.client_id):
            said = {name: sweep.details.get(name, "") for name in ("issuer", "client_name", "source")}
            self.recorder(ClientDeleted(client=sweep.whose.client_id, grants=ended, **said))
        await self.pending.sweep_done(sweep)

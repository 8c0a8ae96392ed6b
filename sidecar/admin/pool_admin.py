"""Pools as operators make, see and change them. The configuration's are its own: they are shown, and never changed.

Every change names the version that it was made for, so that two operators do not undo each other. Owns no deletion.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sidecar.admin import SOURCE
from sidecar.admin.errors import Conflict, Unknown
from sidecar.admin.pool_look import PoolLook
from sidecar.admin.pool_views import PoolRow, PoolRows, PoolView
from sidecar.clock import Clock
from sidecar.directory import Directory
from sidecar.events import PoolCreated, PoolUpdated, Recorder
from sidecar.oauth.errors import InvalidRequest
from sidecar.pools import LivePools, StoredPool, judgement
from sidecar.pools.book import Entry, PoolBook
from sidecar.pools.registration import PoolRegistration
from sidecar.pools.rotation import rotated
from sidecar.records import Pool, SelfRegistration
from sidecar.store.listing import OfPool, Sweeps
from sidecar.store.pools import Put

OVERLAP_SECONDS = 7 * 86400
_ANYBODY = "is required in the configuration first: anybody has an account there, so anybody could sign in"
_UNSAYABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")  # RFC 6749 5.2


@dataclass(frozen=True, slots=True)
class PoolAdmin:
    book: PoolBook
    live: LivePools
    directory: Directory
    cutoffs: Sweeps
    look: PoolLook
    registration: PoolRegistration
    reserved: frozenset[str]
    """Secrets that are something else's here, so that no provider may know them."""
    grant_life: int
    clock: Clock
    recorder: Recorder

    async def listed(self) -> PoolRows:
        rows: list[PoolRow] = [await self.look.configured_row(pool) for pool in self.live.configured.values()]
        for name, entry in (await self.book.entries()).items():
            if name not in self.live.configured:
                rows.append(await self.look.stored_row(name, entry))
        return PoolRows(pools=tuple(sorted(rows, key=lambda row: row.pool)))

    async def show(self, name: str) -> PoolView:
        """Raises Unknown, and Conflict for one of which nothing can be read."""
        own = self.live.configured.get(name)
        if own is not None:
            return await self.look.configured(own)
        entry = await self._entry(name)
        return await self.look.stored(_readable(entry), entry.version)

    async def create(self, pool: Pool) -> PoolView:
        """Raises InvalidRequest for a pool at which nobody could sign in, and Conflict for a name or an id in use."""
        self._not_configured(pool.name)
        if any(other.id == pool.id for other in self.live.configured.values()):
            text = f"A pool of the configuration has the id {pool.id}; every pool needs its own."
            raise Conflict(text, reason="id in use")
        self._judge(pool)
        if (await self.cutoffs.cutoff_of(OfPool(pool.id)))[0]:
            raise Conflict(_taken(pool.id), reason="the id of a deleted pool")
        now = self.clock()
        stored = StoredPool(pool, "live", now, now)
        put = _done(await self.book.add(stored), pool, f"There is a pool {pool.name} already.")
        self.recorder(PoolCreated(pool=pool.name, pool_id=pool.id, provider=pool.provider, source=SOURCE))
        await self._look_soon()
        return await self.look.stored(stored, put.version)

    async def update(
        self, name: str, members: Mapping[str, Any], *, version: int | None, overlap: int = OVERLAP_SECONDS
    ) -> PoolView:
        """`members` of the pool, and of its `registration`, that are to be different. Its clients notice nothing."""
        self._not_configured(name)
        entry = await self._entry(name)
        before = _readable(entry)
        if before.state == "deleting":
            raise Conflict("The pool is being deleted.", reason="being deleted")
        if version is not None and version != entry.version:
            raise Conflict(f"The pool was changed meanwhile; its version is {entry.version}.", reason="another version")
        if "registration" in members:
            found = registering(before.pool.registration, members["registration"])
            members = {**members, "registration": found}
        changed = tuple(sorted(key for key, value in members.items() if getattr(before.pool, key) != value))
        if not changed:
            return await self.look.stored(before, entry.version)
        if "client_id" in changed and "client_secret" not in members and before.pool.client_secret:
            raise InvalidRequest("client_secret: is required with another client_id", reason="no secret for the new id")
        now, wanted = self.clock(), replace(before.pool, **{key: members[key] for key in changed})
        self._judge(wanted)
        stands = await self.registration.whole(before.pool) if wanted.client_id else before.pool
        pool = rotated(stands, wanted, now=now, overlap=overlap, grant_life=self.grant_life)
        after = replace(before, pool=pool, changed_at=now)
        put = _done(await self.book.replace(after, entry.version), pool, "The pool was changed meanwhile; look again.")
        self.recorder(PoolUpdated(pool=name, pool_id=pool.id, changed=changed, source=SOURCE))
        await self._look_soon()
        return await self.look.stored(after, put.version)

    async def _look_soon(self) -> None:
        await self.live.look_soon()
        self.registration.look_soon()

    async def _entry(self, name: str) -> Entry:
        entry = (await self.book.entries()).get(name)
        if entry is None:
            raise Unknown(f"There is no pool {name}.", reason="no such pool")
        return entry

    def _not_configured(self, name: str) -> None:
        if name in self.live.configured:
            where = f"It is declared in the configuration, as pools[{name}]; change it there and restart."
            raise Conflict(where, reason="a pool of the configuration")

    def _judge(self, pool: Pool) -> None:
        problems = list(judgement.wrong(pool))
        if pool.client_secret and not pool.client_id:
            problems.append(("client_id", "is required with a client secret; without both the pool registers itself"))
        if pool.client_id and not pool.client_secret and pool.token_auth != "none":  # noqa: S105 - the name of a method
            problems.append(("client_secret", "is required, or `token_auth: none` for a public client"))
        token = pool.registration.initial_access_token if pool.registration else ""
        for key, secret in (("client_secret", pool.client_secret), ("registration.initial_access_token", token)):
            if secret and secret in self.reserved:
                problems.append((key, "is the admin token or the check secret; every secret must differ"))
        servers = self.directory.servers_with(pool.name) if not problems else ()
        open_ones = [server for server in servers if judgement.open_to_everybody(pool, server)]
        problems += [(f"servers[{server.name}].allow", _ANYBODY) for server in open_ones]
        _refuse(problems)


def registering(before: SelfRegistration | None, members: Mapping[str, Any]) -> SelfRegistration | None:
    """With these members different; None when nothing is left of it."""
    after = replace(before or SelfRegistration(), **members)
    return after if after != SelfRegistration() else None


def _readable(entry: Entry) -> StoredPool:
    if entry.stored is None:
        raise Conflict("Its record cannot be read with the keys that are here.", reason="an unreadable record")
    return entry.stored


def _taken(pool_id: str) -> str:
    text = "and none is used twice: whatever had to do with a deleted pool stays refused"
    return f"A pool has or had the id {pool_id}, {text}. Choose another id."


def _done(put: Put, pool: Pool, conflict: str) -> Put:
    if put.outcome == "id_taken":
        raise Conflict(_taken(pool.id), reason="the id was claimed before")
    if put.outcome == "conflict":
        raise Conflict(conflict, reason="another version")
    return put


def _refuse(problems: Sequence[tuple[str, str]]) -> None:
    if problems:
        text = _UNSAYABLE.sub("_", "; ".join(f"{key}: {what}" for key, what in problems))[:500]
        raise InvalidRequest(text, reason=text)

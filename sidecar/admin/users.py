"""Users as operators see them: who has grants in a pool, and the end of everything that one of them has there.

A user is a subject of the pool's provider. Owns no account: what the provider grants goes on until it is ended there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.admin import SOURCE
from sidecar.admin.grants import GrantAdmin
from sidecar.admin.pools import PoolNames
from sidecar.admin.views import Denial, GrantView, Offboarded, Readmitted, UserRow, UserRows, UserView
from sidecar.events import Recorder, UserOffboarded, UserReadmitted
from sidecar.grants.sweeps import Sweeper
from sidecar.records import Pool
from sidecar.store.listing import OfPool, OfUser, Sweep
from sidecar.store.listing import Sweeps as Cutoffs

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class UserAdmin:
    grants: GrantAdmin
    store: Cutoffs
    sweeper: Sweeper
    pools: PoolNames
    recorder: Recorder

    async def listed(self, pool_name: str, *, find: str, after: str, limit: int) -> UserRows:
        """Those who have grants, `limit` grants at a time. `find`: in subject, email or name, whatever the case."""
        page = await self.grants.listed(OfPool(self.pools.pool(pool_name).id), after=after, limit=limit)
        return UserRows(users=tuple(_rows(page.grants, find.casefold())), after=page.after)

    async def show(self, pool_name: str, subject: str) -> UserView:
        pool = self.pools.pool(pool_name)
        whose = OfUser(pool.id, subject)
        page = await self.grants.listed(whose, limit=_SHOWN)
        denial = await self._denial(whose)
        return UserView(pool=pool.name, user=subject, denial=denial, grants=page.grants, complete=not page.after)

    async def offboard(self, pool_name: str, subject: str, *, bar: bool, dry_run: bool) -> Offboarded:
        """The cut-off first, so that nothing begins behind the sweep. Doing it again goes on with what was left."""
        pool = self.pools.pool(pool_name)
        whose = OfUser(pool.id, subject)
        if dry_run:
            live, _, complete = await self.grants.count(whose)
            return await self._offboarded(pool, subject, grants=live, complete=complete, dry_run=True)
        number = await self.store.cut_off(whose, bar=bar)
        self.recorder(UserOffboarded(pool=pool.name, user=subject, barred=bar, source=SOURCE))
        swept = await self.sweeper.sweep(Sweep(whose, number, "user_offboarded", {}))
        return await self._offboarded(pool, subject, grants=swept.ended, complete=swept.complete, dry_run=False)

    async def readmit(self, pool_name: str, subject: str) -> Readmitted:
        """May sign in again. What was ended stays ended."""
        pool = self.pools.pool(pool_name)
        lifted = await self.store.lift_cutoff(OfUser(pool.id, subject))
        if lifted:
            self.recorder(UserReadmitted(pool=pool.name, user=subject, source=SOURCE))
        return Readmitted(readmitted=lifted)

    async def _offboarded(self, pool: Pool, subject: str, *, grants: int, complete: bool, dry_run: bool) -> Offboarded:
        return Offboarded(
            pool=pool.name,
            user=subject,
            dry_run=dry_run,
            denial=await self._denial(OfUser(pool.id, subject)),
            grants=grants,
            complete=complete,
            remains=f"The account at the provider ({pool.provider}), and what it allows this application there. "
            "End those with the provider.",
        )

    async def _denial(self, whose: OfUser) -> Denial:
        denied, number = await self.store.cutoff_of(whose)
        # The number is the store's time in ms, which is good enough to be shown.
        return Denial(denied=denied, barred=denied and number is None, until=(number or 0) // 1000)


def _rows(grants: Iterable[GrantView], wanted: str) -> Iterable[UserRow]:
    """One for each user, with what the latest grant says of them."""
    latest: dict[str, GrantView] = {}
    count: dict[str, int] = {}
    for grant in grants:
        texts = (grant.user, grant.email, grant.user_name)
        if wanted and not any(wanted in text.casefold() for text in texts):
            continue
        count[grant.user] = count.get(grant.user, 0) + 1
        if grant.user not in latest or grant.created_at > latest[grant.user].created_at:
            latest[grant.user] = grant
    for subject, grant in latest.items():
        yield UserRow(
            pool=grant.pool,
            user=subject,
            email=grant.email,
            user_name=grant.user_name,
            grants=count[subject],
            last_signed_in_at=grant.created_at,
        )

"""Grants as operators see them: listed by whose they are, counted, ended one by one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.admin.errors import Unknown
from sidecar.admin.pools import PoolNames
from sidecar.admin.views import GrantRows, GrantView
from sidecar.events import Recorder
from sidecar.grants import telling
from sidecar.store.base import Grants, GrantState
from sidecar.store.listing import Listings, Whose

_TOGETHER = 32
_LOOKED_AT = 2000
"""Grants that are read to say what something would end."""


@dataclass(frozen=True, slots=True)
class GrantAdmin:
    store: Grants
    listings: Listings
    pools: PoolNames
    recorder: Recorder

    async def listed(self, whose: Whose, *, after: str = "", limit: int = 100) -> GrantRows:
        """Grants that are over, or that cannot be read, are left out."""
        page = await self.listings.grants_listed(whose, after=after, limit=limit)
        return GrantRows(grants=tuple(self._view(state) for state in await self._read(page.items)), after=page.after)

    async def end(self, grant_id: str) -> None:
        """Ended even if nothing of it can be read. Raises Unknown."""
        state = await self.store.read(grant_id)
        if not await self.store.revoke(grant_id):
            raise Unknown("There is no such grant, or it is over.", reason="no such grant")
        if state is not None:
            self.recorder(telling.ended(state.grant, "operator"))

    async def count(self, whose: Whose) -> tuple[int, int, bool]:
        """Grants that live, users that have them, and whether all were looked at."""
        after, seen, grants = "", 0, 0
        users: set[tuple[str, str]] = set()
        while True:
            page = await self.listings.grants_listed(whose, after=after, limit=_TOGETHER)
            states = await self._read(page.items)
            grants += len(states)
            users |= {(state.grant.pool_id, state.grant.identity.subject) for state in states}
            seen, after = seen + len(page.items), page.after
            if not after or seen >= _LOOKED_AT:
                return grants, len(users), not after

    async def _read(self, grant_ids: Sequence[str]) -> list[GrantState]:
        found: list[GrantState] = []
        for start in range(0, len(grant_ids), _TOGETHER):
            states = await asyncio.gather(*(self.store.read(each) for each in grant_ids[start : start + _TOGETHER]))
            found += [state for state in states if state is not None]
        return found

    def _view(self, state: GrantState) -> GrantView:
        grant = state.grant
        return GrantView(
            grant=grant.id,
            client=grant.client_id,
            client_name=grant.client_name,
            server=grant.server,
            pool=self.pools.name_of(grant.pool_id),
            user=grant.identity.subject,
            email=grant.identity.email,
            user_name=grant.identity.name,
            scopes=grant.scopes,
            created_at=grant.created_at,
            expires_at=grant.expires_at,
            state="code" if state.code_wrap is not None else "live",
            reference=grant.reference,
        )

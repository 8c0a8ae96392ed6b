"""Lists, cut-offs and pending sweeps in Redis: sorted sets of names by end, and one set of what is left to do."""

from functools import partial

from sidecar.store.codec import ALWAYS
from sidecar.store.listing import OfClient, OfPool, OfUser, Page, Sweep, Whose
from sidecar.store.packing import pack_sweep, read_client, read_sweep
from sidecar.store.redis_link import together
from sidecar.store.redis_part import Part
from sidecar.store.registry import Registration

_AT_ONCE = 32
"""Entries that are read in parallel: one listing must not take all turns of the link."""


class RedisListings(Part):
    __slots__ = ()

    async def clients_of(self, pool_id: str, *, after: str = "", limit: int = 100) -> Page[Registration]:
        names, following = await self._page(self.keys.clients_of(pool_id), after, limit)
        found: list[Registration] = []
        for start in range(0, len(names), _AT_ONCE):
            entries = await together(*(self._entry(name) for name in names[start : start + _AT_ONCE]))
            found += [entry for entry in entries if entry is not None]
        return Page(tuple(found), following)

    async def client_ids_of(self, pool_id: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        return Page(*await self._page(self.keys.clients_of(pool_id), after, limit))

    async def count_clients(self, pool_id: str) -> int:
        return await self._count(self.keys.clients_of(pool_id))

    async def grants_listed(self, whose: Whose, *, after: str = "", limit: int = 100) -> Page[str]:
        return Page(*await self._page(self._listing(whose), after, limit))

    async def count_grants(self, whose: Whose) -> int:
        return await self._count(self._listing(whose))

    async def strike(self, whose: Whose, grant_ids: tuple[str, ...]) -> None:
        if grant_ids:
            await self.link.command("ZREM", self._listing(whose), *grant_ids)

    async def cut_off(self, whose: OfUser | OfPool, *, bar: bool) -> int | None:
        key = self._cutoff(whose)
        number = int(await self.link.script("cut_off", key, ALWAYS if bar else ""))
        await self._confirm_beside(key)
        return number or None

    async def cutoff_of(self, whose: OfUser | OfPool) -> tuple[bool, int | None]:
        value = await self.link.command("GET", self._cutoff(whose))
        return value is not None, int(value) if value is not None and value.isdigit() else None

    async def lift_cutoff(self, whose: OfUser) -> bool:
        return bool(await self.link.script("cut_off_lift", self._cutoff(whose)))

    async def readmit_client(self, client_id: str) -> bool:
        return bool(await self.link.command("DEL", self.keys.denied_client(client_id)))

    async def sweep_begun(self, sweep: Sweep) -> None:
        key = self.keys.sweeps()
        await self.link.command("SADD", key, pack_sweep(sweep))
        await self._confirm_beside(key)

    async def sweeps_pending(self) -> tuple[Sweep, ...]:
        packed = await self.link.command("SMEMBERS", self.keys.sweeps())
        read = (self._readable(partial(read_sweep, each)) for each in sorted(packed))
        return tuple(sweep for sweep in read if sweep is not None)

    async def sweep_done(self, sweep: Sweep) -> bool:
        return bool(await self.link.command("SREM", self.keys.sweeps(), pack_sweep(sweep)))

    async def _page(self, key: str, after: str, limit: int) -> tuple[tuple[str, ...], str]:
        score, _, name = after.partition(":")
        flat = await self.link.script("listing_page", key, limit, score, name)
        names = tuple(each.decode() for each in flat[::2])
        full = len(names) == limit
        return names, f"{flat[-1].decode()}:{names[-1]}" if full else ""

    async def _count(self, key: str) -> int:
        return int(await self.link.script("listing_count", key))

    async def _entry(self, client_id: str) -> Registration | None:
        stored = await self.link.command("HGETALL", self.keys.client(client_id))
        return self._readable(lambda: read_client(client_id, stored))

    def _listing(self, whose: Whose) -> str:
        if isinstance(whose, OfClient):
            return self.keys.grants_of(whose.client_id)
        if isinstance(whose, OfUser):
            return self.keys.grants_of_user(whose.pool_id, whose.subject)
        return self.keys.grants_of_pool(whose.pool_id)

    def _cutoff(self, whose: OfUser | OfPool) -> str:
        if isinstance(whose, OfUser):
            return self.keys.denied_user(whose.pool_id, whose.subject)
        return self.keys.pool_cutoff(whose.pool_id)

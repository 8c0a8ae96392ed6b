"""Which pools are served, of the configuration's and those that stand in the store; and why one is not. Pure.

A pool of the configuration that has its own credentials is always served, and nothing here is asked about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sidecar.directory import Directory
from sidecar.pools.book import entries
from sidecar.pools.judgement import open_to_everybody
from sidecar.pools.sealed import PoolVault
from sidecar.records import Pool
from sidecar.store.pools import PoolRecord

Complete = Callable[[Pool, Mapping[str, PoolRecord]], Pool | None]
"""A pool without a client id, made whole from what stands beside it in the store; None when nothing does (yet)."""


UNFIT: Mapping[str, str] = {
    "unreadable": "its record cannot be read with the keys that are here",
    "id_in_configuration": "a pool of the configuration has its id",
    "needs_allow": "one of its servers has no allow rule, and anybody has an account at this provider",
}
"""Why a pool must not be used, for people."""


def incomplete(_pool: Pool, _records: Mapping[str, PoolRecord]) -> Pool | None:
    """For whom nothing registers pools upstream."""
    return None


@dataclass(frozen=True, slots=True)
class Selected:
    served: Mapping[str, Pool] = field(default_factory=dict)
    waiting: Mapping[str, Pool] = field(default_factory=dict)
    """Those that nothing has made whole yet."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Those that must not be used, and why: a key of `UNFIT`."""


@dataclass(frozen=True, slots=True)
class Selection:
    configured: Directory
    """As the configuration has it."""
    vault: PoolVault
    complete: Complete = incomplete

    def of(self, records: Mapping[str, PoolRecord]) -> Selected:
        served, waiting, unfit = {}, {}, {}
        for name, pool in self.candidates(records).items():
            reason = self.unfit(pool) if pool else "unreadable"
            whole = pool if pool is None or pool.client_id else self.complete(pool, records)
            if reason:
                unfit[name] = reason
            elif whole:
                served[name] = whole
            elif pool:
                waiting[name] = pool
        return Selected(served, waiting, unfit)

    def candidates(self, records: Mapping[str, PoolRecord]) -> Mapping[str, Pool | None]:
        """Those whose state depends on the store; None for one that cannot be read. A pool that is over is none."""
        pools = self.configured.pools
        found: dict[str, Pool | None] = {name: pool for name, pool in pools.items() if not pool.client_id}
        for name, entry in entries(records, self.vault).items():
            if name not in pools and (entry.stored is None or entry.stored.state == "live"):
                found[name] = entry.stored.pool if entry.stored else None
        return found

    def unfit(self, pool: Pool) -> str:
        """A key of `UNFIT`, or empty.

        The configuration may have changed since it was judged: a server was added, its id was given to another.
        """
        if any(other.id == pool.id and other.name != pool.name for other in self.configured.pools.values()):
            return "id_in_configuration"
        if any(open_to_everybody(pool, server) for server in self.configured.servers_with(pool.name)):
            return "needs_allow"
        return ""

"""Which pool an operator means, and what a pool is called. Owns no change of a pool."""

from dataclasses import dataclass

from sidecar.admin.errors import Unknown
from sidecar.directory import Directory, Issuer
from sidecar.records import Pool


@dataclass(frozen=True, slots=True)
class PoolNames:
    directory: Directory

    def pool(self, name: str) -> Pool:
        """Raises Unknown."""
        found = self.directory.pools.get(name)
        if found is None:
            raise Unknown("There is no pool of this name.", reason="no such pool")
        return found

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.directory.pools))

    def name_of(self, pool_id: str) -> str:
        """Empty for a pool that is not here (any more)."""
        return next((pool.name for pool in self.directory.pools.values() if pool.id == pool_id), "")

    def issuers(self) -> tuple[tuple[Issuer, Pool], ...]:
        """Those that have a pool."""
        found = ((issuer, self.directory.pool_of(issuer)) for issuer in self.directory.issuers)
        return tuple((issuer, pool) for issuer, pool in found if pool is not None)

"""The pools that stand in the store, read with the keys as the sidecar reads them. The judge is in `pools`."""

from collections.abc import Iterable

from sidecar.clock import Entropy
from sidecar.doctor.deployment import Deployment
from sidecar.doctor.look_at_store import PATIENCE_MS, NotRunning, reachable
from sidecar.doctor.seen import PoolsSeen
from sidecar.pools import PoolVault
from sidecar.pools.book import entries
from sidecar.pools.registered import RegistrationVault
from sidecar.pools.selection import Selection
from sidecar.pools.standing import standing
from sidecar.records import Pool
from sidecar.store.base import StoreError
from sidecar.store.pools import PoolRecords
from sidecar.store.redis import open_store


async def look(deployment: Deployment, *, entropy: Entropy) -> PoolsSeen:
    """With those of the configuration, which are there even if the store is not."""
    try:
        read = await _read(deployment)
    except (NotRunning, StoreError) as error:
        return PoolsSeen(deployment.directory.pools, fault=str(error))
    registrations = RegistrationVault.of(deployment.keyring, entropy)
    selection = Selection(deployment.directory, PoolVault.of(deployment.keyring, entropy), registrations.complete)
    selected = selection.of(read.records)

    def of_those(pools: Iterable[Pool]) -> dict[str, Pool]:
        return {pool.name: pool for pool in pools}

    registering = of_those(
        pool for pool in selection.candidates(read.records).values() if pool is not None and not pool.client_id
    )
    found = entries(read.records, selection.vault)
    return PoolsSeen(
        pools={**deployment.directory.pools, **selected.waiting, **selected.served},
        registrations={
            name: standing(pool, read.records, registrations, deployment.directory)
            for name, pool in registering.items()
        },
        unfit=selected.unfit,
        ending=frozenset(name for name, entry in found.items() if entry.stored and entry.stored.state == "deleting"),
    )


async def _read(deployment: Deployment) -> PoolRecords:
    """Raises NotRunning and StoreError."""
    address = deployment.store
    async with open_store(reachable(address), prefix=address.prefix, timeout_ms=PATIENCE_MS) as store:
        return await store.pool_records()

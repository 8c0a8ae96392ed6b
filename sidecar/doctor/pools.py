"""Whether every pool that a server names is there and may be used. Pure; what its provider says is judged in `idp`."""

from collections.abc import Iterator

from sidecar.directory import Directory
from sidecar.doctor.finding import Finding, found
from sidecar.doctor.seen import PoolsSeen
from sidecar.pools.selection import UNFIT

_UNFIT = {"unreadable": "pool-unreadable", "id_in_configuration": "pool-id-twice", "needs_allow": "pool-open"}


def judge_pools(seen: PoolsSeen, directory: Directory) -> Iterator[Finding]:
    """`directory`: as the configuration has it."""
    if seen.fault:
        yield from _unread(seen, directory)
        return
    for name, reason in seen.unfit.items():
        yield found(_UNFIT[reason], f"pool {name}", f"is not served: {UNFIT[reason]}")
    for server in directory.servers:
        if server.pool and server.pool not in {*seen.pools, *seen.unfit}:
            why = "is being deleted" if server.pool in seen.ending else "is neither configured nor in the store"
            yield found("pool-absent", f"servers[{server.name}].pool", f"pool {server.pool} {why}: calls are denied")
    for name in seen.pools:
        if name not in directory.pools and not directory.servers_with(name):
            yield found("pool-unused", f"pool {name}", "no server names it, so nobody signs in there")


def _unread(seen: PoolsSeen, directory: Directory) -> Iterator[Finding]:
    """Says nothing where the configuration has all that there is to know."""
    names = dict.fromkeys(server.pool for server in directory.servers if server.pool)
    lost = [name for name in names if name not in directory.pools or not directory.pools[name].client_id]
    if lost:
        yield found("pool-unread", "", f"{', '.join(lost)}: what stands in the store was not read: {seen.fault}")

"""How it stands with the client that a pool registers for itself, as its record says it: for people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.directory import Directory
from sidecar.pools.registered import RegistrationVault, State, Status, UnreadableRegistration, completed
from sidecar.records import Pool
from sidecar.store.pools import PoolRecord

UNREADABLE = Status(
    "unreadable", "the stored registration does not open with these keys; bring the key back, or give the pool a new id"
)


@dataclass(frozen=True, slots=True)
class RegistrationStatus:
    state: State
    detail: str
    issuer: str = ""
    client_id: str = ""
    """With which the pool is served; empty: there is none."""
    secret_expires_at: int = 0
    """0: never, or there is no secret."""
    former: tuple[tuple[str, int], ...] = ()
    """What it was registered as before and still is of use: a client's id, and until when (0: no end)."""


def standing(
    pool: Pool, records: Mapping[str, PoolRecord], vault: RegistrationVault, directory: Directory
) -> RegistrationStatus:
    try:
        found = vault.opened(pool.id, records)
    except UnreadableRegistration:
        return RegistrationStatus(UNREADABLE.state, UNREADABLE.detail)
    whole, own, status = completed(pool, found), found.registered, found.status
    if whole is None or own is None:
        if status.state in {"registered", "waiting"}:
            used = directory.callbacks_of(pool.name)
            status = Status("waiting", "nobody has tried yet" if used else "no server uses this pool")
        return RegistrationStatus(status.state, status.detail, found.issuer)
    former = tuple((each.client_id, each.secret_expires_at) for each in found.former)
    return RegistrationStatus(status.state, status.detail, found.issuer, own.client_id, own.secret_expires_at, former)

"""What operators do through the admin API, beside what happens to clients and grants because of it."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRefused(Event):
    """Somebody without the admin token asked the admin API. Past its limit no more of them are told."""

    name: ClassVar[str] = "operator_refused"
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOffboarded(Event):
    """From now on what the user had is over; each of the grants is told when it has ended."""

    name: ClassVar[str] = "user_offboarded"
    pool: str
    user: str
    barred: bool
    """Whether signing in again is refused, too."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserReadmitted(Event):
    name: ClassVar[str] = "user_readmitted"
    pool: str
    user: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCreated(Event):
    name: ClassVar[str] = "pool_created"
    pool: str
    pool_id: str
    provider: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUpdated(Event):
    name: ClassVar[str] = "pool_updated"
    pool: str
    pool_id: str
    changed: tuple[str, ...]
    """Names of what is different now, never the values."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDeleted(Event):
    """From now on the pool is over; each of its grants is told when it has ended."""

    name: ClassVar[str] = "pool_deleted"
    pool: str
    pool_id: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReadmitted(Event):
    name: ClassVar[str] = "client_readmitted"
    client: str
    source: str

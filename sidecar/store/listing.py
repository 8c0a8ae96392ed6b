"""What the use cases need from a store to show, count and end what there is of something. A part of `base.Store`.

Lists are indexes, written before what they list: a listed thing may be over, and nothing that stands is missing. Pages
come in the order of the ends of what is listed, so what is used while somebody pages comes again and is not missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sidecar.events import EndReason
from sidecar.store.registry import Registration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OfClient:
    client_id: str


@dataclass(frozen=True, slots=True)
class OfUser:
    pool_id: str
    subject: str


@dataclass(frozen=True, slots=True)
class OfPool:
    pool_id: str


Whose = OfClient | OfUser | OfPool
"""Whose grants."""

CURSOR = r"(?:[0-9]{1,16}|inf):[!-~]{1,2048}"
"""What `Page.after` looks like when it is not empty. Nothing else may be given to `after`."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    after: str
    """What the next page begins behind; empty when there is none."""


class Listings(Protocol):
    async def clients_of(self, pool_id: str, *, after: str = "", limit: int = 100) -> Page[Registration]:
        """Registry entries: whoever is forgotten first comes first. May hold fewer than `limit` and have a next."""

    async def client_ids_of(self, pool_id: str, *, after: str = "", limit: int = 1000) -> Page[str]:
        """The same without reading any entry, so some may be forgotten."""

    async def count_clients(self, pool_id: str) -> int: ...

    async def grants_listed(self, whose: Whose, *, after: str = "", limit: int = 100) -> Page[str]:
        """Grant ids. One that was ended stays listed until its time, unless it was struck."""

    async def count_grants(self, whose: Whose) -> int:
        """How many are listed, so no fewer than there are."""

    async def strike(self, whose: Whose, grant_ids: tuple[str, ...]) -> None:
        """These need not be found here again: they are over."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """All grants of something are to be ended, however often we are interrupted."""

    whose: Whose
    until: int | None
    """Those that began before this cut-off was made, by its number; None: all of them."""
    reason: EndReason
    details: Mapping[str, str]
    """What whoever finishes it has to say about it: plain text, no secret."""


class Sweeps(Protocol):
    """Cut-offs, which part what began before from what begins behind them; and what must be ended, once they stand.

    Each has a number, later than all that were given to the same user: the store's time in ms, unless that went back.
    A grant keeps the number that stood when it was made. No clock of a replica says what came first.
    """

    async def cut_off(self, whose: OfUser | OfPool, *, bar: bool) -> int | None:
        """All there is must end; `bar`: nothing new is created either, and that is never weakened. Pools know no other.

        The number, for the sweep; None: what stands denies everything and was not ours to number.
        """

    async def cutoff_of(self, whose: OfUser | OfPool) -> tuple[bool, int | None]:
        """Whether there is one, and its number; None: nothing new is created."""

    async def lift_cutoff(self, whose: OfUser) -> bool:
        """New grants are created again, under a new number. False: they were all the time."""

    async def readmit_client(self, client_id: str) -> bool:
        """Its denial goes. For ids that mean the same afterwards only: documents and configured clients."""

    async def sweep_begun(self, sweep: Sweep) -> None: ...

    async def sweeps_pending(self) -> tuple[Sweep, ...]: ...

    async def sweep_done(self, sweep: Sweep) -> bool:
        """Whether it was this call that took it off the list."""

"""What the use cases need from a store about pools that were made while we ran. A part of `base.Store`.

A record is sealed by the use case, so a store tells no secret and opens nothing. All records are in one place with one
revision, so that whoever follows them asks for that only. Times are as in `base`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class PoolRecord:
    version: int
    """What every change must name. Never the same again, not even for a name that was removed and used anew."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PoolRecords:
    """All of them as they were at one moment."""

    revision: int
    """0: there never was one."""
    records: Mapping[str, PoolRecord]


@dataclass(frozen=True, slots=True)
class Put:
    """`conflict`: another version stands. `id_taken`: the pool id was claimed before, if only by a removed pool."""

    outcome: Literal["done", "conflict", "id_taken"]
    version: int = 0


class Pools(Protocol):
    async def pools_revision(self) -> int:
        """Another number after every change. One cheap command."""

    async def pool_records(self) -> PoolRecords: ...

    async def put_pool(self, name: str, sealed: bytes, *, version: int, claims: str = "") -> Put:
        """Over the record of this version, or none if it is 0. `claims`: a pool id that is nobody's yet, and is kept.

        A name that is no pool's may be used for what belongs to one: pools' names have no colon.
        """

    async def drop_pool(self, name: str, *, version: int) -> bool:
        """Remove the record of this version. False: there is none. What it claimed stays claimed."""

    async def forget_clients(self, pool_id: str) -> int:
        """Remove all registry entries of a pool that is cut off. How many there were."""

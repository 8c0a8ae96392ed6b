"""What the use cases need from a store about clients, beside what `base` says. A denial outlives what it denies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Registration:
    """What the registry adds to a self-describing id. A store-only id has its `sealed_body` nowhere else."""

    client_id: str
    pool_id: str
    metadata: Mapping[str, object]
    """RFC 7591 2 members as registered and echoed."""
    created_at: int
    last_used_at: int
    sealed_body: bytes = field(repr=False, default=b"")
    """Also of every client that was changed: it says what the id would otherwise say."""
    lost: bool = False
    """It was changed, and nobody here can read to what: so nothing of it counts, nor what the id says by itself."""


Denial = Literal["", "ending", "ended"]
"""Of a client. `ending`: it may do nothing any more, and its grants are being ended. `ended`: they are."""


class Clients(Protocol):
    async def register(self, registration: Registration, seconds: int) -> None:
        """Store an entry that is forgotten after `seconds` without use. One that was changed stays as it is."""

    async def change(self, registration: Registration) -> bool:
        """Store an entry that is never forgotten, then read the denial and undo: False when denied."""

    async def registered(self, client_id: str) -> Registration | None: ...

    async def used(self, client_id: str, at: int, seconds: int) -> bool:
        """Slide the entry's life, unless it was changed: then it has no end. False: there is none."""

    async def deny(self, client_id: str) -> None:
        """From now on `ending`, if it was not denied. Nothing is created for a denied client."""

    async def denied(self, client_id: str) -> Denial: ...

    async def forget(self, client_id: str) -> bool:
        """When its grants are ended: its entry goes, and `ending` becomes `ended`. False: it is not `ending` any more.

        So of several that come to the end of it one tells of it, and none denies a client that was let in since.
        """

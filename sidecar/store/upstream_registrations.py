"""What the use cases need from a store to register at an IdP once, not once per replica. A part of `base.Store`.

Only the right to try is here. What came of it is a record beside the pools', whose version is the fence: a holder that
was too slow finds another version there, and its result is not kept. Times are as in `base`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class RegistrationLease:
    """The right to change a pool's registration at its IdP.

    `granted`: go on, then `release_registration`. `interrupted`: granted, but an earlier holder died when it may have
    registered, so there may be a client at the IdP that nobody knows of. `busy`: another holder is at it. `cooling`:
    the last try failed a while ago; worth asking again in `seconds`.
    """

    outcome: Literal["granted", "interrupted", "busy", "cooling"]
    seconds: float = 0.0
    failures: int = 0
    """Tries in a row that came to nothing."""


class UpstreamRegistrations(Protocol):
    async def lease_registration(
        self, pool_id: str, owner: str, seconds: float, *, now: float | None = None
    ) -> RegistrationLease:
        """Leaves a mark, so that a holder that dies is seen."""

    async def release_registration(
        self, pool_id: str, owner: str, *, cool_down: float = 0.0, now: float | None = None
    ) -> bool:
        """Done. `cool_down`: it came to nothing, and nobody tries again for so long. False: the lease was another's."""

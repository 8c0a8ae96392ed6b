"""What the use cases need from a store about initial access tokens (RFC 7591 3). A part of `base.Store`.

No token is kept, not even hashed: what is kept says what a token's id is good for. Times are as in `base`.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InitialAccessToken:
    """What an operator handed out: so many registrations in one pool, until then."""

    id: str
    """32 hexadecimal characters. Opens nothing by itself."""
    pool_id: str
    label: str
    """The operator's own words for whom it is."""
    uses: int
    left: int
    created_at: int
    expires_at: int


class InitialAccessTokens(Protocol):
    async def add_initial_access(self, token: InitialAccessToken) -> None:
        """List it, then keep it until its end."""

    async def spend_initial_access(
        self, token_id: str, pool_id: str, *, spend: bool = True, now: float | None = None
    ) -> bool:
        """Take one of its uses. False, and nothing taken: unknown, over, used up, or for another pool.

        `spend` False: ask whether there is one, and leave it.
        """

    async def refund_initial_access(self, token_id: str) -> None:
        """Give a use back to a token that still is. Whoever took it says that it came to nothing."""

    async def initial_accesses(self, pool_id: str) -> tuple[InitialAccessToken, ...]:
        """Those of the pool that are not over, used up ones too: whoever ends first comes first."""

    async def end_initial_access(self, token_id: str) -> InitialAccessToken | None:
        """What was ended by this call; None when there was none (any more)."""

"""What the use cases need from a store to count with. A part of `base.Store`; times are as there."""

from typing import Protocol


class Limits(Protocol):
    async def admit(
        self, key: str, *, per_hour: int, burst: int, spend: bool = True, now: float | None = None
    ) -> float:
        """Spend one of a budget: 0.0 when there was one, else the seconds until there will be.

        `burst` at once, then one every 3600 / `per_hour` seconds, on all replicas together. Who is refused spends
        nothing. `spend` False: ask whether there is one, and leave it. Raises StoreError.
        """

"""What the parts of the Redis store have in common. Owns nothing but the hand-over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sidecar.store.base import StoreError
from sidecar.store.codec import Keys
from sidecar.store.packing import Unreadable
from sidecar.store.redis_link import Link

T = TypeVar("T")
Notice = Callable[[str], None]
"""Told a reason from a fixed set, so that it may label a metric."""


def ignore(_notice: object) -> None:
    """For whom a notice is nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    link: Link
    keys: Keys
    on_unreadable: Notice = ignore
    """A record that stays but counts as absent: `grant_schema`, `grant_record`, `client_schema`, `client_record`,
    `initial_access_schema`, `initial_access_record`."""
    on_shortfall: Notice = ignore
    """Too few replicas confirmed a write that stands all the same: `redeem`, `rotate`, `initial_access`."""
    on_echo: Callable[[float], None] = ignore
    """Told how many seconds it took until we heard ourselves."""

    async def _confirm_beside(self, key: str) -> None:
        """Raises StoreError when too few replicas have what was written to this key, which has no hash tag."""
        if not await self.link.confirmed(self.keys.barrier_beside(key)):
            raise StoreError(UNCONFIRMED)

    def _readable(self, decode: Callable[[], T | None]) -> T | None:
        """None for what this version cannot read: deny, and keep the record (design 9, threats RD-06)."""
        try:
            return decode()
        except Unreadable as error:
            self.on_unreadable(error.reason)
            return None


UNCONFIRMED = "too few replicas of the store confirmed the write"


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def given(now: float | None) -> str | int:
    """A script's `now`: empty lets it read the store's clock."""
    return "" if now is None else milliseconds(now)


def optional(value: str | None) -> str:
    """A script's optional argument: empty when not sent."""
    return "" if value is None else f"={value}"

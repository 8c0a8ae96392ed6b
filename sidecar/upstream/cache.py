"""A value that others publish: loaded once at a time, kept for a while, and kept longer while it cannot be loaded.

Owns single flight, freshness and the last good copy. Knows nothing of what is loaded.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sidecar.clock import Monotonic
from sidecar.upstream.base import UpstreamError, UpstreamUnavailable

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")
Load = Callable[[], Awaitable[_V]]


@dataclass(slots=True)
class _Entry(Generic[_V]):
    value: _V | None = None
    loaded: bool = False
    loaded_at: float = 0.0
    fresh_until: float = 0.0
    tried_at: float | None = None
    renewed_at: float | None = None
    error: UpstreamError | None = None
    """Why the latest try failed; None when it did not."""
    flight: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class LastGood(Generic[_K, _V]):
    """Values by key, the least recently loaded given up first when there are too many."""

    monotonic: Monotonic
    fresh: float
    """Seconds a loaded value is served without asking again."""
    retry: float
    """Seconds after a failure in which nobody asks again."""
    patience: float = 1.0
    """Seconds a caller waits for a new value when there is an old one."""
    limit: int = 1000
    lifetime: Callable[[_V], float] | None = None
    """Seconds that this value is served without asking again, in place of `fresh`."""
    stale: float = math.inf
    """Seconds past that in which an old value still serves while it cannot be loaded."""
    ends: Callable[[UpstreamError], bool] = lambda _: False
    """Whether a failure says that there is no such value any more, so that the old one must not serve either."""
    _entries: dict[_K, _Entry[_V]] = field(init=False, default_factory=dict)

    async def get(self, key: _K, load: Load[_V], *, seconds: float = 10.0) -> _V:
        """The value: fresh, or newly loaded, or the last good one. Raises what the load raised when there is none."""
        entry = self._entry(key)
        now = self.monotonic()
        if entry.loaded and now < entry.fresh_until:
            return self._value(entry)
        if entry.error is None or entry.tried_at is None or now - entry.tried_at >= self.retry:
            await self._wait(entry, load, min(seconds, self.patience) if self._serves(entry) else seconds)
        return self._value(entry)

    def fresh_value(self, key: _K) -> _V | None:
        """What `get` would answer without a load."""
        entry = self._entries.get(key)
        return entry.value if entry and entry.loaded and self.monotonic() < entry.fresh_until else None

    async def renew(self, key: _K, load: Load[_V], *, seconds: float = 10.0, at_least: float = 60.0) -> _V:
        """The value after another load, unless one was asked for less than `at_least` seconds ago."""
        entry = self._entry(key)
        now = self.monotonic()
        if entry.flight or entry.renewed_at is None or now - entry.renewed_at >= at_least:
            entry.renewed_at = now
            await self._wait(entry, load, seconds)
        return self._value(entry)

    async def close(self) -> None:
        flights = [entry.flight for entry in self._entries.values() if entry.flight]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _entry(self, key: _K) -> _Entry[_V]:
        if key not in self._entries:
            self._make_room()
            self._entries[key] = _Entry()
        return self._entries[key]

    def _make_room(self) -> None:
        """What was never loaded goes first: a stranger who names what does not exist pushes nothing out that does."""
        idle = [known for known, entry in self._entries.items() if not entry.flight]
        if len(self._entries) >= self.limit and idle:
            del self._entries[min(idle, key=lambda known: self._entries[known].loaded_at)]

    async def _wait(self, entry: _Entry[_V], load: Load[_V], seconds: float) -> None:
        """Joins the load under way, or starts one. It belongs to nobody: a caller that gives up does not end it."""
        flight = entry.flight
        if flight is None:
            entry.tried_at = self.monotonic()
            flight = entry.flight = asyncio.create_task(self._load(entry, load))
        await asyncio.wait({flight}, timeout=seconds)
        if flight.done() and not flight.cancelled():
            flight.result()  # anything but an UpstreamError is a fault of ours: it must not look like waiting

    async def _load(self, entry: _Entry[_V], load: Load[_V]) -> None:
        try:
            value = await load()
        except UpstreamError as error:
            entry.error = error
            if self.ends(error):
                entry.value, entry.loaded, entry.loaded_at = None, False, 0.0
        else:
            now, seconds = self.monotonic(), self.lifetime(value) if self.lifetime else self.fresh
            entry.value, entry.loaded, entry.error = value, True, None
            entry.loaded_at, entry.fresh_until = now, now + seconds
        finally:
            entry.flight = None

    def _serves(self, entry: _Entry[_V]) -> bool:
        return entry.loaded and self.monotonic() < entry.fresh_until + self.stale

    def _value(self, entry: _Entry[_V]) -> _V:
        if self._serves(entry):
            return entry.value  # type: ignore[return-value]  # None is then a value of _V
        # Each caller gets its own exception: a shared one would grow a traceback with every raise.
        if entry.error is None:
            raise UpstreamUnavailable("still loading")
        raise _again(entry.error)


def _again(error: UpstreamError) -> UpstreamError:
    copy = type(error)(str(error))
    if isinstance(error, UpstreamUnavailable) and isinstance(copy, UpstreamUnavailable):
        copy.retry_after = error.retry_after
    return copy

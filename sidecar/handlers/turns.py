"""At most so many requests of one endpoint at the store at a time: a flood at one takes no other endpoint's turns.

The store has a fixed number of turns, and whoever waits too long for one fails. Strangers may ask the endpoints that
need no token as often as they like, so each of these waits for a turn of its own first. Never held while a body is
read, or an identity provider or a client's own host is asked (`clients.turns.aside`): slow ones must not hold up the
others.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sidecar.clients.turns import one_of
from sidecar.store.base import TURNS

SHARE = 4
"""Of the store's turns, one part in so many."""


@dataclass(frozen=True, slots=True)
class Turns:
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TURNS // SHARE))

    def one(self) -> AbstractAsyncContextManager[None]:
        return one_of(self._free)

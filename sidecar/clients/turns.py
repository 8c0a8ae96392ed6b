"""Turns at the store that whoever asks may give back for as long as the answer is somebody else's to give.

Owns the turn that the present request holds, if any. How many there are, each endpoint says (`handlers.turns`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class _Turn:
    free: asyncio.Semaphore
    held: bool = False

    async def take(self) -> None:
        await self.free.acquire()
        self.held = True

    def give(self) -> None:
        """Does nothing when it is not held, as when somebody was cancelled while waiting to have it back."""
        if self.held:
            self.held = False
            self.free.release()


_present: ContextVar[_Turn | None] = ContextVar("turn", default=None)


@asynccontextmanager
async def one_of(free: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of these turns is this request's, but for what is done `aside`."""
    turn = _Turn(free)
    await turn.take()
    token = _present.set(turn)
    try:
        yield
    finally:
        _present.reset(token)
        turn.give()


@asynccontextmanager
async def aside() -> AsyncIterator[None]:
    """Around what waits for strangers: without a turn meanwhile, so that slow ones hold up nobody else."""
    turn = _present.get()
    if turn is None:
        yield
        return
    turn.give()
    try:
        yield
    finally:
        await turn.take()

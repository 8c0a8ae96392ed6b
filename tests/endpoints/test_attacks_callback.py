"""A flood at /callback takes no turns at the store from anybody else, and whoever waits for a provider holds none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.handlers.turns import SHARE
from sidecar.store.base import TURNS
from tests.endpoints.front import Front, running_front

WEB = "https://app.example/cb"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        yield running


class Slow:
    """A provider that does not answer the first so many before somebody lets it."""

    def __init__(self, upstream: Any, most: int) -> None:
        self._upstream, self._left = upstream, most
        self.let, self.full = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upstream, name)

    async def sign_in(self, *arguments: Any, **named: Any) -> Any:
        if self._left:
            self._left -= 1
            if not self._left:
                self.full.set()
            await self.let.wait()
        return await self._upstream.sign_in(*arguments, **named)


class Held:
    """A store that does not give transactions out before somebody lets it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.let, self.full = asyncio.Event(), asyncio.Event()
        self.inside = self.most = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def take(self, *arguments: Any) -> Any:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside >= TURNS // SHARE:
            self.full.set()
        try:
            await self.let.wait()
            return await self._store.take(*arguments)
        finally:
            self.inside -= 1


async def test_junk_at_the_callback_waits_for_its_own_turns_and_holds_up_nobody_else(front: Front) -> None:
    held = Held(front.store)
    object.__setattr__(front.services.returns, "store", held)
    flood = [
        asyncio.create_task(front.browser().come_back(f"state=junk{number}&code=c")) for number in range(TURNS // 2)
    ]
    try:
        async with asyncio.timeout(10):
            await held.full.wait()
            client = await front.register(WEB)
            assert (await front.browser().ask(client)).status == 200
    finally:
        held.let.set()
        answers = await asyncio.gather(*flood)
    assert {answer.status for answer in answers} == {400}
    assert held.most == TURNS // SHARE


async def test_who_waits_for_a_slow_provider_has_no_turn_meanwhile(front: Front) -> None:
    client = await front.register(WEB)
    tabs = [front.browser() for _ in range(TURNS // SHARE + 1)]
    backs = [await tab.leave_for_idp(client) for tab in tabs]
    slow = Slow(front.services.returns.upstream, TURNS // SHARE)
    object.__setattr__(front.services.returns, "upstream", slow)
    waiting = [asyncio.create_task(tab.come_back(back)) for tab, back in zip(tabs[1:], backs[1:], strict=True)]
    try:
        async with asyncio.timeout(10):
            await slow.full.wait()
            assert (await tabs[0].come_back(backs[0])).status == 303
    finally:
        slow.let.set()
        answers = await asyncio.gather(*waiting)
    assert {answer.status for answer in answers} == {303}

"""The embedded server is killed in the middle of writes, again and again: what was confirmed is there afterwards.

A killed process shows that each write was handed to the system before its answer; that it was on the disk too, only a
power failure could show, so the setting is asked for.
"""

import asyncio
import os
import random
import signal
from contextlib import suppress

import pytest

from sidecar.store.base import StoreError
from sidecar.store.redis import RedisStore, open_store
from tests.store.build import created, redeem, redeemed, rotate, state_of

ROUNDS = 8
WRITERS = 6
SEED = 20260728


async def server_pid(store: RedisStore) -> int:
    return (await store.link.command("INFO", "server"))["process_id"]


async def writing(store: RedisStore, confirmed: dict[str, int], ended: set[str]) -> None:
    """New sign-ins, rotations and ends until the store breaks; each is noted once it was confirmed, not before."""
    with suppress(StoreError):
        while True:
            state = await redeemed(store)
            grant_id = state.grant.id
            confirmed[grant_id] = 1
            for generation in (1, 2):
                result = await rotate(store, await state_of(store, grant_id), generation)
                assert result.outcome == "fresh"
                confirmed[grant_id] = generation + 1
            gone = (await redeemed(store)).grant.id
            await store.revoke(gone)
            ended.add(gone)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_nothing_that_was_confirmed_is_lost(tmp_path, number):
    moment = random.Random(SEED + number).uniform(0.05, 0.6)
    confirmed: dict[str, int] = {}
    ended: set[str] = set()
    url = f"embedded:{tmp_path}"
    async with open_store(url, timeout_ms=10_000) as store:
        assert (await store.link.command("CONFIG GET", "appendfsync"))["appendfsync"] == "always"
        pid = await server_pid(store)
        writers = [asyncio.create_task(writing(store, confirmed, ended)) for _ in range(WRITERS)]
        while not ended:  # noqa: ASYNC110 - so that every kind of write has begun
            await asyncio.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*writers)
    assert confirmed
    async with open_store(url, timeout_ms=10_000) as store:
        for grant_id, generation in confirmed.items():
            state = await state_of(store, grant_id)
            assert state.refresh.generation >= generation, "a later one was on its way"
            assert state.accesses.keys() >= {generation}
            after = await rotate(store, state, state.refresh.generation)
            assert after.outcome == "fresh", "and whoever has it goes on"
        assert [grant_id for grant_id in ended if await store.read(grant_id)] == []
        assert await redeem(store, await created(store)) == "fresh"

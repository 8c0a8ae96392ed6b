"""A sweep that was begun ends every grant, whatever comes between."""

import asyncio
from dataclasses import replace

import pytest

from sidecar.events import ClientDeleted, GrantEnded, UnexpectedError
from sidecar.grants.sweeps import AT_ONCE, Sweeper
from sidecar.store.base import StoreError
from sidecar.store.listing import OfClient, OfPool, OfUser, Sweep
from tests.fakes.store import fake_store
from tests.store.build import created, now, redeemed

ALICE = OfUser("corp-1", "user|1")
CLIENT = "dcr1-client"
DETAILS = {"issuer": "https://mcp.example.com", "client_name": "Editor", "source": "192.0.2.1"}


class Breaking:
    """Grants whose store breaks after so many ends."""

    def __init__(self, store, after, error=StoreError):
        self.store, self.left, self.error, self.broke = store, after, error, asyncio.Event()

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def revoke(self, grant_id):
        if not self.left:
            self.broke.set()
            raise self.error("canary")
        self.left -= 1
        return await self.store.revoke(grant_id)


class Idle:
    """What is pending, and whether somebody has looked."""

    def __init__(self, store):
        self.store, self.looked = store, asyncio.Event()

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def sweeps_pending(self):
        found = await self.store.sweeps_pending()
        self.looked.set()
        return found


@pytest.fixture
def events():
    return []


@pytest.fixture
async def store():
    async with fake_store() as opened:
        yield opened


def sweeper(store, events, *, grants=None):
    return Sweeper(grants or store, store, store, store, events.append)


async def stopped(task):
    """Asked again until it is: a cancellation may get lost in the driver."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.2)


def all_of(whose, reason="user_offboarded", until=None, details=None):
    return Sweep(whose, until, reason, details or {})


async def test_every_grant_is_ended_and_told_and_nothing_is_left_to_do(store, events):
    made = [(await redeemed(store)).grant.id for _ in range(70)]
    swept = await sweeper(store, events).sweep(all_of(ALICE))
    assert (swept.ended, swept.complete) == (70, True)
    assert {event.grant for event in events if isinstance(event, GrantEnded)} == set(made)
    assert await store.count_grants(ALICE) == 0
    assert await store.sweeps_pending() == ()


async def test_what_broke_off_is_gone_on_with_by_another_process(store, events):
    for _ in range(40):
        await redeemed(store)
    with pytest.raises(StoreError):
        await sweeper(store, events, grants=Breaking(store, 10)).sweep(all_of(ALICE))
    assert len(await store.sweeps_pending()) == 1
    assert len(events) == 10
    await sweeper(store, events).resume()
    assert len({event.grant for event in events}) == 40
    assert await store.sweeps_pending() == ()


async def test_it_goes_on_without_being_asked(store, events):
    state = await redeemed(store, client_id=CLIENT)
    await store.deny(CLIENT)
    await store.sweep_begun(all_of(OfClient(CLIENT), "client_deleted", details=DETAILS))
    over = asyncio.Event()
    watch = Sweeper(store, store, store, store, lambda event: isinstance(event, ClientDeleted) and over.set())
    running = asyncio.create_task(watch.resume_for_ever())
    try:
        await asyncio.wait_for(over.wait(), 10)
    finally:
        await stopped(running)
    assert await store.read(state.grant.id) is None
    assert await store.sweeps_pending() == ()


async def test_a_store_that_is_down_does_not_end_the_watch(store, events):
    await redeemed(store)
    await store.sweep_begun(all_of(ALICE))
    grants = Breaking(store, 0)
    running = asyncio.create_task(sweeper(store, events, grants=grants).resume_for_ever())
    await asyncio.wait_for(grants.broke.wait(), 10)
    grants.left, events[:] = 1, []
    assert not running.done()
    await stopped(running)


async def test_the_caller_waits_for_so_many_and_the_rest_follows(store, events):
    assert AT_ONCE >= 1000
    for _ in range(40):
        await redeemed(store)
    swept = await sweeper(store, events).sweep(all_of(ALICE), at_once=32)
    assert (swept.ended, swept.complete) == (32, False)
    await sweeper(store, events).resume()
    assert len(events) == 40


async def test_what_is_left_to_the_background_is_ended_at_once(store, events):
    """Not only when it is time to look again."""
    over = asyncio.Event()
    told = []

    def tell(event):
        told.append(event)
        if len(told) == 40:
            over.set()

    watch = Sweeper(store, store, Idle(store), store, tell)
    running = asyncio.create_task(watch.resume_for_ever())
    await asyncio.wait_for(watch.pending.looked.wait(), 10)
    for _ in range(40):
        await redeemed(store)
    assert not (await watch.sweep(all_of(ALICE), at_once=32)).complete
    await asyncio.wait_for(over.wait(), 10)
    await stopped(running)


async def test_a_defect_ends_no_watch(store, events):
    grants = Breaking(store, 0, ValueError)
    await redeemed(store)
    await store.sweep_begun(all_of(ALICE))
    watch = sweeper(store, events, grants=grants)
    running = asyncio.create_task(watch.resume_for_ever())
    await asyncio.wait_for(grants.broke.wait(), 10)
    grants.left = 1
    await watch.sweep(all_of(ALICE), at_once=0)
    await stopped(running)
    assert [event.kind for event in events if isinstance(event, UnexpectedError)] == ["ValueError"]


async def test_what_began_behind_the_cutoff_stays_and_does_not_keep_the_sweep_going(store, events):
    """Whatever the clocks of the replicas say that made it."""
    old = [(await redeemed(store, created_at=now() + skew)).grant.id for skew in (-180, 0, 180)]
    cutoff = await store.cut_off(ALICE, bar=False)
    new = {(await redeemed(store, created_at=now() + skew)).grant.id for skew in (-180, 0, 180)}
    swept = await sweeper(store, events).sweep(all_of(ALICE, until=cutoff))
    assert (swept.ended, swept.complete) == (3, True)
    assert [await store.read(each) for each in old] == [None] * 3
    assert set((await store.grants_listed(ALICE)).items) == new


async def test_a_grant_that_cannot_be_read_is_ended_all_the_same(store, events):
    grant = (await redeemed(store)).grant
    await store.link.command("HSET", store.keys.grant(grant.id), "s", "9")
    swept = await sweeper(store, events).sweep(all_of(ALICE, until=0))
    assert swept.ended == 1
    assert await store.link.command("EXISTS", store.keys.grant(grant.id)) == 0


async def test_two_replicas_end_each_grant_once_and_tell_of_the_client_once(store, events):
    for _ in range(50):
        await created(store, client_id=CLIENT)
    await store.deny(CLIENT)
    sweep = all_of(OfClient(CLIENT), "client_deleted", details=DETAILS)
    swept = await asyncio.gather(*(sweeper(store, events).sweep(sweep) for _ in range(2)))
    assert sum(each.ended for each in swept) == 50
    assert len([event for event in events if isinstance(event, GrantEnded)]) == 50
    (deleted,) = [event for event in events if isinstance(event, ClientDeleted)]
    assert (deleted.client, deleted.client_name, deleted.source) == (CLIENT, "Editor", "192.0.2.1")
    assert await store.denied(CLIENT) == "ended"


async def test_what_begins_after_a_client_was_let_in_again_is_no_business_of_a_late_replica(store, events):
    """It read what is left to do before another one did it."""
    await redeemed(store, client_id=CLIENT)
    await store.deny(CLIENT)
    sweep = all_of(OfClient(CLIENT), "client_deleted", details=DETAILS)
    await sweeper(store, events).sweep(sweep)
    assert await store.readmit_client(CLIENT)
    new = (await redeemed(store, client_id=CLIENT)).grant.id
    swept = await sweeper(store, events).sweep(sweep)
    assert (swept.ended, swept.complete) == (0, True)
    assert await store.read(new) is not None
    assert await store.denied(CLIENT) == ""
    assert await store.sweeps_pending() == ()
    assert len([event for event in events if isinstance(event, ClientDeleted)]) == 1


async def test_another_user_s_and_another_pool_s_grants_are_left_alone(store, events):
    mine = (await redeemed(store)).grant
    other_pool = (await redeemed(store, pool_id="other-1")).grant
    other_user = (await redeemed(store, identity=replace(mine.identity, subject="bob"))).grant
    await sweeper(store, events).sweep(all_of(ALICE))
    assert await store.read(other_pool.id) is not None
    assert await store.read(other_user.id) is not None
    await sweeper(store, events).sweep(all_of(OfPool("corp-1")))
    assert await store.read(other_user.id) is None
    assert await store.read(other_pool.id) is not None

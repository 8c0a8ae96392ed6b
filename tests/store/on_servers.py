"""What only a real server can show: races between replicas of ours, faults, and what one command costs.

A module that runs it gives the fixture `url`.
"""

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis

from sidecar.store.base import StoreError
from sidecar.store.redis import open_store, store_on
from tests.store.build import (
    BYTES,
    created,
    issued,
    new_grant,
    now,
    proofs,
    redeem,
    redeemed,
    rotate,
    state_of,
    upstream,
)


@pytest.fixture
async def client(url):
    client = Redis.from_url(url)
    yield client
    await client.aclose()


@pytest.fixture
async def replicas(url, prefix):
    """Five stores of their own connections on the same data, as five sidecars have."""
    clients = [Redis.from_url(url) for _ in range(5)]
    yield [store_on(client, prefix=prefix, timeout_ms=10_000) for client in clients]
    for client in clients:
        await client.aclose()


def fifty(stores):
    return (stores[number % len(stores)] for number in range(50))


@pytest.mark.req(196)
async def test_of_fifty_redemptions_one_is_fresh(replicas):
    state = await created(replicas[0])
    at = now()
    outcomes = await asyncio.gather(*(redeem(store, state, at=at) for store in fifty(replicas)))
    assert Counter(outcomes) == {"fresh": 1, "double": 49}


@pytest.mark.req(196)
async def test_of_fifty_rotations_one_is_fresh_and_the_rest_get_its_answer(replicas):
    state = await redeemed(replicas[0])
    calls = (store.rotate(state, 1, issued(2), b"answer %d" % n, grace=60) for n, store in enumerate(fifty(replicas)))
    results = await asyncio.gather(*calls)
    assert Counter(result.outcome for result in results) == {"fresh": 1, "grace": 49}
    answers = {result.answer for result in results if result.outcome == "grace"}
    assert len(answers) == 1
    assert results[int(answers.pop().split()[1])].outcome == "fresh"
    assert (await state_of(replicas[0], state.grant.id)).version == state.version + 1


@pytest.mark.req(196)
async def test_of_fifty_leases_one_is_granted(replicas):
    grant_id = (await redeemed(replicas[0])).grant.id
    calls = (store.lease_upstream(grant_id, 1, f"owner {n}", 5) for n, store in enumerate(fifty(replicas)))
    assert Counter(lease.outcome for lease in await asyncio.gather(*calls)) == {"granted": 1, "busy": 49}


@pytest.mark.req(112, 196)
async def test_of_fifty_takers_one_gets_the_transaction(replicas):
    await replicas[0].start("handle", "binding", b"sealed", 600)
    taken = await asyncio.gather(*(store.take("handle", "binding") for store in fifty(replicas)))
    assert Counter(each.outcome for each in taken) == {"taken": 1, "gone": 49}
    spent = await asyncio.gather(*(store.spend_form("nonce", 60) for store in fifty(replicas)))
    assert Counter(spent) == {True: 1, False: 49}


@pytest.mark.req(62, 196)
async def test_of_fifty_at_once_a_budget_admits_its_burst(replicas):
    waits = await asyncio.gather(*(store.admit("a", per_hour=1, burst=7) for store in fifty(replicas)))
    assert waits.count(0.0) == 7
    assert all(3590 < wait <= 3600 for wait in waits if wait)


async def test_rotation_and_upstream_refresh_never_lose_each_other(replicas):
    """Twenty rotations while twenty refreshes are saved: each is there in the end."""
    state = await redeemed(replicas[0])
    grant_id = state.grant.id

    async def rotations(store):
        for generation in range(1, 21):
            while (await rotate(store, await state_of(store, grant_id), generation)).outcome == "conflict":
                pass

    async def refreshes(store):
        for serial in range(1, 21):
            assert (await store.lease_upstream(grant_id, serial, "owner", 5)).outcome == "granted"
            assert await store.save_upstream(grant_id, "owner", upstream(serial + 1))

    await asyncio.gather(rotations(replicas[0]), refreshes(replicas[1]))
    after = await state_of(replicas[0], grant_id)
    assert (after.refresh.generation, after.upstream.serial, after.version) == (21, 21, state.version + 40)


async def test_a_revocation_in_the_middle_of_everything_is_final(replicas):
    state = await redeemed(replicas[0])
    grant_id = state.grant.id
    await replicas[0].lease_upstream(grant_id, 1, "owner", 5)
    await asyncio.gather(
        *(rotate(store, state, 1) for store in replicas),
        replicas[1].save_upstream(grant_id, "owner", upstream(2)),
        replicas[2].revoke(grant_id),
        *(store.refuse_upstream(grant_id, 1) for store in replicas),
    )
    assert await replicas[0].link.command("EXISTS", replicas[0].keys.grant(grant_id)) == 0


async def test_the_hot_path_is_one_command(store, client):
    state = await redeemed(store)
    await client.config_resetstat()
    for _ in range(3):
        assert await store.peek(state.grant.id, 1)
    stats = await client.info("commandstats")
    assert {name: stat["calls"] for name, stat in stats.items() if "config" not in name} == {"cmdstat_hmget": 3}


async def test_scripts_that_the_server_forgot_are_sent_again(store, client):
    state = await created(store)
    await client.script_flush()
    assert await redeem(store, state) == "fresh"


async def test_out_of_memory_is_a_store_error_and_leaves_nothing_half_done(store, client, all_keys):
    state = await created(store)
    before, keys = await client.hgetall(store.keys.grant(state.grant.id)), await all_keys()
    await client.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreError, match="out of memory"):
            await store.create(new_grant())
        with pytest.raises(StoreError, match="out of memory"):
            await redeem(store, state)
        with pytest.raises(StoreError, match="out of memory"):
            await store.start("handle", "binding", BYTES, 60)
        with pytest.raises(StoreError, match="out of memory"):
            await store.admit("a", per_hour=1, burst=1)
        assert await store.read(state.grant.id) == state
    finally:
        await client.config_set("maxmemory", "0")
    assert (await client.hgetall(store.keys.grant(state.grant.id)), await all_keys()) == (before, keys)
    assert await redeem(store, state) == "fresh"


async def test_a_demoted_server_is_a_store_error_until_it_is_primary_again(store, client):
    state = await created(store)
    await client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(StoreError, match="read-only"):
            await redeem(store, state)
        with pytest.raises(StoreError, match="read-only"):
            await store.spend_form("nonce", 60)
    finally:
        await client.replicaof("NO", "ONE")
    assert await redeem(store, state) == "fresh"


async def test_a_paused_server_is_a_store_error_and_nothing_is_sent_twice(url, prefix, client):
    async with open_store(url, prefix=prefix, timeout_ms=1000) as store:
        state = await created(store)
        await client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        try:
            failures = await asyncio.gather(*(redeem(store, state) for _ in range(100)), return_exceptions=True)
        finally:
            await client.execute_command("CLIENT", "UNPAUSE")
        assert {str(failure) for failure in failures} == {"the store did not answer in time"}
        # No answer of a given-up call is taken for that of a later one.
        assert await asyncio.gather(*(store.read(state.grant.id) for _ in range(100))) == [state] * 100
        assert await redeem(store, state) == "fresh"


async def test_killed_connections_are_replaced_without_a_failure(store, client):
    state = await redeemed(store)
    async with Redis(connection_pool=client.connection_pool) as admin:
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    assert await store.read(state.grant.id) == state


async def test_too_few_replicas_fail_a_revocation_only(url, prefix):
    """Design 9: a shortfall on /revoke is 503; a redeemed code or rotated token cannot be taken back."""
    short = []
    async with open_store(url, prefix=prefix, timeout_ms=500, wait_replicas=1, on_shortfall=short.append) as store:
        state = await redeemed(store)
        assert (await rotate(store, state, 1)).outcome == "fresh"
        assert short == ["redeem", "rotate"]
        with pytest.raises(StoreError, match="too few replicas"):
            await store.revoke_access(state.grant.id, 2)
        with pytest.raises(StoreError, match="too few replicas"):
            await store.revoke(state.grant.id)
        with pytest.raises(StoreError, match="too few replicas"):
            await store.revoke(state.grant.id)
        assert await store.read(state.grant.id) is None


async def test_a_wrong_verifier_counts_across_replicas(replicas):
    state = await created(replicas[0])
    wrong = proofs(state.grant, challenge="wrong")
    calls = (store.redeem(state, wrong, issued(1), expires_at=now() + 9, double_submit=1) for store in fifty(replicas))
    assert Counter(await asyncio.gather(*calls)) == {"mismatch": 2, "burnt": 1, "gone": 47}

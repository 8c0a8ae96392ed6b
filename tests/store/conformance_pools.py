"""What every store does with pools that were made while we ran."""

import asyncio
from collections import Counter

import pytest

from sidecar.store.listing import OfPool
from sidecar.store.pools import PoolRecord
from sidecar.store.registry import Registration
from tests.store.build import DAY, now

SEALED = b"\x00:\xff sealed"


async def put(store, name="corp", sealed=SEALED, *, version=0, claims=""):
    return await store.put_pool(name, sealed, version=version, claims=claims)


def entry(client_id, pool_id="corp-1"):
    return Registration(client_id, pool_id, {"client_name": "Editor"}, now(), now())


async def test_nothing_was_made_so_there_is_nothing(store):
    assert await store.pools_revision() == 0
    found = await store.pool_records()
    assert (found.revision, dict(found.records)) == (0, {})


@pytest.mark.req(194)
async def test_a_record_comes_back_as_it_was_under_the_revision_that_is_told(store):
    made = await put(store, claims="corp-1")
    other = await put(store, "lab", claims="lab-1")
    found = await store.pool_records()
    assert found.records == {"corp": PoolRecord(made.version, SEALED), "lab": PoolRecord(other.version, SEALED)}
    assert found.revision == await store.pools_revision() == other.version > made.version > 0


async def test_a_change_names_the_version_that_stands(store):
    made = await put(store)
    assert (await put(store)).outcome == "conflict"
    assert (await put(store, version=made.version + 1)).outcome == "conflict"
    changed = await put(store, sealed=b"other", version=made.version)
    assert changed.outcome == "done"
    assert (await put(store, sealed=b"late", version=made.version)).outcome == "conflict"
    assert (await store.pool_records()).records["corp"] == PoolRecord(changed.version, b"other")


async def test_of_many_who_make_one_name_one_does(store):
    outcomes = await asyncio.gather(*(put(store, sealed=b"%d" % n, claims=f"id-{n}") for n in range(10)))
    assert Counter(outcome.outcome for outcome in outcomes) == {"done": 1, "conflict": 9}


async def test_of_many_who_claim_one_id_one_does(store):
    outcomes = await asyncio.gather(*(put(store, f"pool-{n}", claims="one") for n in range(10)))
    assert Counter(outcome.outcome for outcome in outcomes) == {"done": 1, "id_taken": 9}


async def test_a_removed_pools_id_stays_claimed_and_its_version_never_comes_again(store):
    made = await put(store, claims="corp-1")
    assert not await store.drop_pool("corp", version=made.version - 1)
    before = await store.pools_revision()
    assert await store.drop_pool("corp", version=made.version)
    assert await store.pools_revision() > before
    assert not await store.drop_pool("corp", version=made.version)
    assert (await store.pool_records()).records == {}
    assert (await put(store, claims="corp-1")).outcome == "id_taken"
    again = await put(store, claims="corp-2")
    assert again.version > made.version


async def test_what_is_no_record_is_neither_seen_nor_written_over(store, client, prefix):
    await client.hset(f"{prefix}:pools", "corp", "junk")
    assert (await store.pool_records()).records == {}
    assert (await put(store)).outcome == "conflict"
    assert await client.hget(f"{prefix}:pools", "corp") == b"junk"


async def test_a_pools_registry_entries_are_forgotten_and_no_other(store):
    for number in range(70):
        await store.register(entry(f"client-{number}"), DAY)
    assert await store.change(entry("changed"))
    await store.register(entry("elsewhere", "lab-1"), DAY)
    await store.register(entry("moved"), DAY)
    await store.register(entry("moved", "lab-1"), DAY)
    assert await store.forget_clients("corp-1") == 71
    assert await store.forget_clients("corp-1") == 0
    assert await store.count_clients("corp-1") == 0
    assert await store.registered("changed") is None
    assert (await store.registered("moved")).pool_id == "lab-1"
    assert await store.count_clients("lab-1") == 2


async def test_every_change_is_told_to_every_replica(store):
    news = store.news()
    assert (await anext(news)).kind == "up"
    made = await put(store)
    assert (await anext(news)).kind == "pools"
    await store.drop_pool("corp", version=made.version)
    assert (await anext(news)).kind == "pools"
    await news.aclose()


async def test_a_pool_that_is_cut_off_stays_so(store):
    await store.cut_off(OfPool("corp-1"), bar=True)
    assert await store.cutoff_of(OfPool("corp-1")) == (True, None)

"""What every store does with initial access tokens (RFC 7591 3)."""

from dataclasses import replace

import pytest

from sidecar.store.base import StoreError
from sidecar.store.initial_access import InitialAccessToken
from tests.store.build import DAY, now

POOL = "corp-1"


def token(number=1, **changes):
    at = now()
    made = InitialAccessToken(f"{number:032x}", POOL, "Ümit's laptop {*}", 3, 3, at, at + DAY)
    return replace(made, **changes)


async def added(store, number=1, **changes):
    made = token(number, **changes)
    await store.add_initial_access(made)
    return made


@pytest.mark.req(64)
async def test_a_token_is_good_for_its_uses_and_no_more(store):
    made = await added(store)
    assert [await store.spend_initial_access(made.id, POOL) for _ in range(5)] == [True, True, True, False, False]
    assert await store.initial_accesses(POOL) == (replace(made, left=0),)


@pytest.mark.req(64)
async def test_a_use_that_came_to_nothing_is_given_back_to_a_token_that_still_is(store, all_keys):
    made = await added(store)
    assert await store.spend_initial_access(made.id, POOL)
    await store.refund_initial_access(made.id)
    assert await store.initial_accesses(POOL) == (made,)
    await store.end_initial_access(made.id)
    await store.refund_initial_access(made.id)
    assert store.keys.initial_access(made.id).encode() not in await all_keys()


@pytest.mark.req(64)
async def test_asking_takes_nothing_and_tells_what_taking_would(store):
    made = await added(store, uses=1, left=1)
    assert [await store.spend_initial_access(made.id, POOL, spend=False) for _ in range(3)] == [True] * 3
    assert await store.spend_initial_access(made.id, POOL)
    assert not await store.spend_initial_access(made.id, POOL, spend=False)


@pytest.mark.req(64)
@pytest.mark.parametrize("spend", [True, False])
async def test_an_unknown_one_and_one_for_another_pool_are_refused_and_left(store, all_keys, spend):
    made = await added(store)
    keys = await all_keys()
    for token_id, pool in ((made.id, "corp-2"), (made.id, ""), ("0" * 32, POOL), ("-", POOL), ("", "")):
        assert not await store.spend_initial_access(token_id, pool, spend=spend)
    assert await store.initial_accesses(POOL) == (made,)
    assert await all_keys() == keys


@pytest.mark.req(64)
@pytest.mark.parametrize("spend", [True, False])
async def test_it_ends_at_its_end_whatever_the_servers_expiry_does(store, spend):
    made = await added(store)
    assert await store.spend_initial_access(made.id, POOL, spend=spend, now=made.expires_at - 0.001)
    assert not await store.spend_initial_access(made.id, POOL, spend=spend, now=made.expires_at)
    await store.link.command("PERSIST", store.keys.initial_access(made.id))
    assert not await store.spend_initial_access(made.id, POOL, spend=spend, now=made.expires_at + 1)


async def test_all_that_is_kept_of_it_is_forgotten_at_its_end(store, all_keys):
    made = await added(store)
    left = [await store.link.command("PTTL", key) for key in await all_keys()]  # PEXPIRETIME came with Redis 7
    assert len(left) == 2
    assert all(0 < milliseconds <= (made.expires_at - now() + 1) * 1000 for milliseconds in left)


async def test_one_that_is_over_already_is_not_there(store):
    made = await added(store, expires_at=now() - 1)
    assert await store.initial_accesses(POOL) == ()
    assert not await store.spend_initial_access(made.id, POOL, now=made.created_at - DAY)
    assert await store.end_initial_access(made.id) is None


async def test_those_of_a_pool_are_listed_by_their_end(store):
    at = now()
    many = [await added(store, number, expires_at=at + DAY + 200 - number) for number in range(1, 131)]
    other = await added(store, 999, pool_id="corp-2")
    assert await store.initial_accesses(POOL) == tuple(reversed(many))
    assert await store.initial_accesses("corp-2") == (other,)
    assert await store.initial_accesses("corp-3") == ()


@pytest.mark.req(64)
async def test_one_that_is_ended_is_good_for_nothing_and_told_once(store, all_keys):
    made = await added(store)
    await store.spend_initial_access(made.id, POOL)
    assert await store.end_initial_access(made.id) == replace(made, left=2)
    assert await store.end_initial_access(made.id) is None
    assert not await store.spend_initial_access(made.id, POOL)
    assert await all_keys() == []


async def test_an_id_that_is_taken_is_not_overwritten(store):
    made = await added(store)
    with pytest.raises(StoreError):
        await added(store, uses=9, left=9)
    assert await store.initial_accesses(POOL) == (made,)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param("s", b"2", "initial_access_schema", id="later-schema"),
        pytest.param("d", b"{", "initial_access_record", id="truncated"),
        pytest.param("d", b'{"id": "other"}', "initial_access_record", id="anothers"),
        pytest.param("n", b"?", "initial_access_record", id="uses"),
        pytest.param("e", b"?", "initial_access_record", id="end"),
    ],
)
async def test_one_that_cannot_be_read_is_told_kept_and_never_more_than_it_was(store, unreadable, field, value, reason):
    """The script judges what it needs: whatever the rest of it says, an end is an end and a use a use."""
    made = await added(store)
    key = store.keys.initial_access(made.id)
    await store.link.command("HSET", key, field, value)
    assert await store.initial_accesses(POOL) == ()
    assert unreadable == [reason]
    assert await store.spend_initial_access(made.id, POOL) is (field == "d")
    assert await store.link.command("HGET", key, field) == value
    assert await store.end_initial_access(made.id) is None
    assert await store.link.command("EXISTS", key) == 0


@pytest.mark.req(193)
async def test_neither_an_id_nor_a_pool_nor_a_label_stands_in_a_key(store, all_keys):
    made = await added(store, pool_id="pool:1{*}\n", label="label\n")
    keys = await all_keys()
    assert len(keys) == 2
    assert all(len(key) < 120 and key.isascii() for key in keys)
    assert not [key for key in keys for word in (made.id.encode(), b"pool:1", b"label", b"\n") if word in key]

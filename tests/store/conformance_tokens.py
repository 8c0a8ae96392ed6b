"""What every store does with access and refresh tokens, and with records that it cannot read."""

from dataclasses import replace

import orjson
import pytest

from sidecar.store.base import AccessView
from tests.store.build import BYTES, DAY, created, issued, now, redeemed, rotate, state_of


async def test_the_hot_path_sees_one_token_and_its_grant(store):
    state = await redeemed(store)
    view = await store.peek(state.grant.id, 1)
    assert view == AccessView(state.grant, state.version, state.accesses[1], state.upstream)


async def test_the_hot_path_knows_no_token_that_was_not_issued(store):
    state = await created(store)
    assert await store.peek(state.grant.id, 1) is None
    assert await store.peek((await redeemed(store)).grant.id, 2) is None


async def test_the_hot_path_sees_a_refused_upstream_token(store):
    state = await redeemed(store)
    await store.refuse_upstream(state.grant.id, 1)
    assert (await store.peek(state.grant.id, 1)).upstream.refused


async def test_a_revoked_grant_is_gone_with_everything_in_it(store):
    state = await redeemed(store)
    assert await store.revoke(state.grant.id) is True
    assert await store.peek(state.grant.id, 1) is None
    assert await store.read(state.grant.id) is None
    assert await store.revoke(state.grant.id) is False
    assert await store.link.command("EXISTS", store.keys.grant(state.grant.id)) == 0


async def test_revoking_one_access_token_leaves_the_rest(store):
    state = await redeemed(store)
    assert await store.revoke_access(state.grant.id, 1) is True
    assert await store.revoke_access(state.grant.id, 1) is False
    after = await state_of(store, state.grant.id)
    assert (after.accesses, after.refresh, after.version) == ({}, state.refresh, state.version + 1)


@pytest.mark.req(147)
async def test_a_rotation_stores_the_successor_and_keeps_live_access_tokens(store):
    state = await redeemed(store)
    assert (await rotate(store, state, 1)).outcome == "fresh"
    after = await state_of(store, state.grant.id)
    assert (after.version, after.refresh) == (state.version + 1, issued(2).refresh)
    assert set(after.accesses) == {1, 2}


@pytest.mark.req(149)
async def test_within_grace_the_old_token_gets_the_same_answer_and_its_age(store):
    state = await redeemed(store)
    at = now()
    await rotate(store, state, 1, at=at)
    repeats = [await rotate(store, await state_of(store, state.grant.id), 1, at=at + age) for age in (0, 7, 60)]
    assert [(each.outcome, each.answer, each.age) for each in repeats] == [
        ("grace", b"answer 1" + BYTES, age) for age in (0, 7, 60)
    ]


@pytest.mark.req(148)
async def test_an_old_token_outside_grace_ends_the_grant(store):
    state = await redeemed(store)
    at = now()
    await rotate(store, state, 1, at=at)
    assert (await rotate(store, await state_of(store, state.grant.id), 1, at=at + 61)).outcome == "reused"
    assert await store.read(state.grant.id) is None


@pytest.mark.req(148)
async def test_the_next_rotation_ends_the_grace_of_the_one_before(store):
    state = await redeemed(store)
    at = now()
    await rotate(store, state, 1, at=at)
    await rotate(store, await state_of(store, state.grant.id), 2, at=at + 1)
    after = await state_of(store, state.grant.id)
    assert (await rotate(store, after, 2, at=at + 2)).answer == b"answer 2" + BYTES
    assert (await rotate(store, after, 1, at=at + 2)).outcome == "reused"


async def test_no_grace_means_none_even_at_once(store):
    state = await redeemed(store)
    at = now()
    await store.rotate(state, 1, issued(2), b"answer", grace=0, now=at)
    assert (await store.rotate(state, 1, None, b"", grace=0, now=at)).outcome == "reused"


async def test_a_token_newer_than_the_stores_ends_the_grant(store):
    """The write that issued it was lost: nobody knows what else was (design 9)."""
    state = await redeemed(store)
    assert (await rotate(store, state, 2)).outcome == "lost"
    assert await store.read(state.grant.id) is None
    unused = await created(store)
    assert (await rotate(store, unused, 1)).outcome == "lost"


async def test_a_moved_version_is_a_conflict_and_changes_nothing(store):
    state = await redeemed(store)
    await store.refuse_upstream(state.grant.id, 1)
    before = await state_of(store, state.grant.id)
    assert (await rotate(store, state, 1)).outcome == "conflict"
    assert await state_of(store, state.grant.id) == before


async def test_the_current_token_without_successor_is_a_conflict(store):
    state = await redeemed(store)
    assert (await store.rotate(state, 1, None, b"", grace=60)).outcome == "conflict"
    assert await state_of(store, state.grant.id) == state


async def test_a_refresh_token_that_idled_too_long_ends_the_grant(store):
    state = await redeemed(store)
    assert (await rotate(store, state, 1, at=now() + 31 * DAY)).outcome == "gone"
    assert await store.read(state.grant.id) is None


async def test_nothing_comes_back_after_the_grant_ended(store):
    state = await redeemed(store)
    await store.lease_upstream(state.grant.id, 1, "owner", 5)
    await store.revoke(state.grant.id)
    assert (await rotate(store, state, 1)).outcome == "gone"
    assert await store.save_upstream(state.grant.id, "owner", state.upstream) is False
    await store.release_upstream(state.grant.id, "owner", cool_down=1)
    await store.refuse_upstream(state.grant.id, 1)
    assert (await store.lease_upstream(state.grant.id, 1, "owner", 5)).outcome == "gone"
    assert await store.revoke_access(state.grant.id, 1) is False
    assert await store.link.command("EXISTS", store.keys.grant(state.grant.id)) == 0


async def test_a_grant_from_before_upstream_clients_were_named_is_read(store):
    state = await redeemed(store)
    key = store.keys.grant(state.grant.id)
    document = orjson.loads(await store.link.command("HGET", key, "g"))
    del document["upstream_client"]
    await store.link.command("HSET", key, "g", orjson.dumps(document))
    read = await store.read(state.grant.id)
    assert read.grant == replace(state.grant, upstream_client="")


DAMAGE = [
    pytest.param("s", b"2", "grant_schema", id="later-schema"),
    pytest.param("s", b"", "grant_schema", id="no-schema"),
    pytest.param("g", b"{", "grant_record", id="truncated-document"),
    pytest.param("g", b"[]", "grant_record", id="other-document"),
    pytest.param("g", b"{}", "grant_record", id="empty-document"),
    pytest.param("cl", b"\xff", "grant_record", id="undecodable-client"),
    pytest.param("v", b"x", "grant_record", id="version"),
    pytest.param("un", b"", "grant_record", id="serial"),
    pytest.param("a:1", b"\x01\x00", "grant_record", id="truncated-access"),
    pytest.param("a:1", b"\x09" + bytes(40), "grant_record", id="unknown-access"),
    pytest.param("a:1", b"\x01" + bytes(8) + b"\xff\xff" + b"short", "grant_record", id="access-without-its-wrap"),
]


@pytest.mark.parametrize(("field", "value", "reason"), DAMAGE)
async def test_what_cannot_be_read_is_denied_told_and_kept(store, unreadable, field, value, reason):
    state = await redeemed(store)
    key = store.keys.grant(state.grant.id)
    await store.link.command("HSET", key, field, value)
    assert await store.read(state.grant.id) is None
    assert await store.peek(state.grant.id, 1) is None
    assert unreadable == [reason, reason]
    assert await store.link.command("HGET", key, field) == value


async def test_a_record_of_a_later_schema_is_changed_by_no_script(store):
    state = await redeemed(store)
    key = store.keys.grant(state.grant.id)
    await store.link.command("HSET", key, "s", "2")
    before = await store.link.command("HGETALL", key)
    assert (await rotate(store, state, 1)).outcome == "gone"
    assert (await rotate(store, state, 9)).outcome == "gone"
    assert (await store.lease_upstream(state.grant.id, 1, "owner", 5)).outcome == "gone"
    assert await store.link.command("HGETALL", key) == before
    assert await store.revoke(state.grant.id) is True

"""What every store does about refreshing upstream tokens: one holder, seen when it dies, result and release at once."""

from dataclasses import replace

import pytest

from sidecar.store.base import Lease
from tests.store.build import new_grant, now, redeemed, state_of, upstream


async def test_one_holder_at_a_time(store):
    grant_id = (await redeemed(store)).grant.id
    at = float(now())
    assert await store.lease_upstream(grant_id, 1, "one", 5, now=at) == Lease("granted", 5.0)
    assert await store.lease_upstream(grant_id, 1, "two", 5, now=at + 1.5) == Lease("busy", 3.5)
    assert await store.lease_upstream(grant_id, 1, "one", 5, now=at + 1.5) == Lease("busy", 3.5)


async def test_the_stores_own_clock_counts_when_no_time_is_given(store):
    grant_id = (await redeemed(store)).grant.id
    assert (await store.lease_upstream(grant_id, 1, "one", 5)).outcome == "granted"
    busy = await store.lease_upstream(grant_id, 1, "two", 5)
    assert busy.outcome == "busy"
    assert 0 < busy.seconds <= 5


async def test_a_lease_names_the_tokens_that_it_is_for(store):
    grant_id = (await redeemed(store)).grant.id
    assert await store.lease_upstream(grant_id, 2, "one", 5) == Lease("stale")
    assert await store.lease_upstream("e" * 32, 1, "one", 5) == Lease("gone")


@pytest.mark.req(154)
async def test_saving_stores_the_tokens_and_gives_the_lease_back_in_one(store):
    state = await redeemed(store)
    grant_id = state.grant.id
    await store.refuse_upstream(grant_id, 1)
    await store.lease_upstream(grant_id, 1, "one", 5)
    fresh = upstream(2)
    assert await store.save_upstream(grant_id, "one", fresh) is True
    after = await state_of(store, grant_id)
    assert (after.upstream, after.version) == (fresh, state.version + 2)
    assert await store.lease_upstream(grant_id, 1, "two", 5) == Lease("stale")
    assert (await store.lease_upstream(grant_id, 2, "two", 5)).outcome == "granted"


async def test_only_the_holder_saves_and_releases(store):
    state = await redeemed(store)
    grant_id = state.grant.id
    assert await store.save_upstream(grant_id, "nobody", upstream(2)) is False
    await store.lease_upstream(grant_id, 1, "one", 5)
    assert await store.save_upstream(grant_id, "two", upstream(2)) is False
    await store.release_upstream(grant_id, "two", cool_down=0)
    assert (await store.lease_upstream(grant_id, 1, "three", 5)).outcome == "busy"
    assert await state_of(store, grant_id) == state


async def test_a_late_holder_cannot_overwrite_its_successor(store):
    grant_id = (await redeemed(store)).grant.id
    at = float(now())
    await store.lease_upstream(grant_id, 1, "late", 5, now=at)
    assert (await store.lease_upstream(grant_id, 1, "next", 5, now=at + 6)).outcome == "interrupted"
    assert await store.save_upstream(grant_id, "late", upstream(2)) is False
    assert await store.save_upstream(grant_id, "next", upstream(2)) is True
    assert await store.save_upstream(grant_id, "late", upstream(3)) is False


async def test_a_slow_holder_still_saves_when_nobody_took_over(store):
    grant_id = (await redeemed(store)).grant.id
    await store.lease_upstream(grant_id, 1, "slow", 5, now=float(now() - 60))
    assert await store.save_upstream(grant_id, "slow", upstream(2)) is True


async def test_a_holder_that_vanished_is_seen(store):
    grant_id = (await redeemed(store)).grant.id
    at = float(now())
    await store.lease_upstream(grant_id, 1, "vanished", 5, now=at)
    assert await store.lease_upstream(grant_id, 1, "next", 5, now=at + 5) == Lease("interrupted", 5.0)
    assert (await store.lease_upstream(grant_id, 1, "third", 5, now=at + 11)).outcome == "interrupted"


async def test_after_a_failure_that_changed_nothing_all_wait_a_moment(store):
    grant_id = (await redeemed(store)).grant.id
    at = float(now())
    await store.lease_upstream(grant_id, 1, "one", 5, now=at)
    await store.release_upstream(grant_id, "one", cool_down=2.5, now=at + 1)
    assert await store.lease_upstream(grant_id, 1, "two", 5, now=at + 2) == Lease("cooling", 1.5)
    assert await store.lease_upstream(grant_id, 1, "two", 5, now=at + 3.5) == Lease("granted", 5.0)


async def test_a_refusal_counts_once_and_for_the_current_tokens_only(store):
    state = await redeemed(store)
    grant_id = state.grant.id
    assert await store.refuse_upstream(grant_id, 2) == "stale"
    assert await state_of(store, grant_id) == state
    assert await store.refuse_upstream(grant_id, 1) == "marked"
    assert await store.refuse_upstream(grant_id, 1) == "stale"
    after = await state_of(store, grant_id)
    assert (after.upstream.refused, after.version) == (True, state.version + 1)


async def test_a_token_renewed_for_a_refusal_and_refused_again_ends_the_grant(store):
    """No loop between the MCP server and the IdP."""
    grant_id = (await redeemed(store)).grant.id
    at = now()
    await store.refuse_upstream(grant_id, 1)
    await store.lease_upstream(grant_id, 1, "one", 5)
    await store.save_upstream(grant_id, "one", upstream(2))
    assert await store.refuse_upstream(grant_id, 2, now=at + 60) == "ended"
    assert await store.read(grant_id) is None


async def test_a_refusal_long_after_the_last_is_a_first_one_again(store):
    grant_id = (await redeemed(store)).grant.id
    at = now()
    await store.refuse_upstream(grant_id, 1)
    await store.lease_upstream(grant_id, 1, "one", 5)
    await store.save_upstream(grant_id, "one", upstream(2))
    assert await store.refuse_upstream(grant_id, 2, now=at + 3600) == "marked"


async def test_a_refused_token_that_nothing_renews_ends_the_grant(store):
    new = new_grant()
    assert await store.create(replace(new, upstream=replace(new.upstream, refreshable=False)))
    grant_id = new.grant.id
    assert await store.refuse_upstream(grant_id, 1) == "ended"
    assert await store.read(grant_id) is None

"""Who registers a pool at its IdP: one at a time, and not again at once after it came to nothing."""

from sidecar.store.upstream_registrations import RegistrationLease
from tests.store.build import now

POOL = "corp-1"


async def test_one_at_a_time_may_register_and_the_next_when_it_is_done(store, all_keys):
    at = float(now())
    assert await store.lease_registration(POOL, "one", 30, now=at) == RegistrationLease("granted", 30.0)
    assert await store.lease_registration(POOL, "two", 30, now=at + 10) == RegistrationLease("busy", 20.0)
    assert await store.lease_registration(POOL, "one", 30, now=at + 10) == RegistrationLease("busy", 20.0)
    assert await store.release_registration(POOL, "one") is True
    assert await all_keys() == []
    assert (await store.lease_registration(POOL, "two", 30, now=at + 10)).outcome == "granted"


async def test_pools_do_not_wait_for_one_another(store):
    for pool in ("corp-1", "corp-2", "corp:1{*}"):
        assert (await store.lease_registration(pool, "one", 30)).outcome == "granted"


async def test_who_lost_the_lease_releases_nothing(store):
    at = float(now())
    await store.lease_registration(POOL, "late", 5, now=at)
    await store.lease_registration(POOL, "next", 5, now=at + 6)
    assert await store.release_registration(POOL, "late") is False
    assert await store.release_registration(POOL, "late", cool_down=9, now=at + 6) is False
    assert (await store.lease_registration(POOL, "third", 5, now=at + 7)).outcome == "busy"
    assert await store.release_registration(POOL, "next") is True
    assert await store.release_registration(POOL, "next") is False


async def test_a_holder_that_vanished_is_seen_until_somebody_finished(store):
    at = float(now())
    await store.lease_registration(POOL, "vanished", 5, now=at)
    assert (await store.lease_registration(POOL, "next", 5, now=at + 5)).outcome == "interrupted"
    assert (await store.lease_registration(POOL, "third", 5, now=at + 11)).outcome == "interrupted"
    await store.release_registration(POOL, "third")
    assert (await store.lease_registration(POOL, "fourth", 5, now=at + 12)).outcome == "granted"


async def test_what_came_to_nothing_is_counted_and_not_tried_again_at_once(store):
    at = float(now())
    await store.lease_registration(POOL, "one", 30, now=at)
    await store.release_registration(POOL, "one", cool_down=60, now=at + 1)
    assert await store.lease_registration(POOL, "two", 30, now=at + 31) == RegistrationLease("cooling", 30.0, 1)
    assert await store.lease_registration(POOL, "two", 30, now=at + 61) == RegistrationLease("granted", 30.0, 1)
    await store.release_registration(POOL, "two", cool_down=60, now=at + 61)
    assert (await store.lease_registration(POOL, "one", 30, now=at + 121)).failures == 2
    await store.release_registration(POOL, "one")
    assert (await store.lease_registration(POOL, "one", 30, now=at + 122)).failures == 0


async def test_all_of_it_is_forgotten_when_nobody_tries_any_more(store, all_keys):
    await store.lease_registration(POOL, "one", 30)
    await store.release_registration(POOL, "one", cool_down=60)
    (key,) = await all_keys()
    assert 0 < await store.link.command("TTL", key) <= 2 * 86400
    assert b"corp" not in key

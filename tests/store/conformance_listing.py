"""What every store does for operators: lists that find everything, cut-offs, and sweeps that are not forgotten."""

from dataclasses import replace

import pytest

from sidecar.store.listing import OfClient, OfPool, OfUser, Sweep
from sidecar.store.redis import RedisStore
from tests.store.build import created, new_grant, now, redeemed
from tests.store.conformance_others import REGISTRATION

POOL = REGISTRATION.pool_id


def _client(number, **changes):
    return replace(REGISTRATION, client_id=f"dcr1-{number:03}", **changes)


async def _listed(store, limit=100, after=""):
    """All ids, page by page."""
    found = []
    while True:
        page = await store.clients_of(POOL, after=after, limit=limit)
        found += [entry.client_id for entry in page.items]
        after = page.after
        if not after:
            return found


@pytest.mark.parametrize("limit", [1, 3, 10, 11])
async def test_pages_hold_every_client_once_whoever_is_forgotten_first(store, limit):
    for number in range(10):
        await store.register(_client(number), 1000 - number)
    await store.register(replace(_client(99), pool_id="other-1"), 3600)
    assert await _listed(store, limit) == [f"dcr1-{number:03}" for number in reversed(range(10))]
    assert await store.count_clients(POOL) == 10
    assert (await store.client_ids_of(POOL)).items == tuple(await _listed(store))


async def test_clients_of_the_same_end_are_all_found(store):
    """Changed ones have none, so they share it."""
    for number in range(7):
        assert await store.change(_client(number))
    assert await _listed(store, 2) == [f"dcr1-{number:03}" for number in range(7)]


async def test_one_that_is_used_while_somebody_pages_comes_again_and_none_is_missed(store):
    for number in range(4):
        await store.register(_client(number), 100 + number)
    first = await store.clients_of(POOL, limit=2)
    await store.used("dcr1-001", now(), 3600)  # the cursor itself has moved
    assert await _listed(store, after=first.after) == ["dcr1-002", "dcr1-003", "dcr1-001"]


async def test_a_use_keeps_a_client_listed_and_the_list_lives_as_long_as_its_last(store):
    await store.register(_client(1), 10)
    await store.used("dcr1-001", now(), 3600)
    assert 3_590_000 < await store.link.command("PTTL", store.keys.clients_of(POOL)) <= 3_600_000
    await store.register(_client(2), 10)
    assert 3_590_000 < await store.link.command("PTTL", store.keys.clients_of(POOL)) <= 3_600_000
    assert await _listed(store) == ["dcr1-002", "dcr1-001"]


async def test_a_changed_client_stays_listed_for_good(store):
    await store.register(_client(1), 10)
    assert await store.change(_client(1))
    await store.used("dcr1-001", now(), 3600)
    await store.register(_client(2), 10)
    assert await store.link.command("PTTL", store.keys.clients_of(POOL)) == -1
    assert await store.link.command("ZSCORE", store.keys.clients_of(POOL), "dcr1-001") in (b"inf", float("inf"))


async def test_what_is_over_is_neither_listed_nor_counted_and_goes_with_the_next_entry(store):
    await store.register(_client(1), 3600)
    await store.link.command("ZADD", store.keys.clients_of(POOL), 1000, "dcr1-old")
    assert await _listed(store) == ["dcr1-001"]
    assert await store.count_clients(POOL) == 1
    await store.register(_client(2), 3600)
    assert await store.link.command("ZSCORE", store.keys.clients_of(POOL), "dcr1-old") is None


async def test_an_entry_that_is_gone_or_unreadable_is_passed_over(store, unreadable):
    for number in range(3):
        await store.register(_client(number), 3600)
    await store.link.command("DEL", store.keys.client("dcr1-000"))
    await store.link.command("HSET", store.keys.client("dcr1-001"), "s", "9")
    page = await store.clients_of(POOL, limit=2)
    assert [entry.client_id for entry in page.items] == []
    assert page.after
    assert await _listed(store, 2) == ["dcr1-002"]
    assert set(unreadable) == {"client_schema"}


async def test_a_forgotten_client_is_not_listed(store):
    await store.register(_client(1), 3600)
    await store.deny("dcr1-001")
    assert await store.forget("dcr1-001")
    assert await _listed(store) == []
    assert await store.link.command("EXISTS", store.keys.clients_of(POOL)) == 0


async def test_a_change_that_is_undone_leaves_no_place_in_the_list(store):
    await store.deny("dcr1-001")
    assert await store.change(_client(1)) is False
    assert await store.count_clients(POOL) == 0


async def test_grants_are_found_by_client_user_and_pool(store):
    mine = (await redeemed(store)).grant
    code = (await created(store, client_id="dcr1-other")).grant
    for whose, expected in (
        (OfClient(mine.client_id), {mine.id}),
        (OfUser(mine.pool_id, mine.identity.subject), {mine.id, code.id}),
        (OfPool(mine.pool_id), {mine.id, code.id}),
        (OfPool("nobody-1"), set()),
    ):
        found, after = set(), ""
        while True:
            page = await store.grants_listed(whose, after=after, limit=1)
            found |= set(page.items)
            after = page.after
            if not after:
                break
        assert found == expected
        assert await store.count_grants(whose) == len(expected)


async def test_a_struck_grant_is_not_found_there_again(store):
    grant = (await redeemed(store)).grant
    await store.strike(OfPool(grant.pool_id), (grant.id,))
    await store.strike(OfPool(grant.pool_id), ())
    assert (await store.grants_listed(OfPool(grant.pool_id))).items == ()
    assert (await store.grants_listed(OfClient(grant.client_id))).items == (grant.id,)


ALICE = OfUser("corp-1", "user|1")


@pytest.mark.parametrize("skew", [-180, 0, 180], ids=["behind", "right", "ahead"])
async def test_a_cutoff_parts_what_was_made_before_from_what_is_made_after_whatever_a_clock_says(store, skew):
    before = await created(store, created_at=now() + skew)
    assert (before.behind, await store.cutoff_of(ALICE)) == (0, (False, None))
    first = await store.cut_off(ALICE, bar=False)
    assert await store.cutoff_of(ALICE) == (True, first)
    assert now() - 5 <= first // 1000 <= now() + 5
    after = await created(store, created_at=now() - skew)
    assert before.behind < first == after.behind
    second = await store.cut_off(ALICE, bar=False)
    assert after.behind < second == (await created(store)).behind
    assert (await created(store, pool_id="other-1")).behind == 0


class _CutOffMeanwhile(RedisStore):
    """Somebody offboards the user while a grant is being made."""

    __slots__ = ()

    async def _list(self, *grant, **end):
        await super()._list(*grant, **end)
        await self.cut_off(ALICE, bar=False)


async def test_a_grant_that_is_made_while_its_user_is_cut_off_is_undone(store, all_keys):
    """The sweep behind the cut-off may have been over before it was listed."""
    assert await _CutOffMeanwhile(store.link, store.keys).create(new_grant()) is False
    assert await all_keys() == [store.keys.denied_user(ALICE.pool_id, ALICE.subject).encode()]


async def test_numbers_only_grow_also_when_the_servers_time_goes_back(store):
    key, ahead = store.keys.denied_user(ALICE.pool_id, ALICE.subject), (now() + 86400) * 1000
    await store.link.command("SET", key, ahead)
    assert await store.cut_off(ALICE, bar=False) == ahead + 1
    assert await store.cut_off(ALICE, bar=True) == ahead + 2
    assert await store.lift_cutoff(ALICE) is True
    assert await store.cutoff_of(ALICE) == (True, ahead + 3)


@pytest.mark.parametrize("whose", [ALICE, OfPool("corp-1")], ids=["user", "pool"])
async def test_a_bar_denies_everything_and_is_never_weakened(store, whose):
    first = await store.cut_off(whose, bar=True)
    assert await store.cut_off(whose, bar=False) > first
    assert await store.cutoff_of(whose) == (True, None)
    assert await store.create(new_grant()) is False


@pytest.mark.parametrize("stands", ["", "*", "?"], ids=["ours", "without-number", "of-another-version"])
async def test_who_is_let_in_again_begins_behind_what_was_ended(store, stands):
    number = await store.cut_off(ALICE, bar=True)
    if stands:
        await store.link.command("SET", store.keys.denied_user(ALICE.pool_id, ALICE.subject), stands)
    assert await store.create(new_grant()) is False
    assert await store.lift_cutoff(ALICE) is True
    assert await store.lift_cutoff(ALICE) is False
    assert (await created(store)).behind >= number


async def test_nobody_is_let_in_again_who_was_not_kept_out(store):
    assert await store.lift_cutoff(ALICE) is False
    await store.cut_off(ALICE, bar=False)
    stands = await store.cutoff_of(ALICE)
    assert await store.lift_cutoff(ALICE) is False
    assert await store.cutoff_of(ALICE) == stands


async def test_what_no_version_of_ours_wrote_is_not_taken_for_a_weaker_cutoff(store):
    await store.link.command("SET", store.keys.denied_user("corp-1", "user|1"), "?")
    assert await store.cut_off(ALICE, bar=False) is None
    assert await store.cutoff_of(ALICE) == (True, None)


SWEEPS = (
    Sweep(OfUser("corp-1", "user|1"), 1000, "user_offboarded", {}),
    Sweep(OfClient("dcr1-001"), None, "client_deleted", {"client_name": "Näme"}),
)


async def test_a_sweep_is_pending_until_it_is_done_and_only_one_call_ends_it(store):
    for sweep in (*SWEEPS, *SWEEPS):
        await store.sweep_begun(sweep)
    assert set(map(repr, await store.sweeps_pending())) == set(map(repr, SWEEPS))
    assert await store.sweep_done(SWEEPS[0]) is True
    assert await store.sweep_done(SWEEPS[0]) is False
    assert await store.sweeps_pending() == (SWEEPS[1],)
    assert await store.link.command("PTTL", store.keys.sweeps()) == -1


async def test_a_sweep_of_another_version_is_told_and_stays(store, unreadable):
    await store.link.command("SADD", store.keys.sweeps(), b'{"s": "9"}', b"junk")
    assert await store.sweeps_pending() == ()
    assert sorted(unreadable) == ["sweep_record", "sweep_schema"]
    assert await store.link.command("SCARD", store.keys.sweeps()) == 2


async def test_a_client_that_is_let_in_again_is_not_denied(store):
    await store.deny("https://app.example/client")
    await store.forget("https://app.example/client")
    assert await store.readmit_client("https://app.example/client") is True
    assert await store.denied("https://app.example/client") == ""
    assert await store.readmit_client("https://app.example/client") is False

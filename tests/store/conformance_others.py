"""What every store does with forms, transactions, the client registry and limits."""

import asyncio

import pytest

from sidecar.store.base import StoreError, Taken
from sidecar.store.registry import Registration
from tests.store.build import BYTES, created, redeemed

REGISTRATION = Registration(
    client_id="dcr1s-client",
    pool_id="corp-1",
    metadata={"client_name": "Näme", "contacts": ["a@b.c"], "nested": {"x": [1, None, True]}},
    created_at=1_800_000_000,
    last_used_at=1_800_000_000,
    sealed_body=BYTES,
)


async def test_a_form_is_spent_once(store):
    assert [await store.spend_form("nonce", 60) for _ in range(3)] == [True, False, False]
    assert await store.spend_form("nonce 2", 60) is True


@pytest.mark.req(157)
async def test_an_assertion_is_spent_once_by_each_client(store):
    assert await store.spend_assertion("https://a.example/c.json", "first", 60)
    spent = await asyncio.gather(*(store.spend_assertion("https://a.example/c.json", "jti", 60) for _ in range(20)))
    assert sorted(spent) == [False] * 19 + [True]
    # Whose it is and how it is called are told apart, whatever characters they have.
    others = [
        ("https://a.example/c.jsonj", "ti"),
        ("https://b.example/c.json", "jti"),
        ("", ""),
        ("é{*}\n", "\0" * 256),
    ]
    assert [await store.spend_assertion(*other, 60) for other in others * 2] == [True] * 4 + [False] * 4


@pytest.mark.req(112)
async def test_a_transaction_is_taken_once_by_its_own_browser(store):
    await store.start("handle", "binding", BYTES, 600)
    assert await store.take("handle", "binding") == Taken("taken", BYTES)
    assert await store.take("handle", "binding") == Taken("gone")


@pytest.mark.req(112)
async def test_a_stranger_does_not_burn_a_transaction(store):
    await store.start("handle", "binding", b"sealed", 600)
    for binding in ("", "bindinG", "*", "é" * 5000):
        assert await store.take("handle", binding) == Taken("stranger")
    assert (await store.take("handle", "binding")).outcome == "taken"


async def test_an_unknown_transaction_is_gone(store):
    assert await store.take("", "") == Taken("gone")


async def test_a_handle_that_is_taken_is_not_overwritten(store):
    await store.start("handle", "binding", b"first", 600)
    with pytest.raises(StoreError):
        await store.start("handle", "other", b"second", 600)
    assert await store.take("handle", "binding") == Taken("taken", b"first")


@pytest.mark.req(112)
async def test_a_transaction_and_what_was_spent_are_forgotten_in_time(store):
    await store.start("handle", "binding", b"sealed", 600)
    await store.spend_form("nonce", 60)
    await store.spend_assertion("client", "jti", 90)
    assert await store.spend_assertion("client", "jti", 900) is False
    assert 599_000 < await store.link.command("PTTL", store.keys.transaction("handle")) <= 600_000
    assert 59_000 < await store.link.command("PTTL", store.keys.form("nonce")) <= 60_000
    assert 89_000 < await store.link.command("PTTL", store.keys.assertion("client", "jti")) <= 90_000


async def test_a_registration_is_read_back_as_it_was(store):
    await store.register(REGISTRATION, 3600)
    assert await store.registered(REGISTRATION.client_id) == REGISTRATION
    assert await store.registered("dcr1s-other") is None


async def test_use_slides_a_registrations_life_and_never_goes_back(store):
    await store.register(REGISTRATION, 100)
    assert await store.used(REGISTRATION.client_id, 1_800_000_500, 3600) is True
    await store.used(REGISTRATION.client_id, 1_800_000_400, 3600)
    assert (await store.registered(REGISTRATION.client_id)).last_used_at == 1_800_000_500
    assert await store.link.command("PTTL", store.keys.client(REGISTRATION.client_id)) > 3_500_000


async def test_use_makes_no_registration(store):
    assert await store.used("dcr1s-gone", 1_800_000_000, 3600) is False
    assert await store.registered("dcr1s-gone") is None
    assert await store.link.command("EXISTS", store.keys.client("dcr1s-gone")) == 0


async def test_registering_again_replaces_the_entry(store):
    await store.register(REGISTRATION, 3600)
    other = Registration("dcr1s-client", "corp-1", {}, 1, 2)
    await store.register(other, 3600)
    assert await store.registered("dcr1s-client") == other


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param("s", b"2", "client_schema", id="later-schema"),
        pytest.param("d", b"{", "client_record", id="truncated"),
        pytest.param("d", b'{"client_id": "other"}', "client_record", id="another-clients"),
        pytest.param("u", b"?", "client_record", id="last-use"),
    ],
)
async def test_an_entry_that_cannot_be_read_is_absent_told_and_kept(store, unreadable, field, value, reason):
    await store.register(REGISTRATION, 3600)
    key = store.keys.client(REGISTRATION.client_id)
    await store.link.command("HSET", key, field, value)
    assert await store.registered(REGISTRATION.client_id) is None
    assert unreadable == [reason]
    assert await store.link.command("HGET", key, field) == value


async def test_ping_answers(store):
    await store.ping()


@pytest.mark.req(193)
async def test_no_key_is_made_of_what_a_caller_sent_and_every_key_ends(store, all_keys):
    await redeemed(store, client_id="client{*}\n", pool_id="pool:1")
    await created(store, client_id="", pool_id="")
    await store.register(REGISTRATION, 3600)
    await store.start("handle{*}", "binding", b"sealed", 600)
    await store.spend_form("nonce\n", 60)
    await store.spend_assertion("client{*}\n", "jti{*}\n", 60)
    await store.admit("192.0.2.1 handle\n", per_hour=1, burst=1)
    keys = await all_keys()
    assert len(keys) >= 11
    assert all(len(key) < 120 and key.isascii() and b"\n" not in key and b"*" not in key for key in keys)
    for word in (
        b"client{",
        b"handle",
        b"nonce",
        b"jti",
        b"192.0.2.1",
        b"pool:1",
        b"user|1",
        REGISTRATION.client_id.encode(),
    ):
        assert not [key for key in keys if word in key]
    assert [key for key in keys if await store.link.command("PTTL", key) <= 0] == []


# Limits --------------------------------------------------------------------------------------------------------------

AT = 1_800_000_000.5


@pytest.mark.req(62)
async def test_a_budget_is_its_burst_at_once_and_then_one_by_one(store):
    async def admit(after):
        return await store.admit("a", per_hour=60, burst=3, now=AT + after)

    assert [await admit(0) for _ in range(5)] == [0.0, 0.0, 0.0, 60.0, 60.0]
    assert [await admit(59), await admit(60), await admit(60)] == [1.0, 0.0, 60.0]
    assert [await admit(180) for _ in range(3)] == [0.0, 0.0, 60.0]
    assert [await admit(1000) for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]


@pytest.mark.parametrize(
    ("per_hour", "burst"),
    [
        pytest.param(1, 1, id="one"),
        pytest.param(7, 100, id="not-whole"),
        pytest.param(999, 500, id="fast"),  # not faster: keys end by the machine's time, whatever `now` is
    ],
)
async def test_a_burst_is_exactly_that_whatever_the_rate(store, per_hour, burst):
    waits = [await store.admit("a", per_hour=per_hour, burst=burst, now=AT) for _ in range(burst + 1)]
    assert waits[:-1] == [0.0] * burst
    assert waits[-1] == pytest.approx(3600 / per_hour, abs=0.002)


async def test_a_wait_is_not_too_short(store):
    assert await store.admit("a", per_hour=7, burst=1, now=AT) == 0.0
    wait = await store.admit("a", per_hour=7, burst=1, now=AT)
    assert await store.admit("a", per_hour=7, burst=1, now=AT + wait - 0.01) > 0
    assert await store.admit("a", per_hour=7, burst=1, now=AT + wait) == 0.0


async def test_budgets_of_other_names_are_others(store):
    assert [await store.admit(name, per_hour=1, burst=1) for name in ("a", "b", "a{*}\n", "")] == [0.0] * 4
    assert 3590 < await store.admit("a", per_hour=1, burst=1) <= 3600


@pytest.mark.req(135)
async def test_asking_spends_nothing_and_tells_what_spending_would(store, all_keys):
    async def admit(*, spend):
        return await store.admit("a", per_hour=60, burst=2, spend=spend, now=AT)

    assert [await admit(spend=False) for _ in range(3)] == [0.0] * 3
    assert await all_keys() == []
    assert [await admit(spend=True) for _ in range(2)] == [0.0] * 2
    assert [await admit(spend=False), await admit(spend=True)] == [60.0, 60.0]


async def test_an_idle_limit_leaves_no_key_and_a_refusal_makes_none_longer(store):
    for _ in range(5):
        await store.admit("a", per_hour=60, burst=2)
    assert 118_000 < await store.link.command("PTTL", store.keys.limit("a")) <= 120_000


async def test_a_clock_that_was_set_back_and_a_smaller_budget_keep_nobody_out_for_longer(store):
    await store.admit("a", per_hour=60, burst=1, now=AT + 10_000_000)
    assert await store.admit("a", per_hour=60, burst=1, now=AT) == 60.0
    assert [await store.admit("b", per_hour=1, burst=5, now=AT) for _ in range(5)] == [0.0] * 5
    assert await store.admit("b", per_hour=60, burst=2, now=AT) == 60.0


async def test_a_limit_that_cannot_be_read_is_a_whole_budget(store):
    await store.link.command("SET", store.keys.limit("a"), "?")
    assert await store.admit("a", per_hour=60, burst=1, now=AT) == 0.0

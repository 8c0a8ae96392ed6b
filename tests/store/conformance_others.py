"""What every store does with forms, transactions and the client registry."""

import pytest

from sidecar.store.base import Registration, StoreError, Taken
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
async def test_a_transaction_and_a_spent_form_are_forgotten_in_time(store):
    await store.start("handle", "binding", b"sealed", 600)
    await store.spend_form("nonce", 60)
    assert 599_000 < await store.link.command("PTTL", store.keys.transaction("handle")) <= 600_000
    assert 59_000 < await store.link.command("PTTL", store.keys.form("nonce")) <= 60_000


async def test_a_registration_is_read_back_as_it_was(store):
    await store.register(REGISTRATION, 3600)
    assert await store.registered(REGISTRATION.client_id) == REGISTRATION
    assert await store.registered("dcr1s-other") is None


async def test_use_slides_a_registrations_life_and_never_goes_back(store):
    await store.register(REGISTRATION, 100)
    await store.used(REGISTRATION.client_id, 1_800_000_500, 3600)
    await store.used(REGISTRATION.client_id, 1_800_000_400, 3600)
    assert (await store.registered(REGISTRATION.client_id)).last_used_at == 1_800_000_500
    assert await store.link.command("PTTL", store.keys.client(REGISTRATION.client_id)) > 3_500_000


async def test_use_makes_no_registration(store):
    await store.used("dcr1s-gone", 1_800_000_000, 3600)
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
    keys = await all_keys()
    assert len(keys) >= 9
    assert all(len(key) < 120 and key.isascii() and b"\n" not in key and b"*" not in key for key in keys)
    for word in (b"client{", b"handle", b"nonce", b"pool:1", b"user|1", REGISTRATION.client_id.encode()):
        assert not [key for key in keys if word in key]
    assert [key for key in keys if await store.link.command("PTTL", key) <= 0] == []

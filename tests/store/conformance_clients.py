"""What every store does when a client is changed or deleted (RFC 7592)."""

from dataclasses import replace

import pytest

from tests.store.build import created, new_grant, redeemed
from tests.store.conformance_others import REGISTRATION

ID = REGISTRATION.client_id


@pytest.mark.req(71)
async def test_a_change_replaces_the_entry_and_nothing_makes_it_end_or_go_back(store):
    await store.register(REGISTRATION, 3600)
    changed = replace(REGISTRATION, metadata={"client_name": "Other"}, sealed_body=b"other")
    assert await store.change(changed)
    await store.register(REGISTRATION, 3600)
    await store.used(ID, changed.last_used_at + 5, 3600)
    assert await store.registered(ID) == replace(changed, last_used_at=changed.last_used_at + 5)
    assert await store.link.command("PTTL", store.keys.client(ID)) == -1
    assert await store.change(REGISTRATION)
    assert await store.registered(ID) == REGISTRATION


@pytest.mark.req(73)
async def test_a_denial_goes_from_ending_to_ended_and_no_further(store):
    assert await store.denied(ID) == ""
    for _ in range(2):
        await store.deny(ID)
        assert await store.denied(ID) == "ending"
    await store.forget(ID)
    await store.deny(ID)
    assert await store.denied(ID) == "ended"
    assert await store.denied("dcr1-other") == ""
    assert await store.link.command("PTTL", store.keys.denied_client(ID)) == -1


@pytest.mark.req(73)
@pytest.mark.parametrize("value", ["*", "1800000000", "?"])
async def test_any_other_denial_denies_the_client(store, value):
    await store.link.command("SET", store.keys.denied_client(ID), value)
    assert await store.denied(ID) == "ended"


@pytest.mark.req(73)
async def test_nothing_is_made_for_a_client_that_is_being_deleted(store, all_keys):
    await store.deny(ID)
    keys = await all_keys()
    assert await store.create(new_grant(client_id=ID)) is False
    assert await store.change(REGISTRATION) is False
    assert await all_keys() == keys


@pytest.mark.req(73)
async def test_the_grants_of_a_client_are_listed_until_they_are_struck(store):
    mine = {(await made(store, client_id=ID)).grant.id for made in (created, redeemed, redeemed)}
    await redeemed(store, client_id="dcr1-other")
    listed = await store.grants_of(ID)
    assert set(listed) == mine
    await store.unlist(ID, listed[:2])
    assert await store.grants_of(ID) == listed[2:]
    await store.unlist(ID, listed)
    assert await store.grants_of(ID) == ()


@pytest.mark.req(73)
async def test_all_of_many_grants_are_found(store):
    for _ in range(130):
        await created(store, client_id=ID)
    found = 0
    while listed := await store.grants_of(ID):
        for grant_id in listed:
            found += await store.revoke(grant_id)
        await store.unlist(ID, listed)
    assert found == 130


async def test_a_forgotten_client_leaves_its_denial_only(store, all_keys):
    assert await store.change(REGISTRATION)
    await store.deny(ID)
    await store.forget(ID)
    assert await store.registered(ID) is None
    assert await all_keys() == [store.keys.denied_client(ID).encode()]

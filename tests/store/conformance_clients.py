"""What every store does when a client is changed or deleted (RFC 7592)."""

from dataclasses import replace

import pytest

from sidecar.store.redis import RedisStore
from tests.store.build import new_grant
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
    assert await store.forget(ID) is True
    await store.deny(ID)
    assert await store.denied(ID) == "ended"
    assert await store.forget(ID) is False
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


class _LetInMeanwhile(RedisStore):
    """An operator lets the client in while a late replica comes to the end of its sweep."""

    __slots__ = ()

    async def _remove(self, client_id):
        await super()._remove(client_id)
        await self.readmit_client(client_id)


@pytest.mark.req(73)
async def test_a_client_that_is_let_in_again_at_that_very_moment_is_not_denied(store):
    await store.deny(ID)
    assert await _LetInMeanwhile(store.link, store.keys).forget(ID) is False
    assert await store.denied(ID) == ""


@pytest.mark.req(73)
async def test_a_client_that_was_let_in_again_is_not_denied_by_whoever_comes_late(store):
    """Two replicas ended its grants; an operator was faster than the second."""
    await store.register(REGISTRATION, 3600)
    await store.deny(ID)
    assert await store.forget(ID) is True
    assert await store.readmit_client(ID) is True
    await store.register(REGISTRATION, 3600)
    assert await store.forget(ID) is False
    assert await store.denied(ID) == ""
    assert await store.registered(ID) == REGISTRATION


@pytest.mark.parametrize(("field", "value"), [("s", b"2"), ("d", b"{"), ("b", None)])
async def test_a_changed_entry_that_cannot_be_read_is_lost_and_no_absent_one(store, unreadable, field, value):
    """Or the client would have back what it gave up."""
    assert await store.change(REGISTRATION)
    key = store.keys.client(ID)
    await (store.link.command("HSET", key, field, value) if value else store.link.command("HDEL", key, field))
    lost = await store.registered(ID)
    assert (lost.lost, lost.client_id, lost.sealed_body) == (True, ID, b"")
    assert len(unreadable) == 1
    await store.link.command("PEXPIRE", key, 3_600_000)  # an entry that was never changed has an end
    assert await store.registered(ID) is None


async def test_a_forgotten_client_leaves_its_denial_only(store, all_keys):
    assert await store.change(REGISTRATION)
    await store.deny(ID)
    await store.forget(ID)
    assert await store.registered(ID) is None
    assert await all_keys() == [store.keys.denied_client(ID).encode()]

"""What every store does with a new grant and its code."""

import pytest

from sidecar.store.base import StoreError
from sidecar.store.codec import ALWAYS
from tests.store.build import BYTES, DAY, created, issued, new_grant, now, proofs, redeem, redeemed, state_of


async def test_what_is_created_is_read_back_byte_for_byte(store):
    new = new_grant()
    assert await store.create(new)
    state = await state_of(store, new.grant.id)
    assert (state.grant, state.version, state.upstream) == (new.grant, 1, new.upstream)
    assert (state.code_wrap, state.accesses, state.refresh) == (b"code wrap" + BYTES, {}, None)


async def test_an_unknown_grant_is_none_everywhere(store):
    unknown = "f" * 32
    assert await store.read(unknown) is None
    assert await store.peek(unknown, 1) is None
    assert await store.revoke(unknown) is False
    assert await store.revoke_access(unknown, 1) is False


async def test_an_id_that_is_taken_is_not_overwritten(store):
    new = new_grant()
    assert await store.create(new)
    with pytest.raises(StoreError):
        await store.create(new)
    assert (await state_of(store, new.grant.id)).version == 1


@pytest.mark.parametrize("grant_id", ["", "a", "A" * 32, "*" * 32, "{" * 32, "a" * 31 + "\n"])
async def test_a_grant_id_never_shapes_a_key(store, grant_id):
    with pytest.raises(ValueError, match="32 hexadecimal"):
        await store.read(grant_id)


async def test_an_unused_grant_goes_a_minute_after_its_code(store):
    state = await created(store)
    assert 0 < await store.link.command("PTTL", store.keys.grant(state.grant.id)) <= 120_000


@pytest.mark.req(121, 122)
async def test_a_code_with_the_right_proofs_gives_the_tokens(store):
    state = await created(store)
    assert await redeem(store, state) == "fresh"
    after = await state_of(store, state.grant.id)
    assert (after.code_wrap, after.version) == (None, 2)
    assert (after.accesses, after.refresh) == ({1: issued(1).access}, issued(1).refresh)
    left = await store.link.command("PTTL", store.keys.grant(state.grant.id))
    assert 90 * DAY * 1000 - 60_000 < left <= 90 * DAY * 1000


async def test_no_refresh_token_is_stored_when_none_is_issued(store):
    state = await created(store)
    tokens = issued(1)
    only_access = type(tokens)(1, tokens.access, None)
    end = state.grant.expires_at
    assert await store.redeem(state, proofs(state.grant), only_access, expires_at=end, double_submit=1) == "fresh"
    assert (await state_of(store, state.grant.id)).refresh is None


async def test_redeeming_forgets_the_generations_it_is_told_to(store):
    state = await redeemed(store)
    assert (await store.rotate(state, 1, issued(2, expired=(1, 7)), b"", grace=60)).outcome == "fresh"
    assert list((await state_of(store, state.grant.id)).accesses) == [2]


@pytest.mark.parametrize("absent", ["redirect_uri", "resource"])
async def test_what_was_not_sent_is_the_bound_value(store, absent):
    assert await redeem(store, await created(store), **{absent: None}) == "fresh"


WRONG = [
    pytest.param({"client_id": "dcr1-other"}, id="client"),
    pytest.param({"redirect_uri": "http://127.0.0.1/callback"}, id="redirect"),
    pytest.param({"redirect_uri": ""}, id="redirect-empty"),
    pytest.param({"resource": "https://mcp.example.com/mcp/"}, id="resource"),
    pytest.param({"client_id": "dcr1-other", "challenge": "wrong"}, id="client-and-verifier"),
]


@pytest.mark.req(122, 141)
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_client_redirect_or_resource_never_burns_a_code(store, wrong):
    state = await created(store)
    assert [await redeem(store, state, **wrong) for _ in range(5)] == ["mismatch"] * 5
    assert await redeem(store, state) == "fresh"


@pytest.mark.req(122)
async def test_the_third_wrong_verifier_burns_the_code(store):
    state = await created(store)
    outcomes = [await redeem(store, state, challenge="wrong") for _ in range(4)]
    assert outcomes == ["mismatch", "mismatch", "burnt", "gone"]
    assert await store.read(state.grant.id) is None


async def test_two_wrong_verifiers_do_not_burn_a_code(store):
    state = await created(store)
    await redeem(store, state, challenge="wrong")
    await redeem(store, state, challenge="")
    assert await redeem(store, state) == "fresh"


async def test_an_empty_challenge_proves_nothing(store):
    state = await created(store, code_challenge="")
    assert await redeem(store, state, challenge="") == "mismatch"


async def test_judging_alone_consumes_nothing(store):
    """The caller saw a used code; by now it may be another."""
    state = await created(store)
    end = state.grant.expires_at
    judged = await store.redeem(state, proofs(state.grant), None, expires_at=end, double_submit=1)
    assert judged == "conflict"
    assert await state_of(store, state.grant.id) == state
    at = now()
    assert await redeem(store, state, at=at) == "fresh"
    judged = await store.redeem(state, proofs(state.grant), None, expires_at=end, double_submit=1, now=at + 2)
    assert judged == "replayed"


@pytest.mark.req(121, 195)
async def test_a_code_lives_a_minute_of_the_stores_time(store):
    before = now()
    early, late = await created(store), await created(store)
    assert await redeem(store, early, at=before + 59) == "fresh"
    assert await redeem(store, late, at=now() + 61) == "expired"
    assert await redeem(store, late, at=now() + 61, challenge="wrong") == "expired"


@pytest.mark.req(121, 140)
async def test_a_later_replay_with_the_right_proofs_ends_the_grant(store):
    state = await created(store)
    at = now()
    assert await redeem(store, state, at=at) == "fresh"
    assert await redeem(store, state, at=at + 2) == "replayed"
    assert await store.peek(state.grant.id, 1) is None
    assert await redeem(store, state, at=at + 2) == "gone"


async def test_a_replay_is_seen_long_after_the_codes_own_life(store):
    state = await redeemed(store)
    assert await redeem(store, state, at=now() + 30 * DAY) == "replayed"


async def test_a_double_submit_changes_nothing(store):
    state = await created(store)
    at = now()
    assert await redeem(store, state, at=at) == "fresh"
    before = await state_of(store, state.grant.id)
    assert await redeem(store, state, at=at + 1) == "double"
    assert await state_of(store, state.grant.id) == before


@pytest.mark.parametrize("wrong", [*WRONG, pytest.param({"challenge": "wrong"}, id="verifier")])
async def test_a_used_code_without_the_right_proofs_ends_nothing(store, wrong):
    """Whoever picks up a used code must not be able to sign its user out."""
    state = await redeemed(store)
    assert [await redeem(store, state, at=now() + 99, **wrong) for _ in range(4)] == ["mismatch"] * 4
    assert await state_of(store, state.grant.id) == state


async def test_a_moved_version_is_a_conflict_and_keeps_the_code(store):
    state = await created(store)
    await store.refuse_upstream(state.grant.id, 1)
    assert await redeem(store, state) == "conflict"
    assert await redeem(store, await state_of(store, state.grant.id)) == "fresh"


async def test_a_grant_is_listed_by_client_user_and_pool_until_its_end(store):
    state = await created(store)
    member = state.grant.id.encode()
    keys = store.keys.indexes(state.grant)
    assert len(set(keys)) == 3
    ends = [float(await store.link.command("ZSCORE", key, member)) / 1000 - now() for key in keys]
    assert all(100 < end <= 121 for end in ends)
    await redeem(store, state)
    for key in keys:
        assert float(await store.link.command("ZSCORE", key, member)) == state.grant.expires_at * 1000
        assert await store.link.command("PTTL", key) > 89 * DAY * 1000


async def test_an_index_forgets_what_is_over_and_never_shortens(store):
    state = await redeemed(store)
    key = store.keys.indexes(state.grant)[0]
    await store.link.command("ZADD", key, (now() - 5) * 1000, "0" * 32)
    await created(store)  # of the same client, user and pool, with an earlier end
    assert await store.link.command("ZSCORE", key, "0" * 32) is None
    assert await store.link.command("PTTL", key) > 89 * DAY * 1000
    sooner = now() + DAY
    assert await store.redeem(state, proofs(state.grant), issued(1), expires_at=sooner, double_submit=60) == "double"
    assert float(await store.link.command("ZSCORE", key, state.grant.id)) == state.grant.expires_at * 1000


async def test_users_of_two_pools_and_awkward_subjects_share_no_index(store):
    subjects = [("p", "a:b"), ("p:a", "b"), ("p", "{a}b"), ("p", "*"), ("p", "a\nb"), ("p", "é" * 1000)]
    assert len({store.keys.denied_user(*subject) for subject in subjects}) == len(subjects)
    assert len({len(store.keys.denied_user(*subject)) for subject in subjects}) == 1


DENIALS = [
    pytest.param("client", ALWAYS, False, id="client"),
    pytest.param("user", ALWAYS, False, id="user"),
    pytest.param("pool", ALWAYS, False, id="pool"),
    pytest.param("user", "not a denial that we know", False, id="unreadable"),
    pytest.param("user", "", False, id="empty"),
    pytest.param("user", "*1800000000000", False, id="barred"),
    pytest.param("user", "4000000000", True, id="behind-a-cut-off"),
    pytest.param("client", "1", False, id="client-number"),
    pytest.param("pool", "1", False, id="pool-number"),
]


@pytest.mark.parametrize(("whom", "value", "allowed"), DENIALS)
async def test_a_denied_grant_is_undone(store, whom, value, allowed):
    new = new_grant()
    client, user, pool = store.keys.denials(new.grant)
    await store.link.command("SET", {"client": client, "user": user, "pool": pool}[whom], value)
    assert await store.create(new) is allowed
    assert (await store.read(new.grant.id) is not None) is allowed
    listed = [await store.link.command("ZSCORE", key, new.grant.id) for key in store.keys.indexes(new.grant)]
    assert [score is not None for score in listed] == [allowed] * 3

"""Who may sign in counts again at every renewal of the upstream tokens. Over HTTP: endpoints/test_readmission.py."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.directory import AllowRule, Directory
from sidecar.events import GrantEnded
from sidecar.grants.readmission import reason_to_end
from sidecar.oauth.errors import InvalidGrant, InvalidToken
from sidecar.records import Grant, Identity, UpstreamTokens
from sidecar.store.base import StoreError
from sidecar.tokens import Kind
from sidecar.upstream.base import Refreshed
from tests.grants.world import ALICE, DIRECTORY, ISSUER, POOL, SERVER, World

STAFF = replace(ALICE, groups=("staff",))
TOKENS = UpstreamTokens("up-2", "up-r-2", 1_900_000_000)
EXAMPLE = AllowRule(domains=frozenset({"example.com"}))


def under(rule: AllowRule) -> Directory:
    return Directory((replace(SERVER, allow=rule),), (ISSUER,), {"corp": POOL})


def grant_of(identity: Identity) -> Grant:
    return Grant(
        id="0" * 32,
        issuer=ISSUER.url,
        pool_id=POOL.id,
        client_id="client-a",
        client_name="",
        server=SERVER.name,
        resource=SERVER.resource,
        scopes=(),
        identity=identity,
        redirect_uri="http://127.0.0.1/cb",
        code_challenge="x" * 43,
        refreshable=True,
        created_at=0,
        expires_at=100,
        reference="r",
    )


def says(identity: Identity, **claims: object) -> Refreshed:
    """The answer of a refresh whose id_token holds these claims."""
    return Refreshed(TOKENS, identity, {"sub": identity.subject, "email": identity.email, **claims})


def ended(world: World) -> list[tuple[str, str, str]]:
    return [(event.reason, event.user, event.server) for event in world.events if isinstance(event, GrantEnded)]


class NeverEnds:
    """A store that breaks whenever a grant is to end."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def revoke(self, _grant_id: str) -> bool:
        raise StoreError("down")


async def restarted(world: World, rule: AllowRule) -> World:
    """With another `allow` rule, over the same store."""
    return replace(world, directory=under(rule), events=[], seed=world.seed + 1)


async def test_a_user_whom_the_fresh_claims_put_outside_the_rule_loses_thegrant_of(world: World) -> None:
    """The new tokens are used for nothing, not even once."""
    world = await restarted(world, AllowRule(domains=frozenset({"example.com"})))
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    moved = replace(ALICE, email="alice@elsewhere.example")
    world.upstream.answers.append(says(moved))
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    with pytest.raises(InvalidGrant):
        await world.refresh(answer.refresh_token)
    assert ended(world) == [("not_allowed", "alice", "notes")]
    assert world.upstream.refreshed == ["up-r-1"]


async def test_the_client_learns_it_at_the_token_endpoint_as_a_dead_refresh_token(world: World) -> None:
    """Even while the old upstream token would still do: the IdP's newest word counts."""
    world = await restarted(world, EXAMPLE)
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 600))
    world.upstream.answers.append(says(replace(ALICE, email_verified=False)))
    with pytest.raises(InvalidGrant):
        await world.refresh(answer.refresh_token)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    assert [reason for reason, _, _ in ended(world)] == ["not_allowed"]


async def test_a_rule_that_was_tightened_counts_at_the_next_renewal_without_new_claims(world: World) -> None:
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world = await restarted(world, AllowRule(domains=frozenset({"other.example"})))
    assert (await world.call(answer.access_token)).upstream_token == "up-1"
    world.clock.advance(100)
    world.upstream.answers.append(TOKENS)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    assert [reason for reason, _, _ in ended(world)] == ["not_allowed"]


async def test_tokens_of_another_user_are_never_used(world: World) -> None:
    """OpenID Connect Core 12.2: `sub` and `iss` are those of the sign-in."""
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(says(replace(ALICE, subject="mallory")))
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    assert ended(world) == [("other_user", "alice", "notes")]


async def test_a_user_who_is_still_allowed_notices_nothing(world: World) -> None:
    world = await restarted(world, EXAMPLE)
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(says(ALICE))
    assert (await world.call(answer.access_token)).upstream_token == "up-2"
    assert ended(world) == []


async def test_when_the_end_cannot_be_stored_the_new_tokens_are_not_used_either(world: World) -> None:
    """503 for now; the old token set stays what the store has, and the next try comes to the same end."""
    world = replace(await restarted(world, EXAMPLE), store=NeverEnds(world.store))
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(says(replace(ALICE, email="")))
    with pytest.raises(StoreError):
        await world.call(answer.access_token)
    assert ended(world) == []
    token = world.codec.parse(Kind.ACCESS, answer.access_token)
    assert token is not None
    state = await world.store.read(token.grant_id)
    assert state is not None
    assert state.upstream.serial == 1


@pytest.mark.parametrize(
    ("rule", "refreshed", "reason"),
    [
        pytest.param(AllowRule(), Refreshed(TOKENS), None, id="no rule, no claims"),
        pytest.param(EXAMPLE, Refreshed(TOKENS), None, id="kept address"),
        pytest.param(AllowRule(groups=frozenset({"staff"})), Refreshed(TOKENS), None, id="kept group"),
        pytest.param(AllowRule(groups=frozenset({"ops"})), Refreshed(TOKENS), "not_allowed", id="kept groups lack it"),
        pytest.param(AllowRule(claims=(("hd", "x"),)), Refreshed(TOKENS), None, id="claims rules wait for claims"),
        pytest.param(AllowRule(claims=(("hd", "x"),)), says(STAFF), "not_allowed", id="claim is gone"),
        pytest.param(AllowRule(claims=(("hd", "x"),)), says(STAFF, hd="y"), "not_allowed", id="claim has changed"),
        pytest.param(AllowRule(claims=(("hd", "x"),)), says(STAFF, hd="x"), None, id="claim still holds"),
        pytest.param(AllowRule(groups=frozenset({"staff"})), says(ALICE), "not_allowed", id="left the group"),
        pytest.param(AllowRule(groups=frozenset({"ops"})), says(replace(ALICE, groups=("ops",))), None, id="joined"),
        pytest.param(EXAMPLE, Refreshed(TOKENS, Identity("alice"), {"sub": "alice"}), None, id="silent on address"),
        pytest.param(EXAMPLE, says(Identity("alice"), email=None), "not_allowed", id="says that there is none"),
        pytest.param(
            AllowRule(groups=frozenset({"staff"})),
            Refreshed(TOKENS, Identity("alice"), None),
            None,
            id="incomplete claims change nothing",
        ),
        pytest.param(
            AllowRule(), Refreshed(TOKENS, Identity("bob"), None), "other_user", id="incomplete, of another user"
        ),
    ],
)
def test_the_newest_complete_word_about_the_user_is_judged(
    rule: AllowRule, refreshed: Refreshed, reason: str | None
) -> None:
    assert reason_to_end(under(rule), grant_of(STAFF), refreshed) == reason


@pytest.mark.parametrize(
    ("kept", "fresh", "reason"),
    [
        pytest.param("https://idp.example", "https://idp.example", None, id="same"),
        pytest.param("https://idp.example", "https://other.example", "other_user", id="other"),
        pytest.param("https://idp.example", "", "other_user", id="none now"),
        pytest.param("", "https://idp.example", None, id="none then"),
    ],
)
def test_a_subject_is_the_same_user_at_the_same_issuer_only(kept: str, fresh: str, reason: str | None) -> None:
    refreshed = says(replace(STAFF, issuer=fresh))
    assert reason_to_end(DIRECTORY, grant_of(replace(STAFF, issuer=kept)), refreshed) == reason


def test_a_server_that_is_gone_admits_nobody() -> None:
    nothing = Directory((), (ISSUER,), {"corp": POOL})
    assert reason_to_end(nothing, grant_of(STAFF), says(STAFF)) == "not_allowed"

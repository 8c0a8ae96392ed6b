"""Refresh tokens rotate on every use, forgive a lost answer, and end the grant when reused (design 9)."""

import asyncio
import time
from dataclasses import replace

import pytest

from sidecar.events import GrantEnded
from sidecar.oauth.errors import InvalidGrant, InvalidScope, InvalidToken, UnauthorizedClient
from sidecar.records import UpstreamTokens
from tests.grants.world import World


@pytest.mark.req(147)
async def test_a_refresh_gives_new_tokens_and_the_old_access_token_lives_on(world: World) -> None:
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    assert second.refresh_token not in ("", first.refresh_token)
    await world.call(first.access_token)
    await world.call(second.access_token)


@pytest.mark.req(149, 196)
async def test_parallel_refreshes_all_get_the_same_usable_answer(world: World) -> None:
    """The TypeScript SDK sends one refresh per 401 in flight; whichever answer it keeps must work."""
    first = await world.tokens()
    replica = world.replica()
    answers = await asyncio.gather(*(w.refresh(first.refresh_token) for w in (world, replica, world, replica)))
    assert len({answer.refresh_token for answer in answers}) == 1
    await world.refresh(answers[2].refresh_token)


@pytest.mark.req(149)
async def test_the_repeated_answer_states_the_remaining_life(world: World) -> None:
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    world.clock.advance(20)
    again = await world.refresh(first.refresh_token)
    assert again.access_token == second.access_token
    assert again.document(world.clock())["expires_in"] == 3580


@pytest.mark.req(148, 155)
async def test_reuse_outside_the_grace_period_ends_the_grant(world: World) -> None:
    world = replace(world, lifetimes=replace(world.lifetimes, grace=-1))
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    with pytest.raises(InvalidGrant):
        await world.refresh(first.refresh_token)
    with pytest.raises(InvalidGrant):
        await world.refresh(second.refresh_token)
    with pytest.raises(InvalidToken):
        await world.call(second.access_token)
    assert [event.reason for event in world.events if isinstance(event, GrantEnded)] == ["refresh_reused"]


@pytest.mark.req(148)
async def test_a_token_two_rotations_old_is_reuse_even_within_the_grace_period(world: World) -> None:
    """The next rotation clears the kept answer."""
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    third = await world.refresh(second.refresh_token)
    with pytest.raises(InvalidGrant):
        await world.refresh(first.refresh_token)
    with pytest.raises(InvalidToken):
        await world.call(third.access_token)


@pytest.mark.req(150)
async def test_another_client_cannot_use_it_and_does_no_harm(world: World) -> None:
    first = await world.tokens()
    with pytest.raises(InvalidGrant):
        await world.refresh(first.refresh_token, world.client("client-b"))
    await world.refresh(first.refresh_token)


@pytest.mark.req(134)
async def test_a_client_that_did_not_register_refresh_token_is_unauthorized(world: World) -> None:
    first = await world.tokens()
    with pytest.raises(UnauthorizedClient):
        await world.refresh(first.refresh_token, world.client(refresh=False))


@pytest.mark.req(151)
async def test_scope_narrows_for_one_token_and_never_widens(world: World) -> None:
    """RFC 6749 6: the grant keeps its own ceiling."""
    first = await world.tokens()
    second = await world.refresh(first.refresh_token, scopes=("notes.read",))
    assert second.scopes == ("notes.read",)
    third = await world.refresh(second.refresh_token)
    assert third.scopes == ("notes.read", "notes.write")
    with pytest.raises(InvalidScope):
        await world.refresh(third.refresh_token, scopes=("notes.read", "admin"))


async def test_live_access_tokens_of_one_grant_are_capped(world: World) -> None:
    answers = [await world.tokens()]
    for _ in range(20):
        answers.append(await world.refresh(answers[-1].refresh_token))
    with pytest.raises(InvalidToken):
        await world.call(answers[0].access_token)
    await world.call(answers[-10].access_token)


async def test_an_access_token_is_no_refresh_token(world: World) -> None:
    first = await world.tokens()
    for text in (first.access_token, "dcrr_" + first.access_token.removeprefix("dcra_")):
        with pytest.raises(InvalidGrant):
            await world.refresh(text)


@pytest.mark.req(153)
async def test_a_refresh_token_that_was_idle_too_long_is_dead(world: World) -> None:
    """Judged by the store's clock, which is that of this machine."""
    world = replace(world, lifetimes=replace(world.lifetimes, refresh_idle=int(time.time()) - world.clock() - 1))
    first = await world.tokens()
    with pytest.raises(InvalidGrant):
        await world.refresh(first.refresh_token)


@pytest.mark.req(153)
async def test_a_grant_ends_however_often_it_is_refreshed(world: World) -> None:
    """The absolute end: sign in again."""
    world = replace(world, lifetimes=replace(world.lifetimes, grant=10_000))
    answer = await world.tokens(upstream=UpstreamTokens("up"))
    for _ in range(3):
        world.clock.advance(3000)
        answer = await world.refresh(answer.refresh_token)
    assert answer.document(world.clock())["expires_in"] == 1000
    world.clock.advance(1000)
    with pytest.raises(InvalidGrant):
        await world.refresh(answer.refresh_token)

"""The upstream token is renewed once, and only the IdP's own word ends a grant (design 9; idps.md 0.4, 0.5)."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from sidecar.events import GrantEnded
from sidecar.oauth.errors import InvalidGrant, InvalidToken, TemporarilyUnavailable
from sidecar.records import UpstreamTokens
from sidecar.store.base import Grants, StoreError
from sidecar.upstream.base import (
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from tests.grants.world import World


def renewed(world: World, number: int = 2) -> UpstreamTokens:
    return UpstreamTokens(f"up-{number}", f"up-r-{number}", world.clock() + 7200)


class LateLease:
    """A store whose first lease is given, and the answer lost."""

    def __init__(self, store: Grants) -> None:
        self._store = store
        self._late = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def lease_upstream(self, *arguments: Any, **named: Any) -> Any:
        lease = await self._store.lease_upstream(*arguments, **named)
        if self._late:
            self._late = False
            raise StoreError("the store did not answer in time")
        return lease


@pytest.mark.req(196)
async def test_expired_upstream_token_is_renewed_once_for_parallel_calls(world: World) -> None:
    tokens = UpstreamTokens("up-1", "up-r-1", world.clock() + 60)
    answer = await world.tokens(upstream=tokens)
    world.clock.advance(100)
    world.upstream.answers.append(renewed(world))
    world.upstream.gate.clear()
    replica = world.replica()
    calls = [asyncio.create_task(w.call(answer.access_token)) for w in [world, replica] * 25]
    await world.upstream.asked.wait()
    world.upstream.gate.set()
    assert {principal.upstream_token for principal in await asyncio.gather(*calls)} == {"up-2"}
    assert world.upstream.refreshed == ["up-r-1"]


@pytest.mark.req(154)
async def test_a_definitive_refusal_ends_the_grant(world: World) -> None:
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(UpstreamRefused("invalid_grant"))
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    with pytest.raises(InvalidGrant):
        await world.refresh(answer.refresh_token)
    assert [event.reason for event in world.events if isinstance(event, GrantEnded)] == ["upstream_refused"]


@pytest.mark.req(136, 154)
@pytest.mark.parametrize("error", [UpstreamUnavailable("503"), UpstreamMisconfigured("invalid_client")])
async def test_a_transient_fault_or_our_own_misconfiguration_ends_nothing(world: World, error: Exception) -> None:
    """503 while it lasts, one call to the IdP per cool-down, and all is well afterwards."""
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(error)
    for _ in range(3):
        with pytest.raises(TemporarilyUnavailable):
            await world.call(answer.access_token)
        with pytest.raises(TemporarilyUnavailable):
            await world.refresh(answer.refresh_token)
    assert world.upstream.refreshed == ["up-r-1"]
    assert not [event for event in world.events if isinstance(event, GrantEnded)]


async def test_a_still_valid_upstream_token_keeps_working_through_an_outage(world: World) -> None:
    """Rotation of ours happens all the same."""
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 600))
    world.upstream.answers.append(UpstreamUnavailable("502"))
    rotated = await world.refresh(answer.refresh_token)
    assert (await world.call(rotated.access_token)).upstream_token == "up-1"


@pytest.mark.parametrize("error", [UpstreamUnknown("timed out"), UpstreamMalformed("html")])
@pytest.mark.parametrize("retry", [True, False])
async def test_after_an_unknown_outcome_the_preset_decides(world: World, error: Exception, retry: bool) -> None:
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.retry_unknown = retry
    world.upstream.answers.append(error)
    with pytest.raises(TemporarilyUnavailable if retry else InvalidToken):
        await world.call(answer.access_token)
    ended = [event.reason for event in world.events if isinstance(event, GrantEnded)]
    assert ended == ([] if retry else ["unknown_outcome"])


async def test_a_lease_whose_answer_was_lost_is_no_call_that_broke_off(world: World) -> None:
    """It was given, and nobody heard: the provider takes a refresh token once, but nobody called it."""
    world = replace(world, store=cast("Grants", LateLease(world.store)))
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(renewed(world))
    with pytest.raises(StoreError):
        await world.call(answer.access_token)
    assert (await world.call(answer.access_token)).upstream_token == "up-2"
    assert world.upstream.refreshed == ["up-r-1"]
    await world.upstream_refresh.drain()


async def test_a_caller_that_goes_away_does_not_stop_the_refresh(world: World) -> None:
    """The rotated token must reach the store."""
    answer = await world.tokens(upstream=UpstreamTokens("up-1", "up-r-1", world.clock() + 60))
    world.clock.advance(100)
    world.upstream.answers.append(renewed(world))
    world.upstream.gate.clear()
    call = asyncio.create_task(world.call(answer.access_token))
    await world.upstream.asked.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    world.upstream.gate.set()
    await world.upstream_refresh.drain()
    assert (await world.call(answer.access_token)).upstream_token == "up-2"
    assert world.upstream.refreshed == ["up-r-1"]


async def test_tokens_refresh_upstream_only_when_its_life_is_shorter_than_ours(world: World) -> None:
    answer = await world.tokens()
    answer = await world.refresh(answer.refresh_token)
    assert world.upstream.refreshed == []
    world.clock.advance(3700)
    world.upstream.answers.append(renewed(world))
    await world.refresh(answer.refresh_token)
    assert world.upstream.refreshed == ["up-r-1"]

"""Every preset behind the whole sidecar: registration, sign-in at a provider with its ways, and the credential that the
MCP server gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import pytest

from sidecar.events import GrantEnded
from sidecar.upstream.quirks import PRESETS
from tests.endpoints.journey import Journey, journeys
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp, Fault
from tests.fakes.manners import acting_as, pool_at


@asynccontextmanager
async def signed_in_at(name: str, **switches: object) -> AsyncIterator[tuple[Journey, FakeIdp, dict]]:
    """A journey whose user has signed in, the provider, and our tokens."""
    async with acting_as(name, clock=FakeClock(), **switches) as idp, journeys(**asdict(pool_at(idp))) as journey:
        idp.clock = journey.front.clock
        assert await journey.register() == 201
        yield journey, idp, await journey.sign_in()


@pytest.mark.parametrize("name", sorted(PRESETS))
async def test_the_mcp_server_gets_the_users_own_token(name: str):
    """The one that the provider means for the user, wherever in its answer it was; ours goes no further."""
    async with signed_in_at(name) as (journey, idp, tokens):
        status, headers = await journey.call(tokens["access_token"])
        assert status == 200
        assert headers["authorization"] == f"Bearer {idp.sessions[0].access_tokens[0]}"
        assert ("refresh_token" in tokens) == (idp.refresh_style != "none" or not idp.manner.told["lifetime"])


async def renew(journey: Journey, tokens: dict, seconds: int) -> dict:
    """Our tokens after so long, renewed before each of them ends; the last ones where a renewal is refused."""
    step = 3000
    for _ in range(-(-seconds // step)):
        journey.front.clock.advance(min(step, seconds - 60))
        status, answer = await journey.refresh(tokens["refresh_token"])
        tokens = answer if status == 200 else tokens
    return tokens


@pytest.mark.parametrize("name", ["google", "slack", "hubspot", "entra", "propelauth", "salesforce", "asana"])
async def test_a_renewed_token_replaces_the_old_one(name: str):
    async with signed_in_at(name) as (journey, idp, tokens):
        renewed = await renew(journey, tokens, idp.manner.told["lifetime"])
        status, headers = await journey.call(renewed["access_token"])
        assert status == 200
        assert len(idp.sessions[0].access_tokens) > 1
        assert headers["authorization"] == f"Bearer {idp.sessions[0].access_tokens[-1]}"


@pytest.mark.req(136)
@pytest.mark.parametrize(
    ("name", "ended"),
    [
        pytest.param("github-app", ["unknown_outcome"], id="takes-a-token-once"),
        pytest.param("slack", ["unknown_outcome"], id="slack"),
        pytest.param("entra", [], id="may-be-tried-again"),
    ],
)
async def test_a_lost_answer_ends_the_grant_only_where_the_provider_takes_a_token_once(name: str, ended: list[str]):
    async with signed_in_at(name) as (journey, idp, tokens):
        idp.fail("token", Fault(drop=True, applied=True))
        await renew(journey, tokens, idp.manner.told["lifetime"])
        assert len(idp.seen("token")) > 1
        assert [event.reason for event in journey.front.seen(GrantEnded)] == ended

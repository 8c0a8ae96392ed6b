"""Who may sign in is asked again when the identity provider renews its tokens, with what it says then."""

from typing import Any

import pytest

from sidecar.directory import Directory
from sidecar.events import GrantEnded
from tests.endpoints.front import NOTES, with_rule
from tests.endpoints.journey import Journey, journeys
from tests.fakes.idp import ABSENT

STAFF_ONLY = with_rule(NOTES, groups=frozenset({"staff"}))


async def nearly_over(journey: Journey) -> dict[str, Any]:
    """Tokens of a signed-in user; the IdP's own are about to end, ours are not."""
    journey.front.idp.expires_in = 600
    assert await journey.register() == 201
    tokens = await journey.sign_in()
    journey.front.clock.advance(580)
    return tokens


def ended(journey: Journey) -> list[str]:
    return [event.reason for event in journey.front.seen(GrantEnded)]


async def test_who_left_the_group_is_out_at_the_next_renewal() -> None:
    """On an MCP call: the challenge, so that the client signs in again, and /authorize explains."""
    async with journeys(STAFF_ONLY) as journey:
        tokens = await nearly_over(journey)
        journey.front.idp.id_claims = {"groups": ["guests"]}
        status, headers = await journey.call(tokens["access_token"])
        assert status == 401
        assert 'error="invalid_token"' in headers["www-authenticate"]
        assert "idp-at" not in str(headers)
        assert await journey.refresh(tokens["refresh_token"]) == (
            400,
            {"error": "invalid_grant", "error_description": "The code or refresh token is not valid."},
        )
        assert ended(journey) == ["not_allowed"]
        journey.front.idp.user["groups"] = ["guests"]
        assert (await journey.come_back()).status == 403


async def test_at_the_token_endpoint_the_refresh_token_is_dead() -> None:
    async with journeys(STAFF_ONLY) as journey:
        tokens = await nearly_over(journey)
        journey.front.idp.id_claims = {"groups": ABSENT}
        status, body = await journey.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await journey.call(tokens["access_token"]))[0] == 401
        assert ended(journey) == ["not_allowed"]


async def test_another_user_behind_the_same_refresh_token_ends_the_grant() -> None:
    async with journeys() as journey:
        tokens = await nearly_over(journey)
        journey.front.idp.id_claims = {"sub": "mallory"}
        assert (await journey.call(tokens["access_token"]))[0] == 401
        assert ended(journey) == ["other_user"]


@pytest.mark.parametrize("single_use", [True, False])
async def test_an_id_token_that_does_not_verify_gives_no_new_credential(single_use: bool) -> None:
    """Where the old refresh token may still be good it is tried again later; a single-use one is lost."""
    async with journeys() as journey:
        tokens = await nearly_over(journey)
        if single_use:
            object.__setattr__(journey.front.services.upstream_refresh, "upstream", SingleUse(journey))
        journey.front.idp.id_claims = {"aud": "another-client"}
        journey.front.clock.advance(30)  # the old access token is over
        status, headers = await journey.call(tokens["access_token"])
        assert status == (401 if single_use else 503)
        assert "idp-at" not in str(headers)
        assert ended(journey) == (["unknown_outcome"] if single_use else [])


class SingleUse:
    """The same upstream, of a provider whose refresh tokens work once."""

    def __init__(self, journey: Journey) -> None:
        self._upstream = journey.front.services.adapters.upstream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upstream, name)

    def retries_unknown(self, _pool: object) -> bool:
        return False


async def test_who_is_still_in_goes_on() -> None:
    async with journeys(STAFF_ONLY) as journey:
        tokens = await nearly_over(journey)
        status, headers = await journey.call(tokens["access_token"])
        assert (status, headers["authorization"]) == (200, f"Bearer {journey.front.idp.sessions[0].access_tokens[-1]}")
        assert len(journey.front.idp.sessions[0].access_tokens) == 2


async def test_a_tightened_rule_counts_after_a_restart_even_without_new_claims() -> None:
    async with journeys() as journey:
        tokens = await nearly_over(journey)
        journey.front.idp.token_members = {"id_token": ABSENT}
        served = journey.front.services.settings.directory
        tightened = Directory((with_rule(NOTES, domains=frozenset({"other.example"})),), served.issuers, served.pools)
        async with journey.restarted(tightened) as restarted:
            assert (await restarted.call(tokens["access_token"]))[0] == 401
        assert ended(journey) == ["not_allowed"]

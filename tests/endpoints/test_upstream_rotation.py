"""The pool gets another client or secret at the IdP while people are signed in and signing in (design 12.11)."""

from typing import Any

import pytest

from sidecar.events import FormerCredentials, GrantEnded
from sidecar.records import UpstreamCredentials
from tests.endpoints.journey import Journey, journeys

OLD, NEW = "upstream-client", "new-client"


def change(journey: Journey, *former: UpstreamCredentials) -> None:
    """From now on the pool has another client, here and at the IdP, which still knows the old one."""
    idp = journey.front.idp
    if idp.client_id == OLD:
        idp.accepts = {OLD: (idp.client_secret,)}
        idp.client_id, idp.client_secret = NEW, "another secret"
    now_has(journey, client_id=NEW, client_secret=idp.client_secret, former=former)


def now_has(journey: Journey, **members: Any) -> None:
    pools: Any = journey.front.services.settings.directory.pools
    pools["corp"] = journey.front.idp.pool(provider=pools["corp"].provider, token_auth="post", **members)


def before(journey: Journey) -> UpstreamCredentials:
    return UpstreamCredentials(OLD, journey.front.idp.client_secret)


def asked_as(journey: Journey, endpoint: str = "token") -> list[str]:
    return [seen.form["client_id"] for seen in journey.front.idp.seen(endpoint)]


async def cool_down_is_over(journey: Journey) -> None:
    """It is the store's own time that counts."""
    (grant,) = {line["grant"] for line in journey.lines_of("token_issued")}
    store: Any = journey.front.store
    await store._store.link.command("HDEL", store._store.keys.grant(grant), "lc")


async def signed_in(journey: Journey) -> dict[str, Any]:
    """With upstream tokens that end in ten minutes, while ours live on."""
    journey.front.idp.expires_in = 600
    assert await journey.register() == 201
    now_has(journey)
    return await journey.sign_in()


async def test_older_grants_stay_with_the_old_client_and_new_ones_have_the_new() -> None:
    async with journeys() as journey:
        first = await signed_in(journey)
        change(journey, before(journey))
        second = await journey.sign_in()
        journey.front.clock.advance(590)
        assert (await journey.call(first["access_token"]))[0] == 200
        assert (await journey.call(second["access_token"]))[0] == 200
        journey.front.clock.advance(590)
        assert (await journey.refresh(first["refresh_token"]))[0] == 200
        assert (await journey.refresh(second["refresh_token"]))[0] == 200
        assert asked_as(journey) == [OLD, NEW, OLD, NEW, OLD, NEW]
        assert {event.what for event in journey.front.seen(FormerCredentials)} == {"client"}
        assert journey.samples()["former_credentials_total{'pool': 'corp', 'what': 'client'}"] == 2
        assert [line["level"] for line in journey.lines_of("former_credentials")] == ["info", "info"]


async def test_a_sign_in_under_way_ends_as_it_began() -> None:
    async with journeys() as journey:
        await signed_in(journey)
        browser, page = await journey.ask()
        away = await browser.approve(page)
        back = await journey.front.at_idp(away.location)
        change(journey, before(journey))
        code = (await browser.come_back(back)).query["code"]
        status, tokens = await journey.redeem(code)
        assert status == 200
        journey.front.clock.advance(590)
        assert (await journey.call(tokens["access_token"]))[0] == 200
        assert asked_as(journey) == [OLD, OLD, OLD]


async def test_a_sign_in_of_a_client_that_is_gone_says_that_it_is_our_fault() -> None:
    async with journeys() as journey:
        await signed_in(journey)
        browser, page = await journey.ask()
        back = await journey.front.at_idp((await browser.approve(page)).location)
        change(journey)
        assert (await browser.come_back(back)).query["error"] == "server_error"
        assert asked_as(journey) == [OLD]


async def test_a_revocation_reaches_the_idp_as_the_old_client() -> None:
    async with journeys(provider="okta-custom") as journey:
        first = await signed_in(journey)
        change(journey, before(journey))
        assert (await journey.post("/revoke", token=first["refresh_token"]))[0] == 200
        assert asked_as(journey, "revoke") == [OLD]
        assert journey.front.idp.sessions[0].dead


async def test_without_its_client_a_grant_is_kept_and_the_loss_is_told() -> None:
    """Nobody asks the IdP as somebody else: it would call the token dead. Once the client is back, so is the grant."""
    async with journeys() as journey:
        first = await signed_in(journey)
        kept = before(journey)
        change(journey)
        journey.front.clock.advance(590)
        # What is still valid goes on; past its end there is nothing to send to the MCP server.
        assert (await journey.call(first["access_token"]))[0] == 200
        journey.front.clock.advance(20)
        assert (await journey.call(first["access_token"]))[0] == 503
        assert (await journey.refresh(first["refresh_token"]))[0] == 503
        assert asked_as(journey) == [OLD]
        assert journey.front.seen(GrantEnded) == []
        lost = journey.lines_of("former_credentials")
        assert {(line["what"], line["upstream_client"], line["level"]) for line in lost} == {("gone", OLD, "warning")}
        change(journey, kept)
        await cool_down_is_over(journey)
        assert (await journey.call(first["access_token"]))[0] == 200


@pytest.mark.parametrize("idp_first", [pytest.param(True, id="the-idp-first"), pytest.param(False, id="we-first")])
async def test_a_new_secret_is_taken_over_in_either_order(*, idp_first: bool) -> None:
    async with journeys() as journey:
        first = await signed_in(journey)
        idp, old = journey.front.idp, before(journey)
        if idp_first:  # both are good there for a while
            idp.accepts, idp.client_secret = {OLD: (old.client_secret,)}, "another secret"
            assert (await journey.refresh(first["refresh_token"]))[0] == 200
        now_has(journey, client_secret="another secret", former=(old,))
        journey.front.clock.advance(590)
        assert (await journey.call(first["access_token"]))[0] == 200
        second = await journey.sign_in()
        assert (await journey.call(second["access_token"]))[0] == 200
        told = [event.what for event in journey.front.seen(FormerCredentials)]
        assert told == ([] if idp_first else ["secret", "secret"])
        assert {line["level"] for line in journey.lines_of("former_credentials")} <= {"warning"}
        assert journey.front.seen(GrantEnded) == []

"""What a refresh says of the user: verified like a sign-in, or not used at all (OpenID Connect Core 12.2)."""

import asyncio

import pytest

from sidecar.events import Event
from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable, UpstreamUnknown
from sidecar.upstream.client import open_upstream
from tests.fakes.clock import FakeClock
from tests.fakes.idp import ABSENT, FakeIdp, Fault, rsa_key
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.driver import Driver


async def test_new_claims_come_with_the_new_tokens(idp: FakeIdp, driver: Driver):
    signed_in = await driver.sign_in(idp.pool())
    idp.id_claims = {"groups": ["guests"], "email": "alice@elsewhere.example"}
    refreshed = await driver.upstream.refresh(idp.pool(), signed_in.tokens.refresh_token)

    assert refreshed.identity is not None
    assert refreshed.identity.subject == signed_in.identity.subject
    assert refreshed.identity.issuer == signed_in.identity.issuer
    assert refreshed.identity.groups == ("guests",)
    assert refreshed.identity.email == "alice@elsewhere.example"
    assert refreshed.claims is not None
    assert refreshed.claims["groups"] == ["guests"]
    assert refreshed.tokens.access_token == idp.sessions[0].access_tokens[-1]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"nonce": ABSENT}, id="no-nonce"),
        pytest.param({"nonce": "another"}, id="another-nonce"),
        pytest.param({"sub": "mallory"}, id="another-subject-is-for-the-caller-to-see"),
    ],
)
async def test_what_does_not_matter_to_a_refresh_is_let_through(idp: FakeIdp, driver: Driver, claims: dict):
    """A nonce binds what came through a browser; this came from the token endpoint."""
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.id_claims = claims
    refreshed = await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert refreshed.identity is not None
    assert refreshed.identity.subject == claims.get("sub", "alice")


@pytest.mark.req(118)
@pytest.mark.parametrize(
    "switch",
    [
        pytest.param({"id_claims": {"iss": "https://evil.example"}}, id="iss"),
        pytest.param({"id_claims": {"aud": "another-client"}}, id="aud"),
        pytest.param({"id_claims": {"exp": 1}}, id="expired"),
        pytest.param({"id_claims": {"sub": ABSENT}}, id="no-subject"),
        pytest.param({"id_header": {"alg": "none"}}, id="alg-none"),
        pytest.param({"id_key": rsa_key("stranger"), "id_header": {"kid": "key-1"}}, id="signature"),
        pytest.param({"id_key": rsa_key("key-1-by-a-stranger")}, id="unknown-key"),
        pytest.param({"token_members": {"id_token": "junk"}}, id="junk"),
    ],
)
async def test_an_id_token_that_does_not_verify_spoils_the_refresh(idp: FakeIdp, driver: Driver, switch: dict):
    tokens = (await driver.sign_in(idp.pool())).tokens
    for name, value in switch.items():
        setattr(idp, name, value)
    with pytest.raises(UpstreamMalformed):
        await driver.upstream.refresh(idp.pool(), tokens.refresh_token)


async def test_without_an_id_token_nothing_is_said(idp: FakeIdp, driver: Driver):
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.token_members = {"id_token": ABSENT}
    refreshed = await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert (refreshed.identity, refreshed.claims) == (None, None)
    assert refreshed.tokens.access_token
    assert idp.seen("userinfo") == []


async def test_a_provider_that_is_asked_for_no_id_token_is_not_judged_by_one(idp: FakeIdp, driver: Driver):
    idp.oidc = False
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.token_members = {"id_token": "junk"}
    refreshed = await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert (refreshed.identity, refreshed.claims) == (None, None)


async def test_userinfo_fills_in_what_it_filled_in_at_the_sign_in(idp: FakeIdp, driver: Driver):
    idp.id_claims = {"email": ABSENT, "email_verified": ABSENT}
    signed_in = await driver.sign_in(idp.pool())
    refreshed = await driver.upstream.refresh(idp.pool(), signed_in.tokens.refresh_token)
    assert refreshed.identity == signed_in.identity
    assert refreshed.identity.email == "alice@example.com"


async def test_when_userinfo_does_not_answer_the_claims_are_not_complete(idp: FakeIdp, driver: Driver):
    """Who it is, is known all the same."""
    idp.id_claims = {"email": ABSENT}
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.fail("userinfo", Fault(503))
    refreshed = await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert refreshed.identity is not None
    assert refreshed.identity.subject == "alice"
    assert refreshed.claims is None


async def test_keys_rotated_since_the_sign_in_are_fetched(idp: FakeIdp, driver: Driver):
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.rotate_keys()
    refreshed = await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert refreshed.identity is not None


async def test_without_keys_to_verify_with_the_refresh_token_is_not_used_up(
    idp: FakeIdp, driver: Driver, clock: FakeClock, events: list[Event]
):
    """After a restart, say, while the provider's key set is out of reach."""
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.fail("jwks", Fault(503))
    async with open_upstream(clock=clock, monotonic=FakeMonotonic(), recorder=events.append) as other:
        with pytest.raises(UpstreamUnavailable):
            await other.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert len(idp.seen("token")) == 1


async def test_no_time_left_to_verify_is_an_unknown_outcome(idp: FakeIdp, driver: Driver, monotonic: FakeMonotonic):
    """The refresh itself has happened, so it must not pass for one that was never sent."""
    tokens = (await driver.sign_in(idp.pool())).tokens
    release = asyncio.Event()
    idp.fail("token", Fault(hold=release))
    idp.received.clear()
    refresh = asyncio.create_task(driver.upstream.refresh(idp.pool(), tokens.refresh_token))
    await idp.received.wait()
    monotonic.advance(10)
    release.set()
    with pytest.raises(UpstreamUnknown):
        await refresh

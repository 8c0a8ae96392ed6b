"""Sign-in, refresh and revocation against a real server on loopback."""

import asyncio
import dataclasses
from urllib.parse import parse_qsl, urlsplit

import pytest

from sidecar.events import UpstreamCalled
from sidecar.records import UpstreamTokens
from sidecar.upstream.base import (
    UpstreamClientRefused,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from sidecar.upstream.client import Opened, open_upstream
from tests.fakes.clock import FakeClock
from tests.fakes.idp import ABSENT, FakeIdp, Fault, rsa_key
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.driver import NONCE, REDIRECT, VERIFIER, Driver


async def test_a_sign_in_yields_tokens_and_a_verified_identity(idp: FakeIdp, driver: Driver, clock: FakeClock):
    """The whole leg: discovery, /authorize, exchange, keys, id_token."""
    done = await driver.sign_in(idp.pool())

    assert done.identity.subject == "alice"
    assert done.identity.email == "alice@example.com"
    assert done.identity.email_verified is True
    assert done.identity.groups == ("staff",)
    assert done.identity.issuer == idp.issuer
    assert done.tokens.access_token == idp.sessions[0].access_tokens[0]
    assert done.tokens.refresh_token == idp.sessions[0].refresh_token
    assert done.tokens.expires_at == clock() + 3600
    assert done.tokens.scopes == ("openid", "email", "offline_access")
    assert done.claims["sub"] == "alice"


@pytest.mark.req(113, 114, 116)
async def test_the_authorization_url_carries_only_our_own_parameters(idp: FakeIdp, driver: Driver):
    """Our redirect URI, our PKCE challenge, our nonce and state; no resource, nothing of a client's."""
    url = await driver.authorization_url(idp.pool(authorize_params=(("prompt", "consent"), ("state", "evil"))))

    query = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    assert query.pop("code_challenge")
    assert query == {
        "response_type": "code",
        "client_id": idp.client_id,
        "redirect_uri": REDIRECT,
        "state": "state-1",
        "nonce": NONCE,
        "scope": "openid email offline_access",
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    assert "+" not in urlsplit(url).query


@pytest.mark.req(114)
async def test_the_exchange_sends_our_verifier(idp: FakeIdp, driver: Driver):
    await driver.sign_in(idp.pool())

    form = idp.seen("token")[0].form
    assert form["code_verifier"] == VERIFIER
    assert form["redirect_uri"] == REDIRECT
    assert "resource" not in form


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_with_special_characters_arrives_whole(idp: FakeIdp, driver: Driver, method: str):
    """RFC 6749 2.3.1: the fake decodes Basic as real servers do."""
    idp.auth_methods = (method,)
    assert (await driver.sign_in(idp.pool())).identity.subject == "alice"
    assert ("Authorization" in idp.seen("token")[0].headers) == (method == "client_secret_basic")


@pytest.mark.req(115)
@pytest.mark.parametrize(
    ("send_iss", "advertised"),
    [
        pytest.param("https://evil.example", True, id="foreign"),
        pytest.param("https://evil.example", False, id="foreign-and-not-advertised"),
        pytest.param(ABSENT, True, id="missing-though-advertised"),
        pytest.param("", True, id="empty"),
    ],
)
async def test_a_wrong_iss_ends_the_sign_in_before_the_code_is_sent(idp: FakeIdp, driver: Driver, send_iss, advertised):
    """RFC 9207 2.4."""
    idp.send_iss = send_iss
    idp.metadata = {"authorization_response_iss_parameter_supported": advertised}
    pool = idp.pool()
    back = await driver.returned(pool)
    iss = "" if send_iss == "" else back.get("iss")

    with pytest.raises(UpstreamMalformed):
        await driver.finish(pool, code=back["code"], iss=iss)
    assert idp.seen("token") == []


@pytest.mark.req(115)
async def test_a_provider_without_rfc_9207_needs_no_iss(idp: FakeIdp, driver: Driver):
    idp.send_iss = ABSENT
    idp.metadata = {"authorization_response_iss_parameter_supported": ABSENT}
    assert (await driver.sign_in(idp.pool())).identity.subject == "alice"


@pytest.mark.req(118)
@pytest.mark.parametrize(
    "switch",
    [
        pytest.param({"id_claims": {"iss": "https://evil.example"}}, id="iss"),
        pytest.param({"id_claims": {"aud": "another-client"}}, id="aud"),
        pytest.param({"id_claims": {"nonce": "another"}}, id="nonce"),
        pytest.param({"id_claims": {"nonce": ABSENT}}, id="no-nonce"),
        pytest.param({"id_claims": {"exp": 1}}, id="expired"),
        pytest.param({"id_header": {"alg": "none"}}, id="alg-none"),
        pytest.param({"id_key": rsa_key("key-1-by-a-stranger")}, id="unknown-key"),
        pytest.param({"id_key": rsa_key("stranger"), "id_header": {"kid": "key-1"}}, id="signature"),
        pytest.param({"token_members": {"id_token": ABSENT}}, id="no-id-token"),
        pytest.param({"token_members": {"id_token": "a.b.c.d.e"}}, id="encrypted"),
    ],
)
async def test_an_id_token_that_does_not_verify_signs_nobody_in(idp: FakeIdp, driver: Driver, switch: dict):
    for name, value in switch.items():
        setattr(idp, name, value)
    with pytest.raises(UpstreamMalformed):
        await driver.sign_in(idp.pool())


async def test_rotated_keys_are_fetched_again(idp: FakeIdp, driver: Driver):
    await driver.sign_in(idp.pool())
    idp.rotate_keys()
    await driver.sign_in(idp.pool())
    assert len(idp.seen("jwks")) == 2


async def test_unknown_key_ids_do_not_make_a_storm(idp: FakeIdp, driver: Driver, monotonic: FakeMonotonic):
    """Threat CB-07: refetches are bounded to one a minute."""
    pool = idp.pool()
    for number in range(10):
        idp.id_header = {"kid": f"random-{number}"}
        with pytest.raises(UpstreamMalformed):
            await driver.sign_in(pool)
    assert len(idp.seen("jwks")) == 2

    monotonic.advance(61)
    with pytest.raises(UpstreamMalformed):
        await driver.sign_in(pool)
    assert len(idp.seen("jwks")) == 3


async def test_an_email_that_only_userinfo_knows_is_filled_in(idp: FakeIdp, driver: Driver):
    idp.id_claims = {"email": ABSENT, "email_verified": ABSENT}
    done = await driver.sign_in(idp.pool())
    assert (done.identity.email, done.identity.email_verified) == ("alice@example.com", True)


async def test_userinfo_of_another_user_is_not_believed(idp: FakeIdp, driver: Driver):
    """OpenID Connect Core 5.3.2."""
    idp.id_claims = {"email": ABSENT, "sub": "mallory"}
    done = await driver.sign_in(idp.pool())
    assert (done.identity.subject, done.identity.email) == ("mallory", "")


async def test_plain_oauth_asks_userinfo(idp: FakeIdp, driver: Driver):
    idp.oidc = False
    done = await driver.sign_in(idp.pool())
    assert done.identity.subject == "alice"
    assert "nonce" not in idp.seen("authorize")[0].query
    assert idp.seen("discovery")[0].path == "/.well-known/oauth-authorization-server"


async def test_explicit_endpoints_need_no_discovery(idp: FakeIdp, driver: Driver):
    pool = idp.pool(
        authorization_endpoint=f"{idp.url}/authorize", token_endpoint=f"{idp.url}/token", jwks_uri=f"{idp.url}/jwks"
    )
    assert (await driver.sign_in(pool)).identity.subject == "alice"
    assert idp.seen("discovery") == []


# Refresh -----------------------------------------------------------------------------------------------------------


async def test_a_rotated_refresh_token_replaces_the_old_one(idp: FakeIdp, driver: Driver):
    first = (await driver.sign_in(idp.pool())).tokens
    second = (await driver.upstream.refresh(idp.pool(), first.refresh_token)).tokens
    assert second.refresh_token not in {"", first.refresh_token}
    assert second.access_token != first.access_token


@pytest.mark.parametrize("style", ["repeated", "omitted"])
async def test_an_answer_without_a_new_refresh_token_keeps_the_old(idp: FakeIdp, driver: Driver, style):
    """RFC 6749 6."""
    idp.refresh_style = style
    first = (await driver.sign_in(idp.pool())).tokens
    second = (await driver.upstream.refresh(idp.pool(), first.refresh_token)).tokens
    assert second.refresh_token == first.refresh_token


async def test_a_disabled_user_is_a_definitive_refusal(idp: FakeIdp, driver: Driver):
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.end_sessions()
    with pytest.raises(UpstreamRefused):
        await driver.upstream.refresh(idp.pool(), tokens.refresh_token)


@pytest.mark.req(136)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(Fault(500), UpstreamUnavailable, id="500"),
        pytest.param(Fault(503, {"error": "invalid_grant"}), UpstreamUnavailable, id="503-that-says-invalid_grant"),
        pytest.param(Fault(429, headers={"Retry-After": "7"}), UpstreamUnavailable, id="429"),
        pytest.param(Fault(drop=True), UpstreamUnknown, id="cut-off"),
        pytest.param(Fault(drop=True, applied=True), UpstreamUnknown, id="cut-off-after-rotation"),
        pytest.param(Fault(200, b"<html>maintenance</html>", content_type="text/html"), UpstreamMalformed, id="html"),
        pytest.param(Fault(200, b'{"access_token": "x'), UpstreamMalformed, id="truncated"),
        pytest.param(Fault(200, b"{}", headers={"Content-Encoding": "gzip"}), UpstreamMalformed, id="compressed"),
        pytest.param(Fault(200, b" " * (1024 * 1024 + 1)), UpstreamMalformed, id="too-large"),
        pytest.param(Fault(401, {"error": "invalid_client"}), UpstreamClientRefused, id="invalid_client"),
        pytest.param(Fault(400, {"error": "unauthorized_client"}), UpstreamMisconfigured, id="unauthorized_client"),
        pytest.param(Fault(403, {"error": "invalid_grant"}), UpstreamRefused, id="403-invalid_grant"),
        pytest.param(Fault(200, {"error": "invalid_grant"}), UpstreamRefused, id="200-invalid_grant"),
    ],
)
async def test_every_failure_of_a_refresh_is_the_right_one(idp: FakeIdp, driver: Driver, fault, expected):
    """Only a definitive invalid_grant may end a grant."""
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.fail("token", fault)
    with pytest.raises(UpstreamError) as caught:
        await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
    assert type(caught.value) is expected


@pytest.mark.req(36)
@pytest.mark.parametrize("status", [302, 303, 307, 308])
@pytest.mark.parametrize("endpoint", ["token", "jwks", "discovery", "revoke", "userinfo"])
async def test_no_redirect_is_followed(idp: FakeIdp, driver: Driver, status: int, endpoint: str, clock: FakeClock):
    """Threat UP-05: aiohttp would replay the body, secrets and all, at the Location."""
    async with FakeIdp.running(clock=clock) as thief:
        idp.fail(endpoint, Fault(status, redirect=f"{thief.url}/token"))
        pool = idp.pool(provider="okta-custom")
        if endpoint in {"revoke", "discovery"}:
            with pytest.raises(UpstreamMalformed):
                await driver.upstream.revoke(pool, UpstreamTokens("at", "rt"))
        elif endpoint == "userinfo":
            idp.id_claims = {"email": ABSENT}
            assert (await driver.sign_in(pool)).identity.email == ""
        else:
            with pytest.raises(UpstreamMalformed):
                await driver.sign_in(pool)
        assert thief.requests == []


async def test_a_provider_that_is_down_was_certainly_not_changed(idp: FakeIdp, driver: Driver):
    tokens = (await driver.sign_in(idp.pool())).tokens
    await idp.stop()
    with pytest.raises(UpstreamUnavailable):
        await driver.upstream.refresh(idp.pool(), tokens.refresh_token)


async def test_a_slow_answer_is_an_unknown_outcome(idp: FakeIdp, clock: FakeClock, events: list):
    """The deadline is short here so that the test is; the request did arrive."""
    async with open_upstream(
        clock=clock, monotonic=FakeMonotonic(), recorder=events.append, total_seconds=0.3
    ) as opened:
        driver = Driver(opened.upstream)
        tokens = (await driver.sign_in(idp.pool())).tokens
        release = asyncio.Event()
        idp.fail("token", Fault(hold=release))
        with pytest.raises(UpstreamUnknown):
            await driver.upstream.refresh(idp.pool(), tokens.refresh_token)
        release.set()


# Revocation and flags ----------------------------------------------------------------------------------------------


async def test_revocation_reaches_only_a_provider_whose_preset_says_so(idp: FakeIdp, driver: Driver):
    tokens = UpstreamTokens("idp-at", "idp-rt")
    await driver.upstream.revoke(idp.pool(), tokens)
    assert idp.revoked == []

    await driver.upstream.revoke(idp.pool(provider="okta-custom"), tokens)
    assert idp.revoked == ["idp-rt"]
    assert idp.seen("revoke")[0].form["token_type_hint"] == "refresh_token"


async def test_revocation_without_an_endpoint_is_nothing(idp: FakeIdp, driver: Driver):
    idp.metadata = {"revocation_endpoint": ABSENT}
    await driver.upstream.revoke(idp.pool(provider="okta-custom"), UpstreamTokens("idp-at", "idp-rt"))
    assert idp.seen("revoke") == []


def test_flags_come_from_the_preset(opened: Opened, idp: FakeIdp):
    upstream = opened.upstream
    assert upstream.revokes(idp.pool(provider="okta"))
    assert not upstream.revokes(idp.pool(provider="google"))
    assert upstream.retries_unknown(idp.pool(provider="google"))
    assert upstream.retries_unknown(idp.pool(provider="oidc"))
    assert not upstream.retries_unknown(idp.pool(provider="github-app"))


async def test_an_unknown_preset_is_our_misconfiguration(idp: FakeIdp, driver: Driver):
    with pytest.raises(UpstreamMisconfigured):
        await driver.authorization_url(dataclasses.replace(idp.pool(), provider="nobody"))


# Discovery ---------------------------------------------------------------------------------------------------------


@pytest.mark.req(36)
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"issuer": "https://evil.example"}, id="issuer"),
        pytest.param({"issuer": ABSENT}, id="no-issuer"),
        pytest.param({"token_endpoint": "http://idp.example.com/token"}, id="http"),
        pytest.param({"token_endpoint": "javascript:alert(1)"}, id="javascript"),
        pytest.param({"jwks_uri": "https://user:pw@idp.example.com/jwks"}, id="credentials"),
        pytest.param({"authorization_endpoint": "https://idp.example.com/a#b"}, id="fragment"),
        pytest.param({"authorization_endpoint": ["https://idp.example.com/a"]}, id="type"),
    ],
)
async def test_a_document_with_one_wrong_member_is_refused_whole(idp: FakeIdp, driver: Driver, metadata: dict):
    """RFC 8414 3.3, threat MD-03."""
    idp.metadata = metadata
    with pytest.raises(UpstreamMalformed):
        await driver.authorization_url(idp.pool())


@pytest.mark.req(36)
async def test_the_issuer_is_compared_byte_for_byte(idp: FakeIdp, driver: Driver):
    with pytest.raises(UpstreamMalformed):
        await driver.authorization_url(idp.pool(issuer=idp.issuer + "/"))


async def test_many_sign_ins_share_one_discovery(idp: FakeIdp, driver: Driver):
    await asyncio.gather(*(driver.authorization_url(idp.pool()) for _ in range(20)))
    assert len(idp.seen("discovery")) == 1


async def test_the_last_good_document_survives_a_provider_that_is_down(
    idp: FakeIdp, driver: Driver, monotonic: FakeMonotonic
):
    await driver.authorization_url(idp.pool())
    await idp.stop()
    monotonic.advance(86400)
    assert (await driver.authorization_url(idp.pool())).startswith(f"{idp.url}/authorize?")


async def test_a_failed_discovery_is_not_repeated_at_once(idp: FakeIdp, driver: Driver, monotonic: FakeMonotonic):
    idp.fail("discovery", Fault(503))
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await driver.authorization_url(idp.pool())
    assert len(idp.seen("discovery")) == 1

    idp.heal()
    monotonic.advance(6)
    assert await driver.authorization_url(idp.pool())


# What is recorded --------------------------------------------------------------------------------------------------


async def test_every_call_is_recorded_once_without_secrets(idp: FakeIdp, driver: Driver, calls: list[UpstreamCalled]):
    tokens = (await driver.sign_in(idp.pool())).tokens
    idp.fail("token", Fault(400, {"error": "invalid_grant", "error_description": f"dead: {tokens.refresh_token}"}))
    with pytest.raises(UpstreamRefused) as caught:
        await driver.upstream.refresh(idp.pool(), tokens.refresh_token)

    assert [(call.operation, call.outcome) for call in calls] == [
        ("discovery", "ok"),
        ("exchange", "ok"),
        ("jwks", "ok"),
        ("refresh", "refused"),
    ]
    shown = repr(calls) + repr(caught.value) + repr(tokens) + repr(idp.pool())
    for secret in (tokens.refresh_token, tokens.access_token, idp.client_secret):
        assert secret not in shown

"""Another client id or secret at the IdP: what is asked as whom (design 12.11), of a provider that knows two."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.events import Event, FormerCredentials
from sidecar.records import Pool, UpstreamCredentials, UpstreamTokens
from sidecar.upstream.answers import Answer, judge_token
from sidecar.upstream.base import (
    UpstreamClientRefused,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from sidecar.upstream.quirks import preset
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp, Fault
from tests.upstream.driver import NONCE, REDIRECT, VERIFIER, Driver

OLD, NEW = "secret of the past", "secret of today"


def rotated(idp: FakeIdp, **former: Any) -> Pool:
    """The pool with the new secret, and the old one for an overlap."""
    return idp.pool(client_secret=NEW, former=(UpstreamCredentials(idp.client_id, OLD, **former),))


def moved(idp: FakeIdp) -> Pool:
    """The pool with another client at the IdP, which knows both."""
    before = UpstreamCredentials(idp.client_id, idp.client_secret)
    idp.accepts = {idp.client_id: (idp.client_secret,)}
    idp.client_id, idp.client_secret = "new-client", NEW
    return idp.pool(former=(before,))


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [
        (event.operation, event.what, event.upstream_client) for event in events if isinstance(event, FormerCredentials)
    ]


async def test_until_the_idp_takes_the_new_secret_the_old_one_works(idp: FakeIdp, driver: Driver, events: list[Event]):
    idp.client_secret = OLD
    pool = rotated(idp, until=0)
    tokens = (await driver.sign_in(pool)).tokens
    tokens = (await driver.upstream.refresh(pool, tokens.refresh_token)).tokens
    assert told(events) == [("exchange", "secret", idp.client_id), ("refresh", "secret", idp.client_id)]
    assert len(idp.seen("token")) == 4

    idp.client_secret = NEW
    await driver.upstream.refresh(pool, tokens.refresh_token)
    assert len(idp.seen("token")) == 5
    assert len(told(events)) == 2


async def test_a_revocation_may_need_the_old_secret_too(idp: FakeIdp, driver: Driver, events: list[Event]):
    idp.client_secret = OLD
    pool = replace(rotated(idp), provider="okta-custom")
    await driver.upstream.revoke(pool, UpstreamTokens("at", "rt"))
    assert idp.revoked == ["rt"]
    assert len(idp.seen("revoke")) == 2
    assert told(events) == [("revoke", "secret", idp.client_id)]


async def test_a_former_client_revokes_what_is_its_own(idp: FakeIdp, driver: Driver, events: list[Event]):
    old = idp.client_id
    tokens = (await driver.sign_in(idp.pool())).tokens
    pool = replace(moved(idp), provider="okta-custom", token_auth="post")
    await driver.upstream.revoke(pool, tokens, client_id=old)
    assert idp.sessions[0].dead
    assert idp.seen("revoke")[0].form["client_id"] == old
    assert told(events) == [("revoke", "client", old)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(status=400, body={"error": "invalid_grant"}), UpstreamRefused, id="refused"),
        pytest.param(Fault(status=503), UpstreamUnavailable, id="unavailable"),
        pytest.param(Fault(drop=True), UpstreamUnknown, id="unknown"),
        pytest.param(Fault(drop=True, applied=True), UpstreamUnknown, id="unknown-and-done"),
        pytest.param(Fault(status=401, body="no"), UpstreamMalformed, id="unreadable"),
        pytest.param(Fault(status=400, body={"error": "invalid_scope"}), UpstreamMisconfigured, id="scope"),
        pytest.param(Fault(status=400, body={"error": "unauthorized_client"}), UpstreamMisconfigured, id="grant-type"),
    ],
)
async def test_only_a_refused_client_is_a_reason_to_try_the_old_secret(
    idp: FakeIdp, driver: Driver, events: list[Event], fault: Fault, error: type[UpstreamError]
):
    idp.client_secret = NEW
    pool = rotated(idp)
    tokens = (await driver.sign_in(pool)).tokens
    before = len(idp.seen("token"))
    idp.fail("token", fault)
    with pytest.raises(error):
        await driver.upstream.refresh(pool, tokens.refresh_token)
    assert len(idp.seen("token")) == before + 1
    assert told(events) == []


async def test_when_neither_secret_is_taken_that_is_told(idp: FakeIdp, driver: Driver, events: list[Event]):
    pool = replace(
        rotated(idp), former=tuple(UpstreamCredentials(idp.client_id, secret) for secret in (OLD, "older", "oldest"))
    )
    with pytest.raises(UpstreamClientRefused):
        await driver.upstream.refresh(pool, "rt")
    assert len(idp.seen("token")) == 2
    assert told(events) == []


async def test_what_the_old_secret_finds_out_counts(idp: FakeIdp, driver: Driver):
    """The IdP knows us by the old secret, and says that the refresh token is dead."""
    idp.client_secret = OLD
    with pytest.raises(UpstreamRefused):
        await driver.upstream.refresh(rotated(idp), "dead")


async def test_past_its_time_an_old_secret_is_not_used(idp: FakeIdp, driver: Driver, clock: FakeClock):
    idp.client_secret = OLD
    pool = rotated(idp, until=clock() + 60)
    idp.knows("rt")
    clock.advance(59)
    tokens = (await driver.upstream.refresh(pool, "rt")).tokens
    clock.advance(1)
    with pytest.raises(UpstreamClientRefused):
        await driver.upstream.refresh(pool, tokens.refresh_token)


async def test_what_one_client_was_given_only_that_client_renews(idp: FakeIdp, driver: Driver, events: list[Event]):
    """The id_token's audience is that client too."""
    old = idp.client_id
    before = (await driver.sign_in(idp.pool())).tokens
    pool = moved(idp)
    after = (await driver.sign_in(pool)).tokens
    renewed = await driver.upstream.refresh(pool, before.refresh_token, client_id=old)
    assert renewed.identity is not None
    assert told(events) == [("refresh", "client", old)]
    await driver.upstream.refresh(pool, after.refresh_token, client_id="new-client")
    await driver.upstream.refresh(pool, (await driver.sign_in(pool)).tokens.refresh_token)
    assert [session.client for session in idp.sessions] == [old, "new-client", "new-client"]
    with pytest.raises(UpstreamRefused):
        await driver.upstream.refresh(pool, renewed.tokens.refresh_token)
    assert len(told(events)) == 1


async def test_an_id_token_for_the_other_client_is_no_good(idp: FakeIdp, driver: Driver):
    old = idp.client_id
    before = (await driver.sign_in(idp.pool())).tokens
    pool = moved(idp)
    idp.id_claims = {"aud": "new-client"}
    with pytest.raises(UpstreamMalformed):
        await driver.upstream.refresh(pool, before.refresh_token, client_id=old)


async def test_a_code_is_exchanged_by_the_client_that_asked_for_it(idp: FakeIdp, driver: Driver):
    old = idp.client_id
    back = await driver.returned(idp.pool())
    pool = moved(idp)
    signed_in = await driver.upstream.sign_in(
        pool, code=back["code"], redirect_uri=REDIRECT, verifier=VERIFIER, nonce=NONCE, iss=back["iss"], client_id=old
    )
    assert signed_in.identity.subject == "alice"


async def test_a_client_that_the_pool_does_not_have_is_our_misconfiguration(
    idp: FakeIdp, driver: Driver, events: list[Event]
):
    """Nobody is asked: as another client the IdP would call the token dead, and the grant would end."""
    with pytest.raises(UpstreamMisconfigured):
        await driver.upstream.refresh(idp.pool(), "rt", client_id="lost-client")
    assert idp.requests == []
    assert told(events) == [("refresh", "gone", "lost-client")]


@pytest.mark.parametrize(
    ("provider", "status", "code", "refused"),
    [
        pytest.param("oidc", 401, "invalid_client", True, id="by-the-book"),
        pytest.param("oidc", 400, "invalid_client", True, id="with-400"),
        pytest.param("keycloak", 401, "unauthorized_client", True, id="another-name-with-401"),
        pytest.param("keycloak", 400, "unauthorized_client", False, id="may-not-use-the-grant-type"),
        pytest.param("github", 200, "incorrect_client_credentials", True, id="github"),
        pytest.param("github", 200, "redirect_uri_mismatch", False, id="github-something-else"),
        pytest.param("slack", 200, "bad_client_secret", True, id="slack"),
        pytest.param("hubspot", 400, "BAD_CLIENT_SECRET", True, id="hubspot"),
    ],
)
def test_what_says_that_the_client_was_refused(provider: str, status: int, code: str, refused: bool):
    quirks = preset(provider)
    member = quirks.error_member if quirks.error_member and provider == "hubspot" else "error"
    answer = Answer(status, "application/json", f'{{"{member}": "{code}"}}'.encode())
    with pytest.raises(UpstreamMisconfigured) as error:
        judge_token(answer, quirks)
    assert isinstance(error.value, UpstreamClientRefused) is refused

"""Odd answers that providers are known for, over real HTTP: what is read, what is refused, what ends nothing."""

from base64 import b64decode

import pytest

from sidecar.upstream.base import (
    UpstreamClientRefused,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
)
from tests.fakes.clock import FakeClock
from tests.fakes.idp import ABSENT, FakeIdp, Fault
from tests.fakes.manners import acting_as, pool_at
from tests.upstream.driver import Driver

FORM = "application/x-www-form-urlencoded"
GUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


@pytest.mark.req(117, 136)
@pytest.mark.parametrize(
    ("name", "fault", "expected"),
    [
        pytest.param(
            "github-app", Fault(200, "error=bad_refresh_token", content_type=FORM), UpstreamRefused, id="form"
        ),
        pytest.param("github-app", Fault(200, {"error": "application_suspended"}), UpstreamMisconfigured, id="app"),
        pytest.param("oidc", Fault(400), UpstreamMalformed, id="empty-400"),
        pytest.param("oidc", Fault(400, [{"error": "invalid_grant"}]), UpstreamMalformed, id="array-400"),
        pytest.param("oidc", Fault(200, ["at"]), UpstreamMalformed, id="array-200"),
        pytest.param(
            "oidc", Fault(400, "<h1>invalid_grant</h1>", content_type="text/html"), UpstreamMalformed, id="html"
        ),
        pytest.param(
            "oidc", Fault(403, "<h1>Blocked</h1>", content_type="text/html"), UpstreamMalformed, id="firewall"
        ),
        pytest.param("oidc", Fault(400, b'{"error":"invalid_grant\xff"}'), UpstreamMalformed, id="not-utf-8"),
        pytest.param(
            "oidc", Fault(200, b"access_token=a\xff", content_type=FORM), UpstreamMalformed, id="form-not-ascii"
        ),
        pytest.param("oidc", Fault(429, {"error": "invalid_grant"}), UpstreamUnavailable, id="429-invalid_grant"),
        pytest.param(
            "oidc", Fault(200, {"access_token": "at", "token_type": "user"}), UpstreamMalformed, id="user-type"
        ),
        pytest.param("slack", Fault(200, {"ok": False, "error": "ratelimited"}), UpstreamUnavailable, id="slack-busy"),
        pytest.param(
            "slack", Fault(200, {"ok": False, "error": "bad_client_secret"}), UpstreamClientRefused, id="slack"
        ),
        pytest.param("slack", Fault(200, {"ok": False}), UpstreamMalformed, id="slack-not-ok-without-a-word"),
        pytest.param(
            "slack", Fault(200, {"ok": True, "authed_user": {"id": "U1"}}), UpstreamMalformed, id="slack-no-token"
        ),
        pytest.param(
            "slack",
            Fault(200, {"ok": True, "access_token": "xoxb-1", "token_type": "bot", "authed_user": {"id": "U1"}}),
            UpstreamMalformed,
            id="slack-bot-token",
        ),
        pytest.param("hubspot", Fault(400, {"status": "BAD_CLIENT_SECRET"}), UpstreamClientRefused, id="hubspot-word"),
        pytest.param("hubspot", Fault(400, {"error": "invalid_grant"}), UpstreamRefused, id="hubspot-rfc"),
        pytest.param(
            "oidc", Fault(400, {"status": "BAD_REFRESH_TOKEN"}), UpstreamMalformed, id="hubspots-word-elsewhere"
        ),
        pytest.param(
            "salesforce", Fault(400, {"error": "rate_limit_exceeded"}), UpstreamUnavailable, id="salesforce-busy"
        ),
        pytest.param("entra", Fault(400, {"error": "interaction_required"}), UpstreamRefused, id="entra-interaction"),
        pytest.param("entra", Fault(400, {"error": "invalid_resource"}), UpstreamMisconfigured, id="entra-resource"),
    ],
)
async def test_a_failed_refresh(name: str, fault: Fault, expected: type, driver: Driver, clock: FakeClock):
    """Only what certainly says that this token is dead may end a grant."""
    async with acting_as(name, clock=clock) as idp:
        tokens = (await driver.sign_in(pool_at(idp))).tokens
        idp.fail("token", fault)
        with pytest.raises(UpstreamError) as caught:
            await driver.upstream.refresh(pool_at(idp), tokens.refresh_token)
    assert type(caught.value) is expected


async def test_a_form_is_read_although_json_was_asked_for(driver: Driver, clock: FakeClock):
    async with acting_as("github-app", clock=clock) as idp:
        tokens = (await driver.sign_in(pool_at(idp))).tokens
        body = "access_token=ghu-2&expires_in=28800&refresh_token=ghr-2&scope=&token_type=bearer"
        idp.fail("token", Fault(200, body, content_type=FORM))
        renewed = (await driver.upstream.refresh(pool_at(idp), tokens.refresh_token)).tokens
        assert idp.seen("token")[-1].headers["Accept"] == "application/json"
    assert (renewed.access_token, renewed.refresh_token) == ("ghu-2", "ghr-2")
    assert renewed.expires_at == clock() + 28800


@pytest.mark.req(118)
@pytest.mark.parametrize(
    ("name", "endpoint", "answer"),
    [
        pytest.param("oauth2", "account", Fault(401, {"error": "invalid_token"}), id="userinfo-401"),
        pytest.param("oauth2", "account", Fault(200, {"name": "Alice"}), id="userinfo-nobody"),
        pytest.param("oauth2", "account", Fault(200, [{"id": 42}]), id="userinfo-array"),
        pytest.param("oauth2", "account", Fault(200, "<html>", content_type="text/html"), id="userinfo-html"),
        pytest.param("oauth2", "account", Fault(200, b'{"id": "\xff"}'), id="userinfo-not-utf-8"),
        pytest.param("github", "account", Fault(401, {"message": "Bad credentials"}), id="github-401"),
        pytest.param("github", "account", Fault(200, {"login": "octocat"}), id="github-without-an-id"),
        pytest.param("slack", "account", Fault(200, {"ok": False, "error": "invalid_auth"}), id="slack-not-ok"),
        pytest.param("slack", "account", Fault(200, {"ok": True, "user_id": "U1"}), id="slack-without-a-team"),
        pytest.param(
            "linear", "account", Fault(200, {"errors": [{"message": "no"}], "data": None}), id="graphql-errors"
        ),
        pytest.param("linear", "account", Fault(200, {"data": {"viewer": None}}), id="graphql-nobody"),
        pytest.param(
            "notion", "token", Fault(200, {"access_token": "at", "owner": {"type": "workspace"}}), id="notion-bot"
        ),
        pytest.param("hubspot", "token", Fault(200, {"access_token": "at", "user_id": 7}), id="hubspot-without-a-hub"),
        pytest.param(
            "propelauth", "introspect", Fault(200, {"active": False, "sub": "alice"}), id="introspection-inactive"
        ),
        pytest.param(
            "propelauth", "introspect", Fault(200, {"active": "true", "sub": "alice"}), id="introspection-text"
        ),
        pytest.param("propelauth", "introspect", Fault(200, {"active": True}), id="introspection-nobody"),
        pytest.param("slack-oidc", "token", Fault(200, {"ok": True, "access_token": "at"}), id="no-id-token"),
    ],
)
async def test_a_provider_that_names_nobody_signs_nobody_in(
    name: str, endpoint: str, answer: Fault, driver: Driver, clock: FakeClock
):
    async with acting_as(name, clock=clock) as idp:
        idp.fail(endpoint, answer)
        with pytest.raises(UpstreamMalformed):
            await driver.sign_in(pool_at(idp))


@pytest.mark.parametrize("endpoint", ["account", "introspect"])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_user_api_that_is_down_says_nothing_about_the_user(
    endpoint: str, status: int, driver: Driver, clock: FakeClock
):
    async with acting_as("oauth2" if endpoint == "account" else "propelauth", clock=clock) as idp:
        idp.fail(endpoint, Fault(status))
        with pytest.raises(UpstreamUnavailable):
            await driver.sign_in(pool_at(idp))


async def test_what_a_user_api_says_within_objects_can_be_asked_for_by_allow(driver: Driver, clock: FakeClock):
    """By names with dots; tokens are not among the claims."""
    async with acting_as("linear", clock=clock) as idp:
        assert (await driver.sign_in(pool_at(idp))).claims["data.organization.urlKey"] == "acme"
    async with acting_as("notion", clock=clock) as idp:
        claims = (await driver.sign_in(pool_at(idp))).claims
        assert claims["workspace_id"] == "w-1"
        assert {"access_token", "refresh_token"}.isdisjoint(claims)
    async with acting_as("slack", clock=clock) as idp:
        assert (await driver.sign_in(pool_at(idp))).claims["team_id"] == "T1"
    async with acting_as("keycloak", clock=clock) as idp:
        idp.id_claims |= {"realm_access": {"roles": ["staff"]}}
        done = await driver.sign_in(pool_at(idp))
        assert done.claims["realm_access.roles"] == ["staff"]
        renewed = await driver.upstream.refresh(pool_at(idp), done.tokens.refresh_token)
        assert renewed.claims == done.claims


async def test_a_refresh_that_names_another_user_says_so(driver: Driver, clock: FakeClock):
    """Where the token answer itself names the user; the caller ends the grant then."""
    async with acting_as("hubspot", clock=clock) as idp:
        tokens = (await driver.sign_in(pool_at(idp))).tokens
        idp.fail("token", Fault(200, {"access_token": "at-2", "hub_id": 62515, "user_id": 8}))
        renewed = await driver.upstream.refresh(pool_at(idp), tokens.refresh_token)
        assert renewed.identity is not None
        assert renewed.identity.subject == "62515:8"
        idp.fail("token", Fault(200, {"access_token": "at-2", "hub_id": 62515}))
        assert (await driver.upstream.refresh(pool_at(idp), tokens.refresh_token)).identity is None


# Credentials and encodings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("auth", "decoded"), [("basic", True), ("basic_raw", False)])
async def test_basic_credentials_as_the_provider_reads_them(driver: Driver, idp: FakeIdp, auth: str, decoded: bool):
    """RFC 6749 2.3.1: percent-encoded, or raw where a provider does not decode."""
    idp.client_secret = "a+b%2Fc:d e&"
    idp.auth_methods = ("client_secret_basic",)
    pool = idp.pool(token_auth=auth)
    if decoded:
        await driver.sign_in(pool)
    else:
        with pytest.raises(UpstreamMisconfigured):  # this one decodes, so the raw form is another secret to it
            await driver.sign_in(pool)
    sent = b64decode(idp.seen("token")[0].headers["Authorization"].removeprefix("Basic ")).decode()
    assert sent.endswith(":a%2Bb%252Fc%3Ad%20e%26" if decoded else f":{idp.client_secret}")


async def test_a_space_is_never_a_plus_sign(driver: Driver, clock: FakeClock):
    """Cognito reads + as a plus sign, in the request for a sign-in and in forms."""
    async with acting_as("entra", clock=clock) as idp:
        await driver.sign_in(pool_at(idp))
        (asked,), (sent,) = idp.seen("authorize"), idp.seen("token")
    assert "scope=openid%20profile" in asked.raw_query
    assert b"scope=openid%20profile" in sent.body
    assert b"+" not in sent.body


async def test_one_method_is_used_where_the_preset_knows_it_whatever_the_document_lists(
    driver: Driver, clock: FakeClock
):
    """Authelia lists several and takes the registered one; the operator may say which that is."""
    async with acting_as("authelia", clock=clock) as idp:
        await driver.sign_in(pool_at(idp))
        idp.auth_methods = ("client_secret_post",)
        await driver.sign_in(pool_at(idp, token_auth="post"))
        assert ["Authorization" in seen.headers for seen in idp.seen("token")] == [True, False]


@pytest.mark.req(115)
async def test_githubs_iss_may_be_there_or_not_but_never_be_anothers(driver: Driver, clock: FakeClock):
    """It was switched on and off again in 2026; RFC 9207 2.4."""
    async with acting_as("github", clock=clock) as idp:
        pool = pool_at(idp)
        for iss in ("https://github.com/login/oauth", ABSENT):
            idp.send_iss = iss
            await driver.sign_in(pool)
        for iss in ("https://github.com", "https://github.com/login/oauth/", "https://evil.example"):
            idp.send_iss = iss
            with pytest.raises(UpstreamMalformed):
                await driver.sign_in(pool)
        assert len(idp.seen("token")) == 2


# Issuers -----------------------------------------------------------------------------------------------------------


async def test_entra_for_many_tenants_fills_its_template_with_the_users_own(driver: Driver, clock: FakeClock):
    async with acting_as("entra", clock=clock) as idp:
        idp.issuer = f"{idp.url}/common/v2.0"
        idp.metadata |= {"issuer": idp.url + "/{tenantid}/v2.0"}
        idp.id_claims |= {"iss": f"{idp.url}/{GUID}/v2.0", "tid": GUID}
        done = await driver.sign_in(pool_at(idp))
        assert (done.identity.subject, done.identity.issuer) == (f"{GUID}:o-1", f"{idp.url}/{GUID}/v2.0")
        assert done.identity.email_verified is False

        idp.id_claims |= {"tid": GUID.replace("0f", "ff")}
        with pytest.raises(UpstreamMalformed):
            await driver.sign_in(pool_at(idp))


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param("https://evil.example/" + GUID + "/v2.0/", id="another-host"),
        pytest.param("$url/common/v2.0/", id="no-guid"),
        pytest.param("$url/{tenantid}/v2.0/", id="template"),
        pytest.param("$url/" + GUID + "/v1.0/", id="another-version"),
        pytest.param("$url/" + GUID + "/a/b/v2.0/", id="deeper"),
        pytest.param("$url/" + GUID + "/v2.0/?x=1", id="query"),
    ],
)
async def test_a_b2c_document_with_another_kind_of_issuer_is_not_believed(
    issuer: str, driver: Driver, clock: FakeClock
):
    async with acting_as("azure-b2c", clock=clock) as idp:
        idp.metadata |= {"issuer": issuer.replace("$url", idp.url)}
        with pytest.raises(UpstreamMalformed):
            await driver.authorization_url(pool_at(idp))


async def test_a_b2c_tenant_named_by_its_guid_is_that_tenant(driver: Driver, clock: FakeClock):
    async with acting_as("azure-b2c", clock=clock) as idp:
        for tenant, good in ((GUID, True), (GUID.replace("0f", "ff"), False)):
            pool = pool_at(idp, issuer=f"{idp.url}/{tenant}/B2C_1_signin/v2.0")
            idp.metadata |= {"issuer": f"{idp.url}/tfp/{GUID}/b2c_1_signin/v2.0/"}
            if good:
                assert await driver.authorization_url(pool)
            else:
                with pytest.raises(UpstreamMalformed):
                    await driver.authorization_url(pool)


# Endpoints that follow others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 422])
async def test_a_github_token_that_is_gone_already_counts_as_revoked(status: int, driver: Driver, clock: FakeClock):
    async with acting_as("github", clock=clock) as idp:
        tokens = (await driver.sign_in(pool_at(idp))).tokens
        idp.fail("revoke", Fault(status, {"message": "Not Found"}))
        await driver.upstream.revoke(pool_at(idp), tokens)
        idp.fail("revoke", Fault(401, {"message": "Bad credentials"}))
        with pytest.raises(UpstreamMalformed):
            await driver.upstream.revoke(pool_at(idp), tokens)


async def test_another_deployments_tokens_are_not_revoked_at_the_public_one(driver: Driver, clock: FakeClock):
    """The endpoint is beside the userinfo endpoint in use: GitHub Enterprise has both below /api/v3."""
    async with acting_as("github", clock=clock) as idp:
        tokens = (await driver.sign_in(pool_at(idp))).tokens
        pool = pool_at(idp, client_id="a/b", userinfo_endpoint=f"{idp.url}/api/v3/user")
        await driver.upstream.revoke(pool, tokens)
        assert idp.requests[-1].raw_path == "/api/v3/applications/a%2Fb/token"


async def test_no_document_is_needed_where_the_token_answer_names_the_user(driver: Driver, clock: FakeClock):
    async with acting_as("asana", clock=clock) as idp:
        await driver.sign_in(pool_at(idp))
        assert [seen.endpoint for seen in idp.requests] == ["authorize", "token"]


async def test_a_document_may_not_send_introspection_into_the_clear(driver: Driver, clock: FakeClock):
    async with acting_as("propelauth", clock=clock) as idp:
        idp.metadata |= {"introspection_endpoint": "http://elsewhere.example/introspect"}
        with pytest.raises(UpstreamMalformed):
            await driver.authorization_url(pool_at(idp))
        idp.metadata |= {"introspection_endpoint": ABSENT}


async def test_without_an_introspection_endpoint_it_is_our_misconfiguration(driver: Driver, clock: FakeClock):
    async with acting_as("propelauth", clock=clock) as idp:
        idp.metadata |= {"introspection_endpoint": ABSENT}
        with pytest.raises(UpstreamMisconfigured):
            await driver.sign_in(pool_at(idp))

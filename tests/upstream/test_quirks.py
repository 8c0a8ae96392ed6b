"""The presets, and who could sign in at them."""

import pytest

from sidecar.records import Pool
from sidecar.upstream.provider import needs_document
from sidecar.upstream.quirks import PRESETS, is_public, missing, misspelt_issuer, preset

TENANT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def pool(provider: str, **overrides: object) -> Pool:
    return Pool(
        **(
            {"name": "p", "id": "p-1", "provider": provider, "client_id": "id", "client_secret": "secret"}
            | {"scopes": ("openid",)}
            | overrides
        )
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pool("google"), True, id="google"),
        pytest.param(pool("github"), True, id="github"),
        pytest.param(pool("github-app"), True, id="github-app"),
        pytest.param(
            pool("github", authorization_endpoint="https://ghe.example.com/login/oauth/authorize"), False, id="ghe"
        ),
        pytest.param(pool("oidc", issuer="https://accounts.google.com"), True, id="google-as-oidc"),
        pytest.param(
            pool("oauth2", authorization_endpoint="https://github.com/login/oauth/authorize"),
            True,
            id="github-as-oauth2",
        ),
        pytest.param(pool("oidc", issuer="https://gitlab.com"), True, id="gitlab.com"),
        pytest.param(pool("oidc", issuer="https://gitlab.example.com"), False, id="own-gitlab"),
        pytest.param(pool("entra", issuer="https://login.microsoftonline.com/common/v2.0"), True, id="entra-common"),
        pytest.param(
            pool("entra", issuer="https://login.microsoftonline.com/organizations/v2.0"), True, id="entra-organizations"
        ),
        pytest.param(
            pool("entra", issuer="https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
            True,
            id="entra-personal",
        ),
        pytest.param(
            pool("oidc", issuer="https://login.microsoftonline.com/common/v2.0"), True, id="entra-common-as-oidc"
        ),
        pytest.param(
            pool("entra", issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0"), False, id="entra-tenant"
        ),
        pytest.param(pool("okta", issuer="https://dev.okta.com"), False, id="okta"),
        pytest.param(pool("auth0", issuer="https://t.auth0.com/"), True, id="open-sign-up"),
        pytest.param(pool("auth0"), True, id="open-sign-up-wherever-it-is"),
        pytest.param(pool("gitlab"), True, id="gitlab-preset"),
        pytest.param(pool("gitlab", issuer="https://gitlab.example.com"), False, id="own-gitlab-preset"),
        pytest.param(pool("salesforce"), True, id="salesforce"),
        pytest.param(pool("salesforce", issuer="https://test.salesforce.com"), True, id="salesforce-sandboxes"),
        pytest.param(pool("salesforce", issuer="https://acme.my.salesforce.com"), False, id="salesforce-my-domain"),
        pytest.param(
            pool("oauth2", authorization_endpoint="https://slack.com/oauth/v2/authorize"), True, id="slack-as-oauth2"
        ),
        pytest.param(
            pool("oauth2", authorization_endpoint="https://linear.app/oauth/authorize"), True, id="linear-as-oauth2"
        ),
        pytest.param(pool("oidc"), False, id="nowhere"),
        pytest.param(pool("keycloak", issuer="https://id.example.com/realms/common"), False, id="realm-called-common"),
    ],
)
def test_a_provider_that_serves_everybody_is_public(found: Pool, expected: bool):
    assert is_public(found) is expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pool("google"), (), id="google"),
        pytest.param(pool("github"), (), id="github"),
        pytest.param(pool("oidc"), ("issuer",), id="oidc"),
        pytest.param(pool("entra"), ("issuer",), id="entra"),
        pytest.param(pool("oidc", issuer="https://idp.example.com"), (), id="oidc-with-issuer"),
        pytest.param(
            Pool("p", "p-1", "oauth2", "id", "secret", ("read",)),
            ("authorization_endpoint", "token_endpoint", "userinfo_endpoint"),
            id="oauth2",
        ),
    ],
)
def test_what_a_pool_still_lacks_is_named(found: Pool, expected: tuple[str, ...]):
    assert tuple(missing(found)) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pool("keycloak"), {"issuer": "https://<host>/realms/<realm>"}, id="issuer"),
        pytest.param(
            pool("auth0", issuer="https://t.auth0.com/"), {"authorize_params.audience": "<API identifier>"}, id="param"
        ),
        pytest.param(
            pool("auth0", issuer="https://t.auth0.com/", authorize_params=(("audience", ""),)),
            {"authorize_params.audience": "<API identifier>"},
            id="empty-param",
        ),
        pytest.param(
            pool("auth0", issuer="https://t.auth0.com/", authorize_params=(("audience", "a"),)), {}, id="given"
        ),
        pytest.param(pool("slack", scopes=()), {"scopes": "search:read.public"}, id="scopes"),
        pytest.param(
            pool("propelauth"),
            {
                "issuer": "https://<auth host>/oauth/2.1",
                "authorize_params.resource": "<URL of your MCP server>",
            },
            id="both",
        ),
    ],
)
def test_what_a_pool_lacks_comes_with_an_example(found: Pool, expected: dict[str, str]):
    assert missing(found) == expected


@pytest.mark.parametrize(
    ("provider", "issuer", "right"),
    [
        pytest.param("auth0", "https://t.auth0.com/", True, id="auth0"),
        pytest.param("auth0", "https://login.example.com/", True, id="auth0-own-domain"),
        pytest.param("auth0", "https://t.auth0.com", False, id="auth0-without-slash"),
        pytest.param("okta", "https://dev.okta.com/", False, id="okta-with-slash"),
        pytest.param("okta-custom", "https://dev.okta.com", False, id="okta-org-as-custom"),
        pytest.param("okta-custom", "https://dev.okta.com/oauth2/default", True, id="okta-custom"),
        pytest.param("keycloak", "https://id.example.com/auth/realms/x", True, id="keycloak-old-path"),
        pytest.param("keycloak", "https://id.example.com/", False, id="keycloak-host"),
        pytest.param("entra", f"https://login.microsoftonline.us/{TENANT}/v2.0", True, id="entra-us"),
        pytest.param("entra", f"https://login.microsoftonline.com/{TENANT}", False, id="entra-v1"),
        pytest.param("authentik", "https://a.example/application/o/x", False, id="authentik-without-slash"),
        pytest.param("authentik", "https://a.example/sso/application/o/x/", True, id="authentik-below-a-path"),
        pytest.param("google", "https://accounts.google.com/", False, id="google-with-slash"),
        pytest.param("gitlab", "https://gitlab.example.com", True, id="own-gitlab"),
        pytest.param("dex", "https://dex.example.com/anything", True, id="dex"),
        pytest.param("oidc", "https://idp.example.com/", True, id="oidc"),
        pytest.param("oidc", "", True, id="none"),
    ],
)
def test_an_issuer_that_no_document_would_state_is_seen(provider: str, issuer: str, right: bool):
    assert (misspelt_issuer(pool(provider, issuer=issuer)) == "") is right


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_consistent(name: str):
    quirks = preset(name)
    assert not (quirks.discovery == "none" and not quirks.token_endpoint)
    assert not (quirks.discovery == "none" and needs_document(pool(name), quirks))
    # One place for everybody, or one for each customer; never two answers.
    assert not (quirks.issuer and quirks.issuer_form)
    assert not (quirks.issuer_form and quirks.authorization_endpoint)
    assert not quirks.public or quirks.issuer or quirks.issuer_form or quirks.authorization_endpoint
    # A revocation that ends everything is never called, so a place for it would be a lie.
    assert not quirks.revocation_endpoint or quirks.revocation_scope == "token"
    assert bool(quirks.scope_parameter) or not quirks.scopes


def test_an_unknown_preset_is_a_key_error():
    with pytest.raises(KeyError):
        preset("nobody")

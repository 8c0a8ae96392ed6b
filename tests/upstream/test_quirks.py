"""The presets, and who could sign in at them."""

import pytest

from sidecar.records import Pool
from sidecar.upstream.provider import needs_document
from sidecar.upstream.quirks import PRESETS, is_public, missing, preset

TENANT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def pool(provider: str, **overrides: str) -> Pool:
    return Pool("p", "p-1", provider, "id", "secret", ("openid",), **overrides)


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
    assert missing(found) == expected


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_consistent(name: str):
    quirks = preset(name)
    assert not (quirks.discovery == "none" and not quirks.token_endpoint)
    assert not (quirks.discovery == "none" and needs_document(pool(name), quirks))
    # A public provider has one issuer for everybody, which is how its host is known.
    assert not quirks.public or quirks.issuer


def test_an_unknown_preset_is_a_key_error():
    with pytest.raises(KeyError):
        preset("nobody")

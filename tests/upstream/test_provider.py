"""Where a discovery document is and whether it may be believed."""

import pytest

from sidecar.records import Pool
from sidecar.upstream.base import UpstreamMalformed, UpstreamMisconfigured
from sidecar.upstream.provider import Provider, check_document, document_urls, is_issuer, is_safe_url, issuer_of
from sidecar.upstream.quirks import preset

TENANT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
MS = "https://login.microsoftonline.com"


def pool(provider: str, issuer: str, **overrides: str) -> Pool:
    return Pool("p", "p-1", provider, "id", "secret", ("openid",), issuer, **overrides)


@pytest.mark.parametrize(
    ("provider", "issuer", "expected"),
    [
        pytest.param(
            "oidc",
            "https://t.auth0.example/",
            (
                "https://t.auth0.example/.well-known/openid-configuration",
                "https://t.auth0.example/.well-known/oauth-authorization-server",
            ),
            id="trailing-slash",
        ),
        pytest.param(
            "okta-custom",
            "https://d.example/oauth2/as1",
            (
                "https://d.example/oauth2/as1/.well-known/openid-configuration",
                "https://d.example/.well-known/oauth-authorization-server/oauth2/as1",
            ),
            id="path",
        ),
        pytest.param(
            "oauth2",
            "https://d.example/x",
            (
                "https://d.example/.well-known/oauth-authorization-server/x",
                "https://d.example/x/.well-known/openid-configuration",
            ),
            id="rfc8414-first",
        ),
        pytest.param("github", "", (), id="none"),
        pytest.param("oidc", "", (), id="no-issuer"),
    ],
)
def test_the_documents_address(provider, issuer, expected):
    """RFC 8414 3.1 inserts the well-known segment, OpenID Connect Discovery 4 appends it."""
    assert document_urls(pool(provider, issuer), preset(provider)) == expected


@pytest.mark.req(36)
@pytest.mark.parametrize(
    ("configured", "discovered", "believed"),
    [
        pytest.param(f"{MS}/common/v2.0", MS + "/{tenantid}/v2.0", True, id="common"),
        pytest.param(f"{MS}/common/v2.0", f"{MS}/{TENANT}/v2.0", False, id="common-one-tenant"),
        pytest.param(f"{MS}/{TENANT}/v2.0", f"{MS}/{TENANT}/v2.0", True, id="tenant"),
        pytest.param(f"{MS}/{TENANT}/v2.0", MS + "/{tenantid}/v2.0", False, id="tenant-widened"),
        pytest.param(f"{MS}/{TENANT}/v2.0", f"{MS}/{TENANT[:-1]}1/v2.0", False, id="another-tenant"),
        pytest.param(f"{MS}/example.com/v2.0", f"{MS}/{TENANT}/v2.0", True, id="tenant-by-name"),
        pytest.param(f"{MS}/example.com/v2.0", f"https://evil.example/{TENANT}/v2.0", False, id="another-host"),
        pytest.param(f"{MS}/common/v2.0", MS + "/{tenantid}/v1.0", False, id="another-version"),
    ],
)
def test_a_tenant_template_is_believed_only_for_many_tenants(configured, discovered, believed):
    document = {"issuer": discovered}
    if believed:
        assert check_document(document, pool("entra", configured), preset("entra")) is document
    else:
        with pytest.raises(UpstreamMalformed):
            check_document(document, pool("entra", configured), preset("entra"))


def test_a_template_is_filled_only_with_a_guid():
    template = MS + "/{tenantid}/v2.0"
    assert issuer_of(template, {"tid": TENANT}) == f"{MS}/{TENANT}/v2.0"
    for tid in (None, "", "common", TENANT + "/x", TENANT + "\n", 7):
        with pytest.raises(UpstreamMalformed):
            issuer_of(template, {"tid": tid})
    assert is_issuer(f"{MS}/{TENANT}/v2.0", template)
    assert not is_issuer(f"{MS}/{TENANT}/evil/v2.0", template)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://idp.example.com/token?x=1", True),
        ("http://127.0.0.1:9/token", True),
        ("http://[::1]:9/token", True),
        ("http://localhost/token", True),
        ("http://idp.example.com/token", False),
        ("http://127.0.0.1.evil.example/", False),
        ("https://u:p@idp.example.com/", False),
        ("https://idp.example.com/#f", False),
        ("https://idp.example.com/a b", False),
        ("https://idp.example.com\\@evil.example/", False),
        ("https://idp.example.com:x/", False),
        ("https:///token", False),
        ("//idp.example.com/token", False),
        ("https://idp.example.com/\n", False),
        ("ftp://idp.example.com/", False),
        ("https://[::1", False),
        (None, False),
        (7, False),
    ],
)
def test_only_plain_https_urls_and_loopback_are_called(url, safe):
    assert is_safe_url(url) is safe


def test_a_remote_document_cannot_point_at_our_loopback():
    document = {"issuer": "https://idp.example.com", "token_endpoint": "http://127.0.0.1:6379/"}
    with pytest.raises(UpstreamMalformed):
        check_document(document, pool("oidc", "https://idp.example.com"), preset("oidc"))


def test_the_pools_endpoint_wins_over_the_presets_and_the_documents():
    own = pool("github", "", token_endpoint="https://ghe.example.com/token")
    found = Provider.of(own, preset("github"), {"token_endpoint": "https://doc.example.com/token"})
    assert found.token_endpoint == "https://ghe.example.com/token"
    assert found.authorization_endpoint == "https://github.com/login/oauth/authorize"
    assert found.issuer == "https://github.com/login/oauth"


@pytest.mark.parametrize("endpoint", ["", "http://idp.example.com/token"])
def test_an_endpoint_that_cannot_be_used_is_our_misconfiguration(endpoint):
    with pytest.raises(UpstreamMisconfigured):
        Provider.of(
            pool("oauth2", "", authorization_endpoint="https://idp.example.com/a", token_endpoint=endpoint),
            preset("oauth2"),
            None,
        )

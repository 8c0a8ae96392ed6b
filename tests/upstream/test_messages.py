"""What is sent, to the byte."""

from base64 import b64decode
from urllib.parse import parse_qsl

import orjson
import pytest

from sidecar.records import Pool
from sidecar.upstream.base import UpstreamMisconfigured
from sidecar.upstream.messages import (
    RESERVED,
    Request,
    asked_scopes,
    authorization_url,
    client_auth,
    exchange_request,
    refresh_request,
    revoke_request,
    told_scopes,
    userinfo_request,
)
from sidecar.upstream.quirks import Quirks, preset

SECRET = "a+b%2Fc:d e&/"


def pool(**overrides: object) -> Pool:
    values = {
        "name": "p",
        "id": "p-1",
        "provider": "oidc",
        "client_id": "id:1",
        "client_secret": SECRET,
        "scopes": ("openid", "a b"),
        "issuer": "https://idp.example.com",
    }
    return Pool(**(values | overrides))


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


def test_spaces_are_percent_encoded_and_the_endpoints_own_query_is_kept():
    url = authorization_url(
        "https://idp.example.com/a?p=policy",
        pool(),
        Quirks(),
        redirect_uri="https://rp.example.com/callback",
        state="s",
        nonce="n",
        challenge="c",
    )
    assert url == (
        "https://idp.example.com/a?p=policy&response_type=code&client_id=id%3A1"
        "&redirect_uri=https%3A%2F%2Frp.example.com%2Fcallback&state=s&scope=openid%20a%20b&nonce=n"
        "&code_challenge=c&code_challenge_method=S256"
    )


@pytest.mark.parametrize("name", sorted(RESERVED - {"nonce", "scope"}))
def test_a_setting_cannot_replace_a_parameter_of_ours(name: str):
    url = authorization_url(
        "https://idp.example.com/a",
        pool(authorize_params=((name, "evil"),)),
        Quirks(authorize_params=((name, "evil"),)),
        redirect_uri="https://rp.example.com/callback",
        state="s",
        nonce="n",
        challenge="c",
    )
    assert "evil" not in url


def test_the_presets_parameters_are_sent_and_the_operator_may_change_them():
    url = authorization_url(
        "https://idp.example.com/a",
        pool(provider="google", authorize_params=(("prompt", "select_account"),)),
        preset("google"),
        redirect_uri="https://rp.example.com/callback",
        state="s",
        nonce="n",
        challenge="c",
    )
    assert "access_type=offline" in url
    assert "prompt=select_account" in url
    assert "prompt=consent" not in url


@pytest.mark.parametrize(
    ("auth", "authorization", "members"),
    [
        pytest.param("basic", "id%3A1:a%2Bb%252Fc%3Ad%20e%26%2F", {}, id="basic"),
        pytest.param("basic_raw", f"id:1:{SECRET}", {}, id="basic_raw"),
        pytest.param("post", None, {"client_id": "id:1", "client_secret": SECRET}, id="post"),
        pytest.param("none", None, {"client_id": "id:1"}, id="none"),
    ],
)
def test_client_authentication_comes_in_one_place_only(auth, authorization, members):
    """RFC 6749 2.3.1; a client must not use two methods at once (2.3)."""
    request = refresh_request("https://idp.example.com/t", pool(), Quirks(), auth, refresh_token="rt")

    assert form(request) == {"grant_type": "refresh_token", "refresh_token": "rt", **members}
    header = request.headers.get("Authorization")
    assert (header and b64decode(header.removeprefix("Basic ")).decode()) == authorization


@pytest.mark.parametrize(
    ("overrides", "quirks", "methods", "expected"),
    [
        pytest.param({}, Quirks(), ["client_secret_basic", "client_secret_post"], "post", id="post-before-basic"),
        pytest.param({}, Quirks(), ["client_secret_basic"], "basic", id="basic-alone"),
        pytest.param({}, Quirks(), ["client_secret_post"], "post", id="post-alone"),
        pytest.param({}, Quirks(), None, "basic", id="nothing-said"),
        pytest.param({}, Quirks(client_auth="post"), ["client_secret_basic"], "post", id="preset"),
        pytest.param({"token_auth": "basic_raw"}, Quirks(client_auth="post"), None, "basic_raw", id="pool"),
        pytest.param({"client_secret": ""}, Quirks(client_auth="post"), None, "none", id="no-secret"),
    ],
)
def test_the_authentication_method_is_the_pools_then_the_presets_then_the_documents(
    overrides, quirks, methods, expected
):
    document = {} if methods is None else {"token_endpoint_auth_methods_supported": methods}
    assert client_auth(pool(**overrides), quirks, document) == expected


def test_a_provider_that_takes_no_secret_is_said_so():
    with pytest.raises(UpstreamMisconfigured):
        client_auth(pool(), Quirks(), {"token_endpoint_auth_methods_supported": ["private_key_jwt"]})


def test_scopes_get_the_presets_prefix_and_lose_it_in_the_answer():
    """Entra: a bare scope would mean Graph, and a client must not see the prefixed one."""
    entra = pool(provider="entra", client_id="app", scopes=("notes.read", "https://graph.microsoft.com/User.Read"))
    quirks = preset("entra")
    asked = asked_scopes(entra, quirks)

    assert asked == (
        "openid",
        "profile",
        "email",
        "offline_access",
        "api://app/notes.read",
        "https://graph.microsoft.com/User.Read",
    )
    assert told_scopes(["api://app/notes.read", "openid"], entra, quirks) == ("notes.read", "openid")
    assert told_scopes(["api://app/other"], entra, quirks) == ("api://app/other",)


def test_a_token_request_names_one_resources_scopes_where_the_preset_wants_scopes():
    entra = pool(provider="entra", client_id="app", scopes=("notes.read", "https://graph.microsoft.com/User.Read"))
    for request in (
        exchange_request("u", entra, preset("entra"), "post", code="c", redirect_uri="r", verifier="v"),
        refresh_request("u", entra, preset("entra"), "post", refresh_token="rt"),
    ):
        assert form(request)["scope"] == "openid profile email offline_access api://app/notes.read"


def test_google_scopes_are_told_in_the_names_they_were_asked_by():
    google = pool(provider="google", scopes=("openid", "email"))
    answered = ["https://www.googleapis.com/auth/userinfo.email", "openid"]
    assert told_scopes(answered, google, preset("google")) == ("email", "openid")


def test_pkce_is_left_out_only_where_the_preset_says_so():
    plain = Quirks(pkce=False)
    url = authorization_url("https://i.example/a", pool(), plain, redirect_uri="r", state="s", nonce="n", challenge="c")
    assert "code_challenge" not in url
    request = exchange_request("u", pool(), plain, "post", code="c", redirect_uri="r", verifier="v")
    assert "code_verifier" not in form(request)


def test_revocation_names_the_token_and_its_kind():
    """RFC 7009 2.1."""
    request = revoke_request("u", pool(), Quirks(), "post", access_token="at", refresh_token="rt")
    assert form(request).items() >= {"token": "rt", "token_type_hint": "refresh_token"}.items()
    request = revoke_request("u", pool(), Quirks(), "post", access_token="at", refresh_token="")
    assert form(request).items() >= {"token": "at", "token_type_hint": "access_token"}.items()


def test_a_scope_that_begins_with_its_resources_guid_gets_no_prefix():
    """Entra takes `<app id>/.default` as well as `api://<app id>/.default`."""
    whole = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/.default"
    entra = pool(provider="entra", client_id="app", scopes=(whole, "a/b"))
    assert asked_scopes(entra, preset("entra"))[-2:] == (whole, "api://app/a/b")


def test_a_provider_without_scopes_is_asked_for_none():
    unnamed = Quirks(scope_parameter="", scopes=())
    url = authorization_url(
        "https://i.example/a", pool(), unnamed, redirect_uri="r", state="s", nonce="n", challenge="c"
    )
    assert "scope" not in url
    assert asked_scopes(pool(), unnamed) == ()


def test_a_setting_cannot_replace_the_presets_own_scope_parameter():
    renamed = Quirks(scope_parameter="user_scope")
    url = authorization_url(
        "https://i.example/a",
        pool(authorize_params=(("user_scope", "evil"),)),
        renamed,
        redirect_uri="r",
        state="s",
        nonce="n",
        challenge="c",
    )
    assert "user_scope=openid%20a%20b" in url
    assert "evil" not in url


def test_a_json_body_holds_what_the_form_would():
    """Credentials included, and never in both places."""
    spoken = Quirks(body_format="json", headers=(("Api-Version", "1"),))
    request = refresh_request("u", pool(), spoken, "post", refresh_token="rt")
    assert orjson.loads(request.body) == {
        "grant_type": "refresh_token",
        "refresh_token": "rt",
        "client_id": "id:1",
        "client_secret": SECRET,
    }
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Api-Version"] == "1"


def test_a_preset_cannot_take_a_credential_away():
    """Its headers go to the user API too, beside the token."""
    request = userinfo_request("u", Quirks(headers=(("Api-Version", "1"),), userinfo_body="{}"), "at")
    assert request.method == "POST"
    assert request.headers["Authorization"] == "Bearer at"
    assert request.headers["Api-Version"] == "1"


def test_a_request_does_not_show_its_secrets():
    assert SECRET not in repr(refresh_request("u", pool(), Quirks(), "post", refresh_token="rt-secret"))
    assert "rt-secret" not in repr(refresh_request("u", pool(), Quirks(), "post", refresh_token="rt-secret"))

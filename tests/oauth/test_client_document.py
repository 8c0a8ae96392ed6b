"""Client id metadata documents: real ones, the shape of their URLs, and what refuses one.

The files in `client_documents` are the documents of clients in the field as they were published in 2026. Claude,
Claude Code, ChatGPT (the stable one) and VS Code are as several servers' test suites keep them, each fetched from its
URL on its own day (August to October) and alike; so is Codex. A ChatGPT document of one connector, which is made for
that connector, is as a bug report of May showed it: `private_key_jwt` and nothing beside it.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.client_document import MAX_URL, is_document_url, read, read_keys
from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.oauth.policy import RegistrationPolicy
from sidecar.oauth.redirects import matches

_PUBLISHED = {path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("client_documents/*.json")}
_URL = "https://client.example/oauth/client.json"
_RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"}


def _body(**members: object) -> dict[str, object]:
    found = {"client_id": _URL, "client_name": "Client", "redirect_uris": ["https://client.example/cb"], **members}
    return {name: value for name, value in found.items() if value is not ...}


@pytest.mark.req(78, 80)
@pytest.mark.parametrize(
    ("name", "methods", "refresh"),
    [
        pytest.param("claude_ai", ("none",), True),
        pytest.param("claude_code", ("none",), True),
        pytest.param("chatgpt", ("private_key_jwt", "none"), True),
        pytest.param("chatgpt_connector", ("private_key_jwt",), True),
        pytest.param("vs_code", ("none",), True),
        pytest.param("codex", ("none",), True),
    ],
)
def test_the_documents_of_clients_in_the_field_are_read(name: str, methods: tuple[str, ...], refresh: bool):
    body = _PUBLISHED[name]
    document = read(body["client_id"], body)
    assert is_document_url(document.url)
    assert (document.url, document.name, document.uri) == (body["client_id"], body["client_name"], body["client_uri"])
    assert document.redirect_uris == tuple(body["redirect_uris"])
    assert document.auth_methods == methods
    assert document.jwks_uri == body.get("jwks_uri", "")
    assert document.application_type == body.get("application_type", "")
    assert document.refresh is refresh
    assert all(RegistrationPolicy().allows(uri) for uri in document.redirect_uris)


def test_every_published_document_is_in_the_table():
    assert set(_PUBLISHED) == {"claude_ai", "claude_code", "chatgpt", "chatgpt_connector", "vs_code", "codex"}


@pytest.mark.req(82)
@pytest.mark.parametrize(
    ("name", "requested", "matched"),
    [
        pytest.param("claude_code", "http://localhost:3118/callback", True, id="claude-code-any-port"),
        pytest.param("claude_code", "http://127.0.0.1:50123/callback", True, id="claude-code-by-number"),
        pytest.param("claude_code", "http://localhost:3118/other", False, id="another-path"),
        pytest.param("vs_code", "http://127.0.0.1:51004/", True, id="vs-code-another-port"),
        pytest.param("vs_code", "http://localhost:33418/", False, id="vs-code-another-host"),
        pytest.param("claude_ai", "https://claude.ai:8443/api/mcp/auth_callback", False, id="a-port-off-loopback"),
    ],
)
def test_redirect_uris_of_a_document_match_as_registered_ones_do(name: str, requested: str, matched: bool):
    document = read(_PUBLISHED[name]["client_id"], _PUBLISHED[name])
    assert matches(document.redirect_uris, requested) is matched


@pytest.mark.req(75)
@pytest.mark.parametrize(
    "url",
    [
        "https://client.example/client.json",
        "https://client.example/a",
        "https://client.example/a/",
        "https://client.example:8443/client.json",
        "https://client.example:443/client.json",
        "https://xn--bcher-kva.example/client%20id.json",
        "https://localhost:9443/client.json",
        "https://client.example/..." + "/a",
        "https://client.example/" + "a" * (MAX_URL - len("https://client.example/")),
    ],
)
def test_a_clean_https_url_with_a_path_is_one_of_a_document(url: str):
    assert is_document_url(url)


@pytest.mark.req(75)
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://client.example/client.json", id="http"),
        pytest.param("HTTPS://client.example/client.json", id="scheme-in-capitals"),
        pytest.param("ftp://client.example/client.json", id="ftp"),
        pytest.param("client.json", id="relative"),
        pytest.param("//client.example/client.json", id="no-scheme"),
        pytest.param("https:client.example/client.json", id="no-slashes"),
        pytest.param("https:///client.json", id="no-host"),
        pytest.param("https://client.example", id="no-path"),
        pytest.param("https://client.example/", id="root"),
        pytest.param("https://client.example/client.json#x", id="fragment"),
        pytest.param("https://client.example/client.json#", id="empty-fragment"),
        pytest.param("https://client.example/client.json?v=1", id="query"),
        pytest.param("https://client.example/client.json?", id="empty-query"),
        pytest.param("https://client.example?/client.json", id="query-for-a-path"),
        pytest.param("https://user@client.example/client.json", id="user"),
        pytest.param("https://user:password@client.example/client.json", id="user-and-password"),
        pytest.param("https://@client.example/client.json", id="empty-user"),
        pytest.param("https://client.example/./client.json", id="dot"),
        pytest.param("https://client.example/a/../client.json", id="dots"),
        pytest.param("https://client.example/a/..", id="dots-at-the-end"),
        pytest.param("https://client.example/a/%2e%2E/client.json", id="encoded-dots"),
        pytest.param("https://client.example/a/.%2e/client.json", id="half-encoded-dots"),
        pytest.param("https://client.example/a%2f..%2fclient.json", id="encoded-slash"),
        pytest.param("https://client.example/a%5C..%5Cclient.json", id="encoded-backslash"),
        pytest.param("https://client.example/%252e%252e/client.json", id="encoded-twice"),
        pytest.param("https://client.example/a%00.json", id="encoded-nul"),
        pytest.param("https://client.example\\@evil.example/client.json", id="backslash"),
        pytest.param("https://client.example/a b", id="space"),
        pytest.param(" https://client.example/a", id="leading-space"),
        pytest.param("https://client.example/a\n", id="newline"),
        pytest.param("https://client.example/ä", id="not-ascii-path"),
        pytest.param("https://bücher.example/a", id="not-ascii-host"),
        pytest.param("https://Client.example/a", id="host-in-capitals"),
        pytest.param("https://client.example./a", id="host-with-a-last-dot"),
        pytest.param("https://client.example:/a", id="empty-port"),
        pytest.param("https://client.example:0/a", id="port-0"),
        pytest.param("https://client.example:65536/a", id="port-too-large"),
        pytest.param("https://10.0.0.1/a", id="ipv4"),
        pytest.param("https://2130706433/a", id="ipv4-as-one-number"),
        pytest.param("https://0x7f.1/a", id="ipv4-in-hex"),
        pytest.param("https://127.1/a", id="ipv4-short"),
        pytest.param("https://[fe80::1%25eth0]/a", id="ipv6-with-zone"),
        pytest.param("https://[2606:4700::1111]/a", id="ipv6"),
        pytest.param("https://app.localhost/a", id="below-localhost"),
        pytest.param("https://client.example/" + "a" * (MAX_URL - len("https://client.example/") + 1), id="too-long"),
        pytest.param("", id="empty"),
    ],
)
def test_other_shapes_are_not(url: str):
    assert not is_document_url(url)
    with pytest.raises(InvalidClientMetadata):
        read(url, _body(client_id=url))


@pytest.mark.req(78)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_body(client_id="https://client.example/oauth/client.json/"), id="another-url"),
        pytest.param(_body(client_id="https://CLIENT.example/oauth/client.json"), id="another-spelling"),
        pytest.param(_body(client_id="https://client.example:443/oauth/client.json"), id="the-same-port-said"),
        pytest.param(_body(client_id=[_URL]), id="a-list"),
        pytest.param(_body(client_id=...), id="no-client-id"),
        pytest.param(_body(client_name=...), id="no-name"),
        pytest.param(_body(client_name=""), id="empty-name"),
        pytest.param(_body(client_name="  "), id="blank-name"),
        pytest.param(_body(client_name=7), id="name-not-text"),
        pytest.param(_body(client_name="Goo\u202egle"), id="name-turned-around"),
        pytest.param(_body(client_name="x" * 257), id="name-too-long"),
        pytest.param(_body(redirect_uris=...), id="no-redirect-uris"),
        pytest.param(_body(redirect_uris=[]), id="empty-redirect-uris"),
        pytest.param(_body(redirect_uris="https://client.example/cb"), id="redirect-uris-not-a-list"),
        pytest.param(_body(redirect_uris=[["https://client.example/cb"]]), id="redirect-uris-nested"),
        pytest.param(_body(redirect_uris=[f"https://client.example/{n}" for n in range(17)]), id="too-many"),
        pytest.param(_body(redirect_uris=["https://client.example/cb", "javascript:alert(1)"]), id="dangerous"),
        pytest.param(_body(redirect_uris=["http://client.example/cb"]), id="http-redirect"),
        pytest.param(_body(redirect_uris=["https://client.example/cb#x"]), id="redirect-with-fragment"),
        pytest.param(_body(grant_types=["client_credentials"]), id="no-grant-type-of-ours"),
        pytest.param(_body(response_types=["token"]), id="no-response-type-of-ours"),
        pytest.param(_body(application_type="desktop"), id="application-type"),
        pytest.param(_body(client_uri="javascript:alert(1)"), id="client-uri"),
        pytest.param([], id="list"),
        pytest.param("x", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_a_document_that_is_not_right_is_refused(body: object):
    with pytest.raises(InvalidClientMetadata):
        read(_URL, body)


@pytest.mark.req(79)
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"client_secret": "hunter2"}, id="secret"),
        pytest.param({"client_secret": None}, id="null-secret"),
        pytest.param({"client_secret_expires_at": 0}, id="secret-expiry"),
        pytest.param({"token_endpoint_auth_method": "client_secret_basic"}, id="basic"),
        pytest.param({"token_endpoint_auth_method": "client_secret_post"}, id="post"),
        pytest.param({"token_endpoint_auth_method": "client_secret_jwt"}, id="hmac"),
        pytest.param({"token_endpoint_auth_methods_supported": ["none", "client_secret_post"]}, id="listed"),
        pytest.param({"token_endpoint_auth_method": "tls_client_auth"}, id="unknown"),
        pytest.param({"token_endpoint_auth_method": ["none"]}, id="not-text"),
        pytest.param({"token_endpoint_auth_methods_supported": "none"}, id="list-not-a-list"),
    ],
)
def test_a_shared_secret_or_an_unknown_method_refuses_the_document(members: dict[str, object]):
    with pytest.raises(InvalidClientMetadata):
        read(_URL, _body(**members))


@pytest.mark.req(80)
@pytest.mark.parametrize(
    ("members", "methods"),
    [
        pytest.param({}, ("none",), id="nothing-said"),
        pytest.param({"token_endpoint_auth_method": "none"}, ("none",), id="none"),
        pytest.param({"token_endpoint_auth_methods_supported": ["none"]}, ("none",), id="only-listed"),
        pytest.param({"token_endpoint_auth_methods_supported": []}, ("none",), id="empty-list"),
        pytest.param(
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://keys.example/jwks?v=1"},
            ("private_key_jwt",),
            id="keys-elsewhere",
        ),
        pytest.param(
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [_RSA]}},
            ("private_key_jwt",),
            id="keys-inside",
        ),
        pytest.param(
            {"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_methods_supported": ["none"]},
            ("none",),
            id="unknown-beside-none",
        ),
    ],
)
def test_auth_methods(members: dict[str, object], methods: tuple[str, ...]):
    document = read(_URL, _body(**members))
    assert document.auth_methods == methods
    assert document.jwks == members.get("jwks")


@pytest.mark.req(80)
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({}, id="no-keys"),
        pytest.param({"token_endpoint_auth_methods_supported": ["none"]}, id="no-keys-though-none-would-do"),
        pytest.param({"jwks": {"keys": [_RSA]}, "jwks_uri": "https://keys.example/jwks"}, id="both"),
        pytest.param({"jwks_uri": "http://keys.example/jwks"}, id="http"),
        pytest.param({"jwks_uri": "https://user@keys.example/jwks"}, id="userinfo"),
        pytest.param({"jwks_uri": "https://10.0.0.1/jwks"}, id="address"),
        pytest.param({"jwks_uri": "https://keys.example/a/../jwks"}, id="dots"),
        pytest.param({"jwks_uri": 7}, id="not-text"),
        pytest.param({"jwks": [_RSA]}, id="not-a-set"),
        pytest.param({"jwks": {"keys": {}}}, id="keys-not-a-list"),
    ],
)
def test_private_key_jwt_needs_keys_in_one_safe_place(members: dict[str, object]):
    with pytest.raises(InvalidClientMetadata):
        read(_URL, _body(token_endpoint_auth_method="private_key_jwt", **members))


@pytest.mark.req(79)
@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([{**_RSA, "d": "AQAB"}], id="private-rsa"),
        pytest.param([{**_RSA, "p": "AQAB"}], id="a-prime"),
        pytest.param([_RSA, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}], id="private-ec-beside"),
        pytest.param([{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}], id="private-okp"),
        pytest.param([_RSA, {"kty": "oct", "k": "c2VjcmV0"}], id="symmetric"),
        pytest.param([_RSA, {"kty": "oct"}], id="symmetric-without-a-value"),
        pytest.param([_RSA, {"kty": "AKP", "alg": "ML-DSA-44", "priv": "AA"}], id="private-of-a-new-type"),
        pytest.param([{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}], id="no-known-type"),
        pytest.param([_RSA, "x"], id="no-object"),
        pytest.param([_RSA] * 33, id="too-many"),
        pytest.param([{"kty": ["RSA"]}], id="type-not-text"),
    ],
)
def test_only_public_asymmetric_keys(keys: list[object], method: str):
    with pytest.raises(InvalidClientMetadata):
        read(_URL, _body(token_endpoint_auth_method=method, jwks={"keys": keys}))
    with pytest.raises(InvalidClientMetadata):
        read_keys({"keys": keys})


def test_what_is_not_known_is_passed_over():
    document = read(
        _URL,
        _body(
            scope="notes.read  notes.write notes.read",
            grant_types=["refresh_token", "urn:x"],
            redirect_uris=["app.example:/cb", "https://client.example/cb", "app.example:/cb"],
            jwks={"keys": [_RSA, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}]},
            registration_access_token="x",
            software_statement=7,
            **{"client_name#ja": 7},
        ),
    )
    assert document.refresh
    assert document.redirect_uris == ("app.example:/cb", "https://client.example/cb")
    assert not read(_URL, _body()).refresh


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=3)),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        *("client_name", "redirect_uris", "jwks", "jwks_uri", "grant_types", "response_types", "scope", "client_uri"),
        *("token_endpoint_auth_method", "token_endpoint_auth_methods_supported", "application_type", "client_id"),
    ]
)


@given(st.dictionaries(_NAMES, _JSON, max_size=4))
def test_nothing_but_one_error_comes_out(members: dict[str, object]):
    try:
        document = read(_URL, {**_body(), **members})
    except InvalidClientMetadata:
        return
    assert document.redirect_uris
    assert document.name
    assert document.auth_methods


@given(st.text(max_size=80) | st.text(max_size=40).map("https://client.example/{}".format))
def test_any_text_can_be_asked_about(text: str):
    if is_document_url(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set("#?\\ ")
        assert "@" not in text.split("/")[2]

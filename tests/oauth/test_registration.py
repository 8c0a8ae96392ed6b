"""RFC 7591 bodies to what is registered: real clients, defaults, narrowing, refusals."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError, PayloadTooLarge
from sidecar.oauth.registration import MAX_BODY, RegistrationPolicy, VerifiedMetadata, parse_json, verify
from tests.oauth import bodies

_OFFERED = ("notes.read", "notes.write")
_URI = "https://c.example/cb"
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=3)),
    max_leaves=8,
)
_MEMBERS = st.sampled_from(
    [
        *("redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "application_type", "scope"),
        *("client_name", "client_name#ja", "client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks", "jwks_uri"),
        *("contacts", "software_id", "software_statement", "foo"),
    ]
)
_LIKELY = st.one_of(
    _JSON,
    st.sampled_from(["none", "client_secret_post", "native", "https://c.example/x", "notes.read x", "Name"]),
    st.lists(
        st.sampled_from(
            [
                _URI,
                "http://localhost:1/",
                "app://x/y",
                "javascript:x",
                "code",
                "authorization_code",
                "refresh_token",
                "x",
            ]
        ),
        max_size=4,
    ),
)


def _verify(body: object, **policy: object) -> VerifiedMetadata:
    return verify(body, RegistrationPolicy(**policy), scopes=_OFFERED)  # type: ignore[arg-type]


def _with(**members: object) -> dict[str, object]:
    return {"redirect_uris": [_URI], **members}


def _empty(value: object) -> bool:
    if isinstance(value, Mapping):
        return not value or any(_empty(item) for item in value.values())
    if isinstance(value, list):
        return not value or any(_empty(item) for item in value)
    return value is None or value == ""


@pytest.mark.req(40, 52)
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in bodies.ALL.items()])
def test_real_clients_register_with_all_their_redirect_uris(body: Mapping[str, object]):
    document = _verify(dict(body)).document()
    assert document["redirect_uris"] == body["redirect_uris"]
    assert document["token_endpoint_auth_method"] == body.get("token_endpoint_auth_method", "client_secret_basic")
    assert document.get("application_type") == body.get("application_type")
    assert document.get("client_name") == body.get("client_name")
    assert document.get("client_uri") == body.get("client_uri")
    assert not _empty(document)


@pytest.mark.req(40, 41)
def test_a_minimal_body_gets_the_defaults_of_the_standard_and_nothing_else():
    assert _verify(bodies.LM_STUDIO).document() == {
        "redirect_uris": ["http://127.0.0.1:33389/mcp/oauth/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }


@pytest.mark.req(39)
def test_everything_registered_is_echoed():
    members = {
        "redirect_uris": [_URI, "http://localhost:1/"],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["refresh_token", "authorization_code"],
        "response_types": ["code"],
        "application_type": "web",
        "scope": "notes.write notes.read",
        "client_name": "Größe",
        "client_name#ja": "\u30af\u30e9",
        "client_uri": "https://c.example/",
        "logo_uri": "https://c.example/logo.png",
        "tos_uri": "https://c.example/tos?x=1",
        "tos_uri#de-CH": "https://c.example/tos/de",
        "policy_uri": "http://c.example/policy",
        "contacts": ["admin@c.example"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "2.1",
    }
    assert _verify(members).document() == members


@pytest.mark.req(43, 44)
@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
def test_a_known_auth_method_is_kept(method: str):
    assert _verify(_with(token_endpoint_auth_method=method)).auth_method == method


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt", "tls_client_auth", "NONE", "x" * 500])
def test_an_unknown_auth_method_is_refused(method: str):
    with pytest.raises(InvalidClientMetadata):
        _verify(_with(token_endpoint_auth_method=method))


@pytest.mark.req(47)
def test_unknown_and_privileged_members_are_ignored():
    privileged = {
        "client_id": "mine",
        "client_secret": "mine",
        "client_id_issued_at": 1,
        "client_secret_expires_at": 1,
        "registration_access_token": "mine",
        "registration_client_uri": "https://evil.example",
        "skip_consent": True,
        "trusted": True,
        "foo": {"bar": [None]},
        "redirect_uris#ja": ["javascript:x"],
    }
    assert _verify(_with(**privileged)) == _verify(_with())


@pytest.mark.req(58)
def test_a_software_statement_changes_nothing():
    forged = "eyJhbGciOiJub25lIn0.eyJjbGllbnRfbmFtZSI6IkJhbmsifQ."
    assert _verify(_with(software_statement=forged)) == _verify(_with())


@pytest.mark.req(55)
@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        pytest.param(["authorization_code"], ("authorization_code",), id="code"),
        pytest.param(["refresh_token"], ("authorization_code", "refresh_token"), id="refresh alone"),
        pytest.param(["authorization_code", "implicit", "password"], ("authorization_code",), id="removed"),
        pytest.param(["refresh_token", "authorization_code"], ("refresh_token", "authorization_code"), id="order kept"),
        pytest.param(["authorization_code", "authorization_code"], ("authorization_code",), id="repeated"),
        pytest.param([], ("authorization_code",), id="empty"),
        pytest.param(None, ("authorization_code",), id="null"),
    ],
)
def test_grant_types_are_corrected(asked: object, registered: tuple[str, ...]):
    verified = _verify(_with(grant_types=asked))
    assert verified.grant_types == registered
    assert verified.refresh is ("refresh_token" in registered)


@pytest.mark.req(55, 59)
@pytest.mark.parametrize(
    "member",
    [
        pytest.param({"grant_types": ["implicit"]}, id="implicit"),
        pytest.param({"grant_types": ["password", "client_credentials"]}, id="password"),
        pytest.param({"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}, id="device code"),
        pytest.param({"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]}, id="token exchange"),
        pytest.param({"response_types": ["token"]}, id="token"),
        pytest.param({"response_types": ["code token", "id_token"]}, id="hybrid"),
    ],
)
def test_when_nothing_usable_remains_it_is_invalid(member: dict[str, object]):
    with pytest.raises(InvalidClientMetadata):
        _verify(_with(**member))


@pytest.mark.req(55)
def test_only_the_code_response_type_remains():
    assert _verify(_with(response_types=["token", "code", "code id_token"])).response_types == ("code",)


@pytest.mark.req(56)
@pytest.mark.parametrize(
    ("scope", "registered"),
    [
        pytest.param("", (), id="empty"),
        pytest.param(None, (), id="null"),
        pytest.param("notes.read", ("notes.read",), id="offered"),
        pytest.param(
            "openid notes.write offline_access notes.read admin", ("notes.write", "notes.read"), id="narrowed"
        ),
        pytest.param("admin", (), id="nothing left"),
        pytest.param("notes.read  notes.read ", ("notes.read",), id="repeated"),
    ],
)
def test_scope_is_narrowed_not_refused(scope: object, registered: tuple[str, ...]):
    verified = _verify(_with(scope=scope))
    assert verified.scopes == registered
    assert ("scope" in verified.document()) is bool(registered)


def test_policy_narrows_what_is_offered():
    assert _verify(_with(scope="notes.read notes.write"), scopes=("notes.read", "admin")).scopes == ("notes.read",)


@pytest.mark.req(48)
@pytest.mark.parametrize("application_type", ["native", "web", None, ""])
@pytest.mark.parametrize("uri", ["http://localhost:1/cb", "cursor://anysphere.cursor-mcp/cb", _URI])
def test_application_type_forbids_no_redirect_uri(application_type: object, uri: str):
    body = {"redirect_uris": [uri], "application_type": application_type}
    assert _verify(body).application_type == (application_type or "")


@pytest.mark.req(57)
def test_jwks_and_jwks_uri_together_are_refused():
    with pytest.raises(InvalidClientMetadata):
        _verify(_with(jwks={"keys": []}, jwks_uri="https://c.example/jwks"))
    assert _verify(_with(jwks={"keys": [{"kty": "junk"}]})) == _verify(_with())
    assert _verify(_with(jwks_uri="https://c.example/jwks")) == _verify(_with())


@pytest.mark.req(40)
def test_null_and_empty_optional_members_count_as_absent():
    names = ("client_name", "client_uri", "logo_uri", "contacts", "jwks_uri", "software_id", "client_name#ja")
    assert _verify(_with(**dict.fromkeys(names))) == _verify(_with())
    assert _verify(_with(**dict.fromkeys(names, ""))) == _verify(_with())
    assert _verify(_with(client_name="   ")) == _verify(_with())


@pytest.mark.req(59)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param([_with()], id="list of bodies"),
        pytest.param("redirect_uris", id="string"),
        pytest.param(1, id="number"),
        pytest.param(True, id="boolean"),
        pytest.param({"redirect_uris": _URI}, id="string for redirect_uris"),
        pytest.param({"redirect_uris": {"0": _URI}}, id="object for redirect_uris"),
        pytest.param({"redirect_uris": [[_URI]]}, id="nested redirect_uris"),
        pytest.param({"redirect_uris": [None]}, id="null in redirect_uris"),
        pytest.param({"redirect_uris": [_URI] * 10_000}, id="10000 redirect_uris"),
        pytest.param(_with(scope=1), id="number for scope"),
        pytest.param(_with(scope=["notes.read"]), id="list for scope"),
        pytest.param(_with(scope='a"b'), id="quote in scope"),
        pytest.param(_with(scope="a\nb"), id="line end in scope"),
        pytest.param(_with(scope="a" * 5000), id="long scope"),
        pytest.param(_with(grant_types="authorization_code"), id="string for grant_types"),
        pytest.param(_with(grant_types=[1]), id="number in grant_types"),
        pytest.param(_with(grant_types=["x"] * 100), id="many grant_types"),
        pytest.param(_with(response_types={"code": True}), id="object for response_types"),
        pytest.param(_with(token_endpoint_auth_method=["none"]), id="list for auth method"),
        pytest.param(_with(token_endpoint_auth_method=False), id="boolean for auth method"),
        pytest.param(_with(application_type="desktop"), id="unknown application type"),
        pytest.param(_with(application_type=0), id="number for application type"),
        pytest.param(_with(client_name={"en": "x"}), id="object for name"),
        pytest.param(_with(contacts="a@b"), id="string for contacts"),
        pytest.param(_with(contacts=["a", 1]), id="number in contacts"),
        pytest.param(_with(contacts=[""]), id="empty contact"),
        pytest.param(_with(contacts=["a\u202eb"]), id="bidi in a contact"),
        pytest.param(_with(jwks="x"), id="string for jwks"),
        pytest.param(_with(jwks={}), id="jwks without keys"),
        pytest.param(_with(jwks={"keys": {}}), id="object for keys"),
        pytest.param(_with(jwks_uri=["https://c.example"]), id="list for jwks_uri"),
        pytest.param(_with(jwks_uri="file:///etc/passwd"), id="file for jwks_uri"),
    ],
)
def test_confused_types_are_invalid_client_metadata(body: object):
    with pytest.raises(InvalidClientMetadata) as caught:
        _verify(body)
    assert caught.value.status == 400


@pytest.mark.req(38, 59)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"redirect_uris=x", id="form"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param(b"[" * 60_000, id="deep"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b'{"a": 1' + b"0" * 60_000 + b"}", id="huge number"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b"{'a': 1}", id="single quotes"),
    ],
)
def test_what_is_not_json_is_invalid_client_metadata(body: bytes):
    with pytest.raises(InvalidClientMetadata):
        parse_json(body)


def test_json_is_read_up_to_its_limit():
    assert parse_json(b'{"redirect_uris": ["x"]}') == {"redirect_uris": ["x"]}
    assert parse_json(b'"' + b"a" * (MAX_BODY - 2) + b'"') == "a" * (MAX_BODY - 2)
    with pytest.raises(PayloadTooLarge):
        parse_json(b" " * (MAX_BODY + 1))


def test_a_registration_of_pages_and_pages_is_refused():
    """Whoever registers is anonymous, and all of it is kept."""
    languages = {f"client_name#de-x-{number}": "n" * 256 for number in range(40)}
    with pytest.raises(InvalidClientMetadata):
        _verify({"redirect_uris": [_URI], **languages})
    assert len(_verify({"redirect_uris": [_URI], **dict(list(languages.items())[:20])}).extra) == 20


@given(st.one_of(_JSON, st.dictionaries(st.one_of(_MEMBERS, st.text(max_size=10)), _LIKELY, max_size=6)))
def test_no_body_raises_anything_but_registration_errors(body: object):
    for candidate in (body, {"redirect_uris": [_URI], **body} if isinstance(body, dict) else body):
        try:
            verified = _verify(candidate)
        except OAuthError as error:
            assert type(error) in {InvalidRedirectUri, InvalidClientMetadata}  # noqa: PT017
            continue
        assert not _empty(verified.document())


@given(st.dictionaries(_MEMBERS, _LIKELY, max_size=6))
def test_what_was_accepted_registers_again_to_the_same(body: dict[str, object]):
    try:
        verified = _verify({"redirect_uris": [_URI, "app://x/y"], **body})
    except OAuthError:
        return
    again = _verify(verified.document())
    assert again.document() == verified.document()
    assert again.dropped_redirect_uris == ()


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_oauth_errors(body: bytes):
    try:
        parse_json(body)
    except OAuthError as error:
        assert type(error) is InvalidClientMetadata  # noqa: PT017

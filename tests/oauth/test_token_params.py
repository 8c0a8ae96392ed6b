"""POST /token and POST /revoke: the form to a request (RFC 6749 3.2, RFC 7009 2.1)."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    PayloadTooLarge,
    UnsupportedGrantType,
)
from sidecar.oauth.params import (
    MAX_BODY,
    MAX_QUERY,
    ClientCredentials,
    CodeRequest,
    RefreshRequest,
    RevocationRequest,
    form_fields,
    refuse_secrets_in_query,
    revocation_request,
    token_request,
)

_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CODE = f"grant_type=authorization_code&client_id=c&code=dcrc_x&code_verifier={_VERIFIER}".encode()
_REFRESH = b"grant_type=refresh_token&client_id=c&refresh_token=dcrr_x"
_BASIC = "Basic " + b64encode(b"c:s").decode()


def test_a_code_request_is_read():
    request = token_request(
        _CODE + b"&redirect_uri=https%3A%2F%2Fc.example%2Fcb&resource=https%3A%2F%2Fm.example", None
    )
    assert request == CodeRequest(
        ClientCredentials("c", "none"), "dcrc_x", _VERIFIER, "https://c.example/cb", "https://m.example"
    )


def test_redirect_uri_and_resource_may_be_absent():
    request = token_request(_CODE + b"&redirect_uri=&resource=", None)
    assert isinstance(request, CodeRequest)
    assert (request.redirect_uri, request.resource) == (None, None)


def test_a_refresh_request_is_read():
    request = token_request(b"grant_type=refresh_token&refresh_token=dcrr_x&scope=a+b&resource=r", _BASIC)
    assert request == RefreshRequest(ClientCredentials("c", "client_secret_basic", "s"), "dcrr_x", ("a", "b"), "r")


def test_an_empty_scope_is_none():
    request = token_request(_REFRESH + b"&scope=", None)
    assert isinstance(request, RefreshRequest)
    assert request.scopes is None


def test_what_is_secret_is_not_shown():
    shown = repr(token_request(_CODE, None)) + repr(token_request(_REFRESH, _BASIC.replace("Basic", "basic")))
    assert not any(secret in shown for secret in ("dcrc_x", "dcrr_x", _VERIFIER))


@pytest.mark.req(134)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"", InvalidRequest, id="empty"),
        pytest.param(b"client_id=c&code=x", InvalidRequest, id="no grant type"),
        pytest.param(b"grant_type=&client_id=c", InvalidRequest, id="empty grant type"),
        pytest.param(b'{"grant_type": "authorization_code"}', InvalidRequest, id="JSON"),
        pytest.param(b"grant_type=password&client_id=c&username=u&password=p", UnsupportedGrantType, id="password"),
        pytest.param(b"grant_type=client_credentials&client_id=c", UnsupportedGrantType, id="client credentials"),
        pytest.param(b"grant_type=implicit", UnsupportedGrantType, id="implicit"),
        pytest.param(b"grant_type=Authorization_Code&client_id=c", UnsupportedGrantType, id="case"),
        pytest.param(
            b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange", UnsupportedGrantType, id="exchange"
        ),
        pytest.param(b"grant_type=authorization_code&client_id=c&code_verifier=x", InvalidRequest, id="no code"),
        pytest.param(b"grant_type=refresh_token&client_id=c", InvalidRequest, id="no refresh token"),
        pytest.param(_REFRESH + b"&scope=a%22b", InvalidScope, id="quote in a scope"),
        pytest.param(_REFRESH + b"&scope=a%0Ab", InvalidScope, id="line end in a scope"),
        pytest.param(_REFRESH + b"&scope=%C3%BC", InvalidScope, id="scope not ASCII"),
        pytest.param(_REFRESH.replace(b"client_id=c", b""), InvalidClient, id="no client"),
        pytest.param(_CODE.replace(b"client_id=c", b"client_id="), InvalidClient, id="empty client id"),
        pytest.param(_CODE + b"&client_assertion=e30.e30.&client_assertion_type=x", InvalidClient, id="assertion"),
    ],
)
def test_a_request_that_is_not_one_gets_the_code_of_the_standard(body: bytes, error: type[OAuthError]):
    with pytest.raises(OAuthError) as caught:
        token_request(body, None)
    assert type(caught.value) is error


@pytest.mark.req(160)
@pytest.mark.parametrize("grant_type", ["password", "implicit", "token"])
def test_grants_of_the_past_do_not_exist(grant_type: str):
    with pytest.raises(UnsupportedGrantType):
        token_request(f"grant_type={grant_type}&client_id=c".encode(), None)


@pytest.mark.req(137)
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 42, id="too short"),
        pytest.param("a" * 129, id="too long"),
        pytest.param("a" * 42 + "%2B", id="not unreserved"),
        pytest.param("a" * 43 + "%0A", id="line end"),
        pytest.param("%C3%BC" * 43, id="not ASCII"),
    ],
)
def test_a_missing_or_misshapen_verifier_is_invalid_grant(verifier: str):
    with pytest.raises(InvalidGrant):
        token_request(f"grant_type=authorization_code&client_id=c&code=x&code_verifier={verifier}".encode(), None)
    with pytest.raises(InvalidGrant):
        token_request(b"grant_type=authorization_code&client_id=c&code=x", None)


@pytest.mark.req(129)
@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"&client_id=c", id="same value"),
        pytest.param(b"&client_id=d", id="another value"),
        pytest.param(b"&client_id=", id="no value"),
        pytest.param(b"&%63lient_id=c", id="encoded name"),
        pytest.param(b"&grant_type=refresh_token", id="grant type"),
        pytest.param(b"&foo=1&foo=2", id="unknown"),
    ],
)
def test_a_repeated_parameter_is_invalid_request(more: bytes):
    with pytest.raises(InvalidRequest):
        token_request(_CODE + more, None)
    with pytest.raises(InvalidRequest):
        revocation_request(b"client_id=c&grant_type=x&token=t" + more, None)


@pytest.mark.req(129)
def test_unknown_parameters_are_ignored():
    assert token_request(_CODE + b"&foo=1&audience=x", None) == token_request(_CODE, None)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"a=%00", id="NUL"),
        pytest.param(b"a=\xff", id="not UTF-8"),
        pytest.param(b"a=%zz", id="broken escape"),
        pytest.param(b"%=1", id="broken name"),
        pytest.param(b"&".join(b"a%d=1" % number for number in range(257)), id="too many fields"),
    ],
)
def test_a_form_that_cannot_be_read_in_one_way_is_refused(body: bytes):
    with pytest.raises(InvalidRequest):
        form_fields(body)


def test_a_large_form_is_refused():
    with pytest.raises(PayloadTooLarge):
        form_fields(b"a" * (MAX_BODY + 1))
    assert form_fields(b"a=" + b"b" * (MAX_BODY - 2)) == {"a": "b" * (MAX_BODY - 2)}


def test_a_form_of_nothing_but_escapes_is_refused_before_it_is_decoded():
    """64 KiB of them cost 20 ms; the longest request that /authorize reads is decoded whatever it consists of."""
    with pytest.raises(InvalidRequest, match="escaped"):
        form_fields(b"a=" + b"%41" * (MAX_BODY // 3 - 1))
    most = (MAX_QUERY - 2) // 3
    assert form_fields(b"a=" + b"%41" * most) == {"a": "A" * most}


def test_fields_without_a_value_are_left_out():
    assert form_fields(b"a=1&b=&c&=d&&e=%20+") == {"a": "1", "e": "  "}


@pytest.mark.req(161)
def test_a_revocation_request_is_read():
    request = revocation_request(b"token=dcrr_x&token_type_hint=banana&client_id=c&client_secret=s", None)
    assert request == RevocationRequest(ClientCredentials("c", "client_secret_post", "s"), "dcrr_x", "banana")
    assert "dcrr_x" not in repr(request)


@pytest.mark.req(161)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(b"token=x", InvalidClient, id="no client"),
        pytest.param(b"", InvalidClient, id="nothing"),
        pytest.param(b"client_id=c", InvalidRequest, id="no token"),
        pytest.param(b"client_id=c&token=", InvalidRequest, id="empty token"),
    ],
)
def test_a_revocation_needs_a_client_and_a_token(body: bytes, error: type[OAuthError]):
    with pytest.raises(error):
        revocation_request(body, None)


@pytest.mark.parametrize(
    "query", ["client_secret=s", "a=1&code=x", "refresh_token=", "cl%69ent_secret=s", b"token=x", "client_assertion=x"]
)
def test_secrets_in_a_url_are_refused(query: str | bytes):
    with pytest.raises(InvalidRequest):
        refuse_secrets_in_query(query)


@pytest.mark.parametrize("query", ["", "x=1", "client_id=c", b""])
def test_other_queries_are_nobody_s_business(query: str | bytes):
    refuse_secrets_in_query(query)


_FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["grant_type", "client_id", "client_secret", "code", "code_verifier", "refresh_token", "token"]
        ),
        st.sampled_from(["authorization_code", "refresh_token", _VERIFIER, "x", "", "%00", "%F", "+"]),
    ),
    max_size=7,
).map(lambda fields: "&".join(f"{name}={value}" for name, value in fields).encode())


@given(st.one_of(st.binary(max_size=300), _FIELDS), st.one_of(st.none(), st.just(_BASIC), st.text(max_size=30)))
def test_no_form_raises_anything_but_oauth_errors(body: bytes, authorization: str | None):
    for read in (token_request, revocation_request):
        try:
            read(body, authorization)
        except OAuthError as error:
            assert 400 <= error.status < 500  # noqa: PT017
    for query in (body, body.decode("ascii", "surrogateescape")):
        try:
            refuse_secrets_in_query(query)
        except OAuthError as error:
            assert type(error) is InvalidRequest  # noqa: PT017

"""Client credentials (RFC 6749 2.3) and bearer tokens (RFC 6750 2.1)."""

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.assertion import ASSERTION_TYPE
from sidecar.oauth.authentication import ClientCredentials, NoToken, bearer, client_credentials
from sidecar.oauth.errors import InvalidClient, InvalidRequest, InvalidToken, OAuthError
from sidecar.oauth.params import revocation_request, token_request

_ID = "dcr1-AbC_-9"
_SECRET = "s3cr3t_-AbC"
_CLIENT = "https://client.example/oauth/client.json"
_ASSERTION = f"e30.{urlsafe_b64encode(orjson.dumps({'sub': _CLIENT})).decode().rstrip('=')}.c2ln"
_ASSERTED = {"client_assertion": _ASSERTION, "client_assertion_type": ASSERTION_TYPE}


def _basic(text: str | bytes) -> str:
    return "Basic " + b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"client_id": _ID}, ClientCredentials(_ID, "none"), id="none"),
        pytest.param(
            {"client_id": _ID, "client_secret": _SECRET},
            ClientCredentials(_ID, "client_secret_post", _SECRET),
            id="post",
        ),
    ],
)
def test_the_form_names_the_client(fields: dict[str, str], expected: ClientCredentials):
    assert client_credentials(fields, None) == expected
    assert not expected.basic


@pytest.mark.req(133)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(_basic(f"{_ID}:{_SECRET}"), id="raw"),
        pytest.param(_basic(f"{quote_plus(_ID)}:{quote_plus(_SECRET)}"), id="form-encoded"),
        pytest.param(_basic("".join(f"%{ord(c):02X}" for c in _ID) + ":" + quote(_SECRET)), id="all escaped"),
        pytest.param(_basic(f"{_ID}:{_SECRET}").replace("Basic", "bAsIc"), id="scheme in any case"),
        pytest.param(_basic(f"{_ID}:{_SECRET}").replace(" ", "   "), id="several spaces"),
    ],
)
def test_basic_credentials_are_form_decoded_after_base64(header: str):
    credentials = client_credentials({}, header)
    assert credentials == ClientCredentials(_ID, "client_secret_basic", _SECRET)
    assert credentials.basic


@pytest.mark.req(133)
def test_reserved_characters_in_basic_credentials_need_their_encoding():
    header = _basic(f"{quote_plus('https://c.example/id')}:{quote_plus('a:b+c d%')}")
    assert client_credentials({}, header) == ClientCredentials(
        "https://c.example/id", "client_secret_basic", "a:b+c d%"
    )


@pytest.mark.req(132)
def test_basic_with_an_equal_client_id_in_the_body_is_one_method():
    assert client_credentials({"client_id": _ID}, _basic(f"{_ID}:{_SECRET}")).method == "client_secret_basic"


@pytest.mark.req(132)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"client_id": _ID, "client_secret": _SECRET}, id="secret twice"),
        pytest.param({"client_secret": _SECRET}, id="secret twice, id once"),
        pytest.param({"client_id": "another"}, id="two client ids"),
    ],
)
def test_two_methods_at_once_are_refused(fields: dict[str, str]):
    with pytest.raises(InvalidRequest):
        client_credentials(fields, _basic(f"{_ID}:{_SECRET}"))


@pytest.mark.req(130)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="empty"),
        pytest.param("Basic", id="scheme only"),
        pytest.param("Basic ", id="no credentials"),
        pytest.param("Basic !!!", id="not base64"),
        pytest.param("Basic YQ=", id="bad padding"),
        pytest.param("Basic YQ", id="no padding"),
        pytest.param("Basic " + b64encode(b"\xff\xfe").decode().replace("/", "_"), id="base64url"),
        pytest.param(_basic("no colon"), id="no colon"),
        pytest.param(_basic(f":{_SECRET}"), id="no client id"),
        pytest.param(_basic(f"{_ID}:%zz"), id="broken escape"),
        pytest.param(_basic(f"{_ID}:%FF"), id="encoded bytes that are not UTF-8"),
        pytest.param(_basic(b"\xff:x"), id="bytes that are not UTF-8"),
        pytest.param(_basic(f"{_ID}:a\x00"), id="NUL"),
        pytest.param(_basic("a" * 8192), id="too long"),
        pytest.param("Bearer abc", id="another scheme"),
        pytest.param('Digest username="a"', id="Digest"),
        pytest.param(_basic(f"{_ID}:x") + "," + _basic(f"{_ID}:y"), id="two in one"),
        pytest.param(_basic(f"{_ID}:x") + "\n", id="line end"),
        pytest.param("Basic \udcff", id="undecodable"),
    ],
)
def test_bad_basic_credentials_are_invalid_client_with_a_basic_challenge(header: str):
    with pytest.raises(InvalidClient) as caught:
        client_credentials({"client_id": _ID}, header)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.req(130)
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"client_secret": _SECRET}, id="secret only"),
    ],
)
def test_a_client_that_is_not_named_is_invalid_client(fields: dict[str, str]):
    with pytest.raises(InvalidClient) as caught:
        client_credentials(fields, None)
    assert caught.value.status == 401
    assert "WWW-Authenticate" not in caught.value.headers


def test_a_secret_is_not_shown():
    assert _SECRET not in repr(ClientCredentials(_ID, "client_secret_post", _SECRET))
    assert _ASSERTION not in repr(client_credentials(_ASSERTED, None))


@pytest.mark.req(157)
@pytest.mark.parametrize("fields", [{}, {"client_id": _CLIENT}], ids=["without client_id", "with client_id"])
def test_an_assertion_names_its_client(fields: dict[str, str]):
    credentials = client_credentials({**_ASSERTED, **fields}, None)
    assert credentials == ClientCredentials(_CLIENT, "private_key_jwt", _ASSERTION)
    assert not credentials.basic


@pytest.mark.req(132, 157)
@pytest.mark.parametrize(
    ("fields", "header"),
    [
        pytest.param({"client_secret": _SECRET}, None, id="secret"),
        pytest.param({}, _basic(f"{_ID}:{_SECRET}"), id="Basic"),
        pytest.param({"client_id": _CLIENT}, "Bearer x", id="another header"),
        pytest.param({"client_secret": _SECRET, "client_assertion": "junk"}, None, id="secret and junk"),
    ],
)
def test_a_second_method_beside_an_assertion_is_refused(fields: dict[str, str], header: str | None):
    with pytest.raises(InvalidRequest):
        client_credentials({**_ASSERTED, **fields}, header)


@pytest.mark.req(130, 157)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_assertion_type": None}, id="no type"),
        pytest.param({"client_assertion_type": ""}, id="empty type"),
        pytest.param({"client_assertion_type": ASSERTION_TYPE.upper()}, id="type in another case"),
        pytest.param({"client_assertion_type": f"{ASSERTION_TYPE} "}, id="type with a blank"),
        pytest.param({"client_assertion_type": ASSERTION_TYPE.replace("jwt", "saml2")}, id="SAML"),
        pytest.param({"client_assertion": None}, id="type only"),
        pytest.param({"client_assertion": ""}, id="empty assertion"),
        pytest.param({"client_assertion": "junk"}, id="junk"),
        pytest.param({"client_assertion": "e30.e30.c2ln"}, id="nobody's"),
        pytest.param({"client_assertion": _ASSERTION + "a" * 8192}, id="too long"),
        pytest.param({"client_id": _ID}, id="another client's"),
        pytest.param({"client_id": f"{_CLIENT}/"}, id="almost the client's"),
    ],
)
def test_an_assertion_that_cannot_be_one_is_invalid_client(changes: dict[str, str | None]):
    fields = {name: value for name, value in {**_ASSERTED, **changes}.items() if value is not None}
    with pytest.raises(InvalidClient) as caught:
        client_credentials(fields, None)
    assert (caught.value.status, caught.value.description) == (401, InvalidClient.default)
    assert "WWW-Authenticate" not in caught.value.headers


@pytest.mark.req(157)
@pytest.mark.parametrize("repeated", ["client_assertion", "client_assertion_type"])
def test_a_repeated_assertion_is_an_invalid_request(repeated: str):
    form = urlencode([("grant_type", "refresh_token"), *_ASSERTED.items(), (repeated, _ASSERTED[repeated])])
    with pytest.raises(InvalidRequest):
        token_request(form.encode(), None)


@pytest.mark.req(157)
def test_token_and_revocation_requests_carry_an_assertion():
    form = urlencode({"grant_type": "refresh_token", "refresh_token": "r", "token": "t", **_ASSERTED}).encode()
    expected = ClientCredentials(_CLIENT, "private_key_jwt", _ASSERTION)
    assert token_request(form, None).credentials == revocation_request(form, None).credentials == expected


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_any_encoded_credentials_come_out_as_they_went_in(client_id: str, secret: str):
    header = _basic(f"{quote_plus(client_id, errors='replace')}:{quote_plus(secret, errors='replace')}")
    if "\0" in client_id + secret:
        with pytest.raises(InvalidClient):
            client_credentials({}, header)
        return
    credentials = client_credentials({}, header)
    expected = tuple(text.encode(errors="replace").decode() for text in (client_id, secret))
    assert (credentials.client_id, credentials.secret) == expected


_FIELDS = st.sampled_from(["client_id", "client_secret", "client_assertion", "client_assertion_type"])


@given(st.dictionaries(_FIELDS, st.one_of(st.text(max_size=10), st.just(ASSERTION_TYPE))), st.text(max_size=60))
def test_no_header_raises_anything_but_oauth_errors(fields: dict[str, str], header: str):
    for value in (None, header, f"Basic {header}"):
        try:
            client_credentials(fields, value)
        except OAuthError as error:
            assert type(error) in {InvalidClient, InvalidRequest}  # noqa: PT017


@pytest.mark.req(173)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_bearer_scheme_is_read_in_any_case(scheme: str):
    assert bearer([f"{scheme} dcra_Ab-_9.~+/x=="]) == "dcra_Ab-_9.~+/x=="


@pytest.mark.req(169, 173)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="no header"),
        pytest.param([""], id="empty header"),
        pytest.param(["Bearer"], id="scheme only"),
        pytest.param(["Bearer "], id="no token"),
        pytest.param(["Bearer  \t"], id="blanks only"),
        pytest.param(["Basic YTpi"], id="another scheme"),
        pytest.param(["dcra_abc"], id="no scheme"),
        pytest.param(["Bearertoken"], id="no space"),
        pytest.param(["Token Bearer x"], id="in another scheme"),
    ],
)
def test_without_a_bearer_token_there_is_no_error_to_tell(values: list[str]):
    with pytest.raises(NoToken) as caught:
        bearer(values)
    assert caught.value.status == 401


@pytest.mark.req(170, 173)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["Bearer a", "Bearer a"], id="two headers"),
        pytest.param(["Bearer a", ""], id="a second, empty header"),
        pytest.param(["", "Bearer a"], id="a first, empty header"),
        pytest.param(["Bearer  a"], id="two spaces"),
        pytest.param(["Bearer\ta"], id="tab"),
        pytest.param(["Bearer a "], id="trailing space"),
        pytest.param(["Bearer a b"], id="two tokens"),
        pytest.param(["Bearer a,Bearer b"], id="joined headers"),
        pytest.param(["Bearer a\n"], id="line end"),
        pytest.param(["Bearer ="], id="padding only"),
        pytest.param(["Bearer a=b"], id="padding inside"),
        pytest.param(["Bearer é"], id="not ASCII"),
        pytest.param(["Bearer \udcff"], id="undecodable"),
        pytest.param(["Bearer a\x00"], id="NUL"),
        pytest.param(["Bearer \u0661"], id="digit of another script"),
        pytest.param(["Bearer " + "a" * 8192], id="too long"),
    ],
)
def test_a_malformed_token_is_invalid(values: list[str]):
    with pytest.raises(InvalidToken) as caught:
        bearer(values)
    assert caught.value.status == 401


@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_bearer_header_raises_anything_but_oauth_errors(values: list[str]):
    for candidate in (values, [f"Bearer {value}" for value in values]):
        try:
            bearer(candidate)
        except OAuthError as error:
            assert type(error) in {NoToken, InvalidToken}  # noqa: PT017

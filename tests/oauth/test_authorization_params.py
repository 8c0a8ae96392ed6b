"""GET /authorize: the raw query to `AuthorizationParams` (RFC 6749 3.1, 4.1.1; RFC 8707 2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.errors import InvalidRequest, OAuthError
from sidecar.oauth.params import MAX_QUERY, MAX_STATE, authorization_params

_NAMES = st.sampled_from(["client_id", "redirect_uri", "scope", "state", "resource", "code_challenge", "x"])


def test_every_parameter_is_read():
    params = authorization_params(
        "response_type=code&client_id=dcr1-x&redirect_uri=https%3A%2F%2Fc.example%2Fcb&scope=a+b%20c&state=s"
        "&code_challenge=abc&code_challenge_method=S256&resource=https%3A%2F%2Fm.example%2Fmcp"
    )
    assert params.response_type == "code"
    assert params.client_id == "dcr1-x"
    assert params.redirect_uri == "https://c.example/cb"
    assert params.scopes == ("a", "b", "c")
    assert params.state == "s"
    assert params.code_challenge == "abc"
    assert params.code_challenge_method == "S256"
    assert params.resources == ("https://m.example/mcp",)
    assert params.repeated == frozenset()


@pytest.mark.req(89)
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param("&&&", id="separators only"),
        pytest.param(
            "response_type=&client_id=&redirect_uri=&scope=&state=&code_challenge=&code_challenge_method=&resource=",
            id="all empty",
        ),
        pytest.param("client_id&state&scope&=x", id="names only"),
        pytest.param("prompt=consent&audience=a&nonce=n&login_hint=u&response_mode=form_post&foo=1", id="unknown"),
    ],
)
def test_empty_and_unknown_parameters_count_as_absent(query: str):
    params = authorization_params(query)
    assert (params.response_type, params.client_id, params.resources) == ("", "", ())
    assert params.redirect_uri is None
    assert params.scopes is None
    assert params.state is None
    assert params.code_challenge is None
    assert params.code_challenge_method is None
    assert params.repeated == frozenset()


@pytest.mark.req(89)
@pytest.mark.parametrize(
    "name",
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
    ],
)
@pytest.mark.parametrize("second", ["b", "a", ""], ids=["another value", "the same value", "no value"])
def test_a_repeated_parameter_is_named_and_has_no_value(name: str, second: str):
    params = authorization_params(f"{name}=a&x=1&{name}={second}")
    assert params.repeated == {name}
    value = getattr(params, "scopes" if name == "scope" else name)
    assert not value


@pytest.mark.req(89)
def test_a_name_hidden_by_percent_encoding_is_the_same_name():
    assert authorization_params("state=a&st%61te=b").repeated == {"state"}


def test_unknown_parameters_may_repeat():
    assert authorization_params("audience=a&audience=b&client_id=x").repeated == frozenset()


def test_several_resources_are_all_told():
    params = authorization_params("resource=https%3A%2F%2Fa.example&resource=&resource=https%3A%2F%2Fb.example")
    assert params.resources == ("https://a.example", "https://b.example")
    assert params.repeated == frozenset()


@pytest.mark.req(98)
@pytest.mark.parametrize(
    ("encoded", "state"),
    [
        pytest.param("a%2B%2F%3D%26%2520", "a+/=&%20", id="decoded once"),
        pytest.param("a+b", "a b", id="plus is a space"),
        pytest.param("a=b=c", "a=b=c", id="equals signs"),
        pytest.param("%0D%0ALocation%3A%20x", "\r\nLocation: x", id="line ends"),
        pytest.param("%F0%9F%98%80", "\N{GRINNING FACE}", id="UTF-8"),
        pytest.param("x" * MAX_STATE, "x" * MAX_STATE, id="the longest"),
        pytest.param("%E2%82%AC" * 1500, "\N{EURO SIGN}" * 1500, id="characters are counted, not bytes"),
    ],
)
def test_state_is_opaque(encoded: str, state: str):
    assert authorization_params(f"state={encoded}").state == state


@pytest.mark.req(98)
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("state=" + "x" * (MAX_STATE + 1), id="long state"),
        pytest.param("x=" + "x" * MAX_QUERY, id="long query"),
        pytest.param("&" * (MAX_QUERY + 1), id="many separators"),
        pytest.param("state=%00", id="NUL"),
        pytest.param("state=a\x00b", id="raw NUL"),
        pytest.param("%00=a", id="NUL in a name"),
        pytest.param("state=%FF", id="not UTF-8"),
        pytest.param("state=%C0%AF", id="overlong UTF-8"),
        pytest.param("state=%ED%A0%80", id="encoded surrogate"),
        pytest.param(b"state=\xff", id="raw bytes that are not UTF-8"),
        pytest.param("state=\udcff", id="surrogateescape of such a byte"),
        pytest.param("state=\ud800", id="lone surrogate"),
        pytest.param("state=%zz", id="broken escape"),
        pytest.param("state=%4", id="half an escape"),
        pytest.param("state=%", id="lone percent"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(query: str | bytes):
    with pytest.raises(InvalidRequest):
        authorization_params(query)


@pytest.mark.req(96)
def test_only_spaces_separate_scopes():
    params = authorization_params("scope=b++a%20b%0Ac%09d")
    assert params.scopes == ("b", "a", "b\nc\td")
    assert authorization_params("scope=++").scopes is None


def test_text_and_bytes_read_the_same():
    query = "state=%C3%BC&client_id=ü"
    assert authorization_params(query) == authorization_params(query.encode())


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_no_query_raises_anything_but_oauth_errors(query: str | bytes):
    try:
        authorization_params(query)
    except OAuthError as error:
        assert type(error) is InvalidRequest  # noqa: PT017


@given(st.lists(st.tuples(_NAMES, st.text(alphabet="ab%4=+&;", max_size=6)), max_size=6))
def test_a_parameter_has_a_value_or_is_repeated_but_never_both(fields: list[tuple[str, str]]):
    try:
        params = authorization_params("&".join(f"{name}={value}" for name, value in fields))
    except InvalidRequest:
        return
    for name in params.repeated:
        assert not getattr(params, "scopes" if name == "scope" else name)

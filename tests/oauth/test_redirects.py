"""Matching, extending and showing redirect URIs."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth import redirects
from sidecar.oauth.errors import (
    AccessDenied,
    InvalidClient,
    InvalidRequest,
    InvalidTarget,
    NotFound,
    OAuthError,
    TemporarilyUnavailable,
    TooManyRequests,
)

_ISS = "https://mcp.example.com"
_VSCODE_STATE = "vscode://vscode.github-authentication/did-authenticate?nonce=a%2Bb&windowId=1"


@pytest.mark.req(87)
@pytest.mark.parametrize(
    "requested",
    [
        pytest.param("https://c.example/cb/", id="trailing slash"),
        pytest.param("https://c.example/c", id="prefix"),
        pytest.param("https://c.example/cb/more", id="below"),
        pytest.param("https://c.example/CB", id="path case"),
        pytest.param("https://C.example/cb", id="host case"),
        pytest.param("HTTPS://c.example/cb", id="scheme case"),
        pytest.param("http://c.example/cb", id="scheme"),
        pytest.param("https://c.example:443/cb", id="default port"),
        pytest.param("https://c.example:8443/cb", id="other port"),
        pytest.param("https://c.example/cb?x=1", id="query added"),
        pytest.param("https://c.example/cb?", id="empty query added"),
        pytest.param("https://c.example/cb#x", id="fragment added"),
        pytest.param("https://c.example/%63b", id="percent-encoding"),
        pytest.param("https://c.example/./cb", id="dot segment"),
        pytest.param("https://c.example//cb", id="double slash"),
        pytest.param(" https://c.example/cb", id="space"),
        pytest.param("https://d.example/cb", id="other host"),
        pytest.param("", id="empty"),
    ],
)
def test_only_the_very_same_string_matches(requested: str):
    registered = ("https://c.example/cb",)
    assert redirects.matches(registered, registered[0])
    assert not redirects.matches(registered, requested)


@pytest.mark.req(87)
def test_a_percent_sequence_matches_in_its_own_case_only():
    assert redirects.matches(["https://c.example/a%2Fb?x=1"], "https://c.example/a%2Fb?x=1")
    assert not redirects.matches(["https://c.example/a%2Fb?x=1"], "https://c.example/a%2fb?x=1")
    assert not redirects.matches(["https://c.example/a%2Fb?x=1"], "https://c.example/a%2Fb?x=2")


@pytest.mark.req(90)
@pytest.mark.parametrize(
    ("registered", "requested", "expected"),
    [
        pytest.param("http://127.0.0.1/", "http://127.0.0.1:33418/", True, id="registered without a port"),
        pytest.param("http://127.0.0.1:33418/", "http://127.0.0.1/", True, id="requested without a port"),
        pytest.param("http://localhost:1/cb", "http://localhost:65535/cb", True, id="another port"),
        pytest.param("http://[::1]:1/cb", "http://[::1]:2/cb", True, id="IPv6"),
        pytest.param("http://localhost/callback", "http://localhost:3118/callback", True, id="Claude Code"),
        pytest.param("http://localhost/cb?a=1", "http://localhost:2/cb?a=1", True, id="same query"),
        pytest.param("http://localhost/cb", "http://127.0.0.1/cb", False, id="name for address"),
        pytest.param("http://127.0.0.1/cb", "http://localhost/cb", False, id="address for name"),
        pytest.param("http://127.0.0.1/cb", "http://[::1]/cb", False, id="IPv6 for IPv4"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.2/cb", False, id="another loopback address"),
        pytest.param("http://127.0.0.1/cb", "https://127.0.0.1:1/cb", False, id="scheme"),
        pytest.param("https://127.0.0.1/cb", "https://127.0.0.1:1/cb", False, id="not for https"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1:1/CB", False, id="path case"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1:1/cb/", False, id="trailing slash"),
        pytest.param("http://127.0.0.1", "http://127.0.0.1:1/", False, id="no path is another path"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1:1/cb?x", False, id="query added"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#x", False, id="fragment added"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", False, id="userinfo"),
        pytest.param("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", False, id="longer host"),
        pytest.param("http://localhost/cb", "http://localhost.:1/cb", False, id="trailing dot"),
        pytest.param("http://localhost/cb", "http://LOCALHOST:1/cb", False, id="host case"),
        pytest.param("http://localhost/cb", "http://localhost:/cb", False, id="empty port"),
        pytest.param("http://localhost/cb", "http://localhost:0/cb", False, id="port 0"),
        pytest.param("http://localhost/cb", "http://localhost:65536/cb", False, id="no port"),
        pytest.param("http://localhost/cb", "http://localhost:\u0661/cb", False, id="digit of another script"),
        pytest.param("http://c.example/cb", "http://c.example:1/cb", False, id="not loopback"),
        pytest.param("cursor://localhost/cb", "cursor://localhost:1/cb", False, id="not http"),
    ],
)
def test_only_the_port_of_a_loopback_uri_may_differ(registered: str, requested: str, expected: bool):
    assert redirects.matches([registered], requested) is expected


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=3))
def test_no_text_breaks_the_match(requested: str, registered: list[str]):
    assert redirects.matches(registered, requested) is (requested in registered)


@pytest.mark.req(99)
def test_a_code_comes_back_with_state_and_issuer_once_each():
    url = redirects.success_url("https://c.example/cb", code="dcrc_x", state="s", iss=_ISS)
    assert url == "https://c.example/cb?code=dcrc_x&state=s&iss=https%3A%2F%2Fmcp.example.com"


@pytest.mark.req(99)
def test_no_state_is_invented():
    assert "state" not in redirects.success_url("https://c.example/cb", code="x", state=None, iss=_ISS)
    assert "state" not in redirects.error_url("https://c.example/cb", AccessDenied(), state=None, iss=_ISS)


@pytest.mark.req(123)
@pytest.mark.parametrize(
    ("redirect_uri", "start"),
    [
        pytest.param("https://c.example/cb?x=1", "https://c.example/cb?x=1&code=", id="query"),
        pytest.param("https://c.example/cb?x=%2F&y", "https://c.example/cb?x=%2F&y&code=", id="query as it is"),
        pytest.param("https://c.example/cb?", "https://c.example/cb?code=", id="empty query"),
        pytest.param("https://c.example/cb?x=1&", "https://c.example/cb?x=1&code=", id="open query"),
        pytest.param("https://c.example", "https://c.example?code=", id="no path"),
    ],
)
def test_an_existing_query_is_kept_and_extended(redirect_uri: str, start: str):
    assert redirects.success_url(redirect_uri, code="c", state="s", iss=_ISS).startswith(start + "c&state=s&iss=")


@pytest.mark.req(124)
@pytest.mark.parametrize(
    ("redirect_uri", "expected"),
    [
        pytest.param(
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback?code=c&state=s&iss=https%3A%2F%2Fi.example",
            id="private-use scheme",
        ),
        pytest.param(
            "com.example.app:/cb", "com.example.app:/cb?code=c&state=s&iss=https%3A%2F%2Fi.example", id="no authority"
        ),
        pytest.param(
            "http://127.0.0.1:33418/", "http://127.0.0.1:33418/?code=c&state=s&iss=https%3A%2F%2Fi.example", id="IPv4"
        ),
        pytest.param("http://[::1]:9/", "http://[::1]:9/?code=c&state=s&iss=https%3A%2F%2Fi.example", id="IPv6"),
    ],
)
def test_answers_reach_private_use_schemes_and_loopback_ports(redirect_uri: str, expected: str):
    assert redirects.success_url(redirect_uri, code="c", state="s", iss="https://i.example") == expected


@pytest.mark.req(98)
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(_VSCODE_STATE, id="a nested URI"),
        pytest.param("a+/=&%20", id="reserved characters"),
        pytest.param("a&redirect_uri=https://evil.example", id="smuggled parameter"),
        pytest.param("line\r\nLocation: https://evil.example", id="line ends"),
        pytest.param("\N{GRINNING FACE} ü", id="not ASCII"),
        pytest.param("x" * 4096, id="long"),
    ],
)
def test_state_survives_one_decoding_byte_for_byte(state: str):
    url = redirects.success_url("https://c.example/cb?x=1", code="c", state=state, iss=_ISS)
    assert url.isascii()
    assert url.isprintable()
    assert parse_qsl(urlsplit(url).query, strict_parsing=True) == [
        ("x", "1"),
        ("code", "c"),
        ("state", state),
        ("iss", _ISS),
    ]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_any_state_survives(state: str):
    url = redirects.error_url("https://c.example/cb", InvalidRequest(), state=state, iss=_ISS)
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))["state"] == state


@pytest.mark.req(99)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(InvalidRequest("No.", reason="secret detail"), "invalid_request", id="own code"),
        pytest.param(InvalidTarget(), "invalid_target", id="RFC 8707"),
        pytest.param(TemporarilyUnavailable(), "temporarily_unavailable", id="unavailable"),
        pytest.param(TooManyRequests(retry_after=1), "temporarily_unavailable", id="too many"),
        pytest.param(NotFound(), "server_error", id="HTTP condition"),
        pytest.param(InvalidClient(), "server_error", id="code of the token endpoint"),
    ],
)
def test_errors_come_back_with_a_code_that_the_endpoint_has(error: OAuthError, code: str):
    url = redirects.error_url("https://c.example/cb?x=1", error, state="s", iss=_ISS)
    members = parse_qsl(urlsplit(url).query, strict_parsing=True)
    assert [name for name, _ in members] == ["x", "error", "error_description", "state", "iss"]
    assert dict(members)["error"] == code
    assert "secret" not in url


@pytest.mark.parametrize(
    ("uri", "loopback", "shown"),
    [
        pytest.param("https://claude.ai/api/mcp/auth_callback", False, "claude.ai", id="https"),
        pytest.param("https://Claude.AI:8443/cb", False, "claude.ai", id="case and port"),
        pytest.param("http://localhost:3118/callback", True, "localhost", id="localhost"),
        pytest.param("http://[::1]:1/", True, "[::1]", id="IPv6"),
        pytest.param("https://127.0.0.1/", True, "127.0.0.1", id="IPv4"),
        pytest.param("https://xn--cude-t6e0a.ai/", False, "xn--cude-t6e0a.ai", id="A-label stays"),
        pytest.param("https://bücher.example/cb", False, "xn--bcher-kva.example", id="IDN becomes an A-label"),
        pytest.param("cursor://anysphere.cursor-mcp/oauth/callback", False, "cursor://anysphere.cursor-mcp", id="app"),
        pytest.param("com.example.app:/cb", False, "com.example.app:", id="no authority"),
        pytest.param("cursor://localhost/cb", False, "cursor://localhost", id="an app is not loopback"),
        pytest.param("https://claude.ai@evil.example/", False, "evil.example", id="userinfo is not the host"),
        pytest.param("no uri \u202e at all", False, "no?uri???at?all", id="nothing to parse"),
    ],
)
def test_people_are_shown_the_host_that_will_get_the_answer(uri: str, loopback: bool, shown: str):
    assert redirects.is_loopback(uri) is loopback
    assert redirects.host_of(uri) == shown


@given(st.text(max_size=100))
def test_whatever_is_shown_is_printable(uri: str):
    shown = redirects.host_of(uri)
    assert shown.isascii()
    assert shown.isprintable()

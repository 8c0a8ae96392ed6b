"""One strict parser: what is odd is refused, not normalised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.uris import Uri, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("https://a.example/cb?x=1", Uri("https", "a.example", "a.example", None, "/cb?x=1"), id="https"),
        pytest.param("https://a.example", Uri("https", "a.example", "a.example", None, ""), id="no path"),
        pytest.param(
            "https://a.example/.b/c..?../x=.",
            Uri("https", "a.example", "a.example", None, "/.b/c..?../x=."),
            id="dots that are no segment",
        ),
        pytest.param("https://a.example?x", Uri("https", "a.example", "a.example", None, "?x"), id="query only"),
        pytest.param("https://a.example:8443/", Uri("https", "a.example:8443", "a.example", 8443, "/"), id="port"),
        pytest.param("http://[::1]:1/", Uri("http", "[::1]:1", "[::1]", 1, "/"), id="IPv6 loopback"),
        pytest.param("cursor://a.b-c/d", Uri("cursor", "a.b-c", "a.b-c", None, "/d"), id="private use"),
        pytest.param("com.example.app:/cb", Uri("com.example.app", None, "", None, "/cb"), id="reverse domain"),
        pytest.param("app:///cb", Uri("app", "", "", None, "/cb"), id="empty authority"),
        pytest.param(
            "https://xn--bcher-kva.at/", Uri("https", "xn--bcher-kva.at", "xn--bcher-kva.at", None, "/"), id="A-label"
        ),
    ],
)
def test_a_plain_uri_comes_apart_as_it_was_written(text: str, expected: Uri):
    assert parse(text) == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_loopback_is_three_spellings(host: str):
    uri = parse(f"http://{host}:8080/cb")
    assert uri is not None
    assert uri.loopback


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("/cb", id="relative"),
        pytest.param("//a.example/cb", id="scheme relative"),
        pytest.param("https:", id="scheme only"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///cb", id="empty host"),
        pytest.param("https:a.example/cb", id="no slashes"),
        pytest.param("https:/a.example/cb", id="one slash"),
        pytest.param("HTTPS://a.example/cb", id="upper-case scheme"),
        pytest.param(" https://a.example/", id="leading space"),
        pytest.param("https://a.example/ ", id="trailing space"),
        pytest.param("https://a.example/\n", id="line end"),
        pytest.param("https://a.example/a\tb", id="tab"),
        pytest.param("ht\ttps://a.example/", id="tab in the scheme"),
        pytest.param("https://a.example/\x00", id="NUL"),
        pytest.param("\x0bhttps://a.example/", id="vertical tab"),
        pytest.param("https://a.example/\x7f", id="DEL"),
        pytest.param("https://a.example/\x85", id="C1"),
        pytest.param("https://a.example/é", id="not ASCII"),
        pytest.param("https://bücher.example/", id="raw IDN"),
        pytest.param("https://cl\u0430ude.ai/", id="homograph"),
        pytest.param("https://a\uff0eexample/", id="full-width dot"),
        pytest.param("https://a.example/#f", id="fragment"),
        pytest.param("https://a.example/#", id="empty fragment"),
        pytest.param("https://good@evil.example/", id="userinfo"),
        pytest.param("http://localhost:80@evil.example/", id="userinfo that looks like loopback"),
        pytest.param("http://127.0.0.1#@evil.example/", id="fragment before userinfo"),
        pytest.param("https://good\\@evil.example/", id="backslash before userinfo"),
        pytest.param("https://good%40evil.example/", id="encoded userinfo"),
        pytest.param("https://a.example\\@b.example/", id="backslash"),
        pytest.param("https://a.example/\\b", id="backslash in the path"),
        pytest.param("https://*.a.example/", id="wildcard host"),
        pytest.param("https://a.example/*", id="wildcard path"),
        pytest.param("https://(a|b)\\.example/.*", id="regular expression"),
        pytest.param("https://a.example/[a-z]", id="bracket"),
        pytest.param("https://a.example/%", id="lone percent"),
        pytest.param("https://a.example/%zz", id="bad escape"),
        pytest.param("https://a.example./", id="trailing dot"),
        pytest.param("http://localhost./", id="localhost with a dot"),
        pytest.param("http://localhost.evil.example/", id="localhost as a label"),
        pytest.param("https://a.localhost/", id="below localhost"),
        pytest.param("http://LOCALHOST/", id="upper-case localhost"),
        pytest.param("http://127.0.0.1.evil.example/", id="address as labels"),
        pytest.param("https://a..example/", id="empty label"),
        pytest.param("https://-a.example/", id="label with a leading hyphen"),
        pytest.param("https://a_b.example/", id="underscore"),
        pytest.param(f"https://{'a' * 64}.example/", id="long label"),
        pytest.param("https://" + "a." * 127 + "example/", id="long host"),
        pytest.param("https://10.0.0.1/", id="private address"),
        pytest.param("https://169.254.169.254/", id="link-local address"),
        pytest.param("https://8.8.8.8/", id="public address"),
        pytest.param("https://0.0.0.0/", id="any address"),
        pytest.param("http://2130706433/", id="decimal address"),
        pytest.param("http://0177.0.0.1/", id="octal address"),
        pytest.param("http://0x7f.0.0.1/", id="hexadecimal address"),
        pytest.param("http://0x7f000001/", id="hexadecimal number"),
        pytest.param("http://a.0x1f/", id="ends in a hexadecimal number"),
        pytest.param("http://127.1/", id="short address"),
        pytest.param("http://127.0.0.2/", id="another loopback address"),
        pytest.param("http://[::ffff:127.0.0.1]/", id="IPv4-mapped"),
        pytest.param("http://[0:0:0:0:0:0:0:1]/", id="long IPv6 loopback"),
        pytest.param("http://[fe80::1%25eth0]/", id="zone id"),
        pytest.param("https://[2001:db8::1]/", id="IPv6"),
        pytest.param("https://a.example/b/../c", id="dot segment"),
        pytest.param("https://a.example/b/.", id="last dot segment"),
        pytest.param("https://a.example/%2e%2E/c?x", id="encoded dot segment"),
        pytest.param("app:../cb", id="leading dot segment"),
        pytest.param("https://a.example:/", id="empty port"),
        pytest.param("https://a.example:0/", id="port 0"),
        pytest.param("https://a.example:0443/", id="port with a leading zero"),
        pytest.param("https://a.example:65536/", id="port too large"),
        pytest.param("https://a.example:80:80/", id="two ports"),
        pytest.param("app://a@b/cb", id="userinfo of a private-use URI"),
        pytest.param("app:", id="private-use scheme only"),
        pytest.param("%6A%61vascript:alert(1)", id="encoded scheme"),
        pytest.param("https://a.example/" + "a" * 2048, id="too long"),
    ],
)
def test_anything_odd_is_no_uri(text: str):
    assert parse(text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str):
    parse(text)


@given(st.from_regex(r"https?://[a-z0-9.\[\]:@\\%-]{1,20}(/[ -~]{0,20})?", fullmatch=True))
def test_what_is_accepted_is_put_together_again_as_it_was(text: str):
    uri = parse(text)
    if uri is not None:
        port = "" if uri.port is None else f":{uri.port}"
        assert f"{uri.scheme}://{uri.host}{port}{uri.rest}" == text

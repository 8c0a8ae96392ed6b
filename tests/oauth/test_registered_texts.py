"""Redirect URIs of a whole body, and the texts and links that people will read."""

import pytest

from sidecar.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from sidecar.oauth.registration import RegistrationPolicy, VerifiedMetadata, verify
from sidecar.oauth.texts import MAX_TEXT

_URI = "https://c.example/cb"
_LINKS = ["client_uri", "logo_uri", "tos_uri", "policy_uri", "client_uri#fr", "logo_uri#fr"]


def _verify(**members: object) -> VerifiedMetadata:
    return verify({"redirect_uris": [_URI], **members}, RegistrationPolicy(), scopes=())


@pytest.mark.req(53)
def test_refused_uris_are_dropped_from_a_mixed_list():
    verified = _verify(redirect_uris=["com.example.app:/cb", _URI, "app://x", "http://localhost:1/", _URI])
    assert verified.redirect_uris == (_URI, "http://localhost:1/")
    assert verified.dropped_redirect_uris == ("com.example.app:/cb", "app://x")
    assert verified.document()["redirect_uris"] == [_URI, "http://localhost:1/"]


@pytest.mark.req(49, 50, 51, 59)
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JAVASCRIPT://c.example/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "blob:https://c.example/x",
        "about:blank",
        "mailto:a@b.example",
        "intent://x/#Intent;end",
        "http://c.example/cb",
        "https://good@evil.example/",
        "https://c.example/cb#x",
        "https://*.c.example/cb",
        "https://192.168.0.1/cb",
        "http://localhost./cb",
        "cb",
        "",
        "https://c.example/" + "a" * 2048,
    ],
)
def test_one_dangerous_uri_refuses_the_whole_registration(uri: str):
    for uris in ([uri], [_URI, uri], [uri, _URI]):
        with pytest.raises(InvalidRedirectUri) as caught:
            _verify(redirect_uris=uris)
        assert caught.value.status == 400
        assert not uri or uri not in str(caught.value.body())


@pytest.mark.req(49, 59)
@pytest.mark.parametrize("uris", [None, [], "", ["com.example.app:/cb"], ["app://x", "https://c.example/?code=x"]])
def test_without_a_usable_redirect_uri_nothing_is_registered(uris: object):
    with pytest.raises(InvalidRedirectUri):
        _verify(redirect_uris=uris)
    with pytest.raises(InvalidRedirectUri):
        verify({"client_name": "x"}, RegistrationPolicy(), scopes=())


def test_sixteen_redirect_uris_are_enough():
    uris = [f"https://c.example/{number}" for number in range(17)]
    assert _verify(redirect_uris=uris[:16]).redirect_uris == tuple(uris[:16])
    with pytest.raises(InvalidClientMetadata):
        _verify(redirect_uris=uris)


@pytest.mark.req(60)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Claude Code (notes)", id="plain"),
        pytest.param("<img src=x onerror=alert(1)>", id="markup is text"),
        pytest.param('"><script>alert(1)</script>', id="script is text"),
        pytest.param("\u30af\u30e9\u30a4\u30a2\u30f3\u30c8 \u05d0\u05d1 \u0639", id="other scripts"),
        pytest.param("\N{GRINNING FACE}\ufe0f", id="emoji"),
        pytest.param("x" * MAX_TEXT, id="longest"),
    ],
)
def test_a_name_that_can_be_shown_is_kept(name: str):
    assert _verify(client_name=f" {name} ").client_name == name
    assert _verify(**{"client_name#ja": name}).extra == {"client_name#ja": name}


@pytest.mark.req(60)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * (MAX_TEXT + 1), id="too long"),
        pytest.param("x" * 100_000, id="100 KB"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\r\nb", id="line ends"),
        pytest.param("a\tb", id="tab"),
        pytest.param("\x1b[31mred", id="ANSI escape"),
        pytest.param("a\x7fb", id="DEL"),
        pytest.param("a\x85b", id="C1"),
        pytest.param("a\u202eb", id="right-to-left override"),
        pytest.param("a\u2066b", id="isolate"),
        pytest.param("a\u200eb", id="mark"),
        pytest.param("a\u200bb", id="zero-width space"),
        pytest.param("a\u200db", id="zero-width joiner"),
        pytest.param("a\ufeffb", id="byte order mark"),
        pytest.param("a\u00adb", id="soft hyphen"),
        pytest.param("a\u2028b", id="line separator"),
        pytest.param("a\u3164b", id="Hangul filler"),
        pytest.param("a\U000e0041b", id="tag"),
        pytest.param("a\ue000b", id="private use"),
        pytest.param("a\ud800b", id="lone surrogate"),
    ],
)
@pytest.mark.parametrize("member", ["client_name", "client_name#ja", "software_id", "software_version"])
def test_a_text_that_could_deceive_is_refused(member: str, name: str):
    with pytest.raises(InvalidClientMetadata) as caught:
        _verify(**{member: name})
    assert name not in str(caught.value.body())


@pytest.mark.parametrize("member", _LINKS)
@pytest.mark.parametrize(
    "link",
    [
        pytest.param("https://c.example", id="https"),
        pytest.param("http://192.168.0.5:3000/app", id="http and address, for it is never fetched"),
        pytest.param("https://c.example/@team/x?y=%20", id="path and query"),
        pytest.param("https://[2001:db8::1]/", id="IPv6"),
    ],
)
def test_links_are_http_urls(member: str, link: str):
    assert _verify(**{member: link}).document()[member] == link


@pytest.mark.parametrize("member", _LINKS)
@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "ftp://c.example",
        "//c.example",
        "c.example",
        "https://good@evil.example",
        "https://good\\@evil.example",
        "https://",
        "https:///x",
        "https://[/",
        "https://[:]/",
        "https://c.example:x/",
        "https://c.example/a b",
        "https://c.example/\n",
        'https://c.example/"onclick',
        "https://c.example/<x>",
        "https://b\u00fccher.example",
        "https://c.example/%zz",
        "https://c.example/" + "a" * 2048,
        1,
        ["https://c.example"],
    ],
)
def test_any_other_link_is_refused(member: str, link: object):
    with pytest.raises(InvalidClientMetadata):
        _verify(**{member: link})


def test_the_fragment_of_a_link_is_cut_off():
    assert _verify(client_uri="https://c.example/repo#readme").client_uri == "https://c.example/repo"


@pytest.mark.parametrize("tag", ["", "<script>", "ja#ja", "j a", "x" * 9, "a" * 8 + "-b" * 9, "ja\n"])
def test_a_language_tag_is_one(tag: str):
    with pytest.raises(InvalidClientMetadata):
        _verify(**{f"client_name#{tag}": "x"})


def test_links_are_never_hot_in_an_error():
    with pytest.raises(InvalidClientMetadata) as caught:
        _verify(client_uri="https://evil.example/<x>")
    assert caught.value.body() == {
        "error": "invalid_client_metadata",
        "error_description": "A link is not a plain http or https URL.",
    }


def test_marks_do_not_pile_up_over_other_lines():
    assert _verify(client_name="Tiếng Việt नमस्ते ก็").client_name
    with pytest.raises(InvalidClientMetadata):
        _verify(client_name="Notes" + "\u0301" * 5)

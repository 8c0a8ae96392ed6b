"""The operator's redirect policy, one URI at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth.policy import DANGEROUS_SCHEMES, KNOWN_REDIRECTS, KNOWN_SCHEMES, RegistrationPolicy, Verdict

_ALLOWED, _REFUSED, _DANGEROUS = Verdict.ALLOWED, Verdict.REFUSED, Verdict.DANGEROUS


@pytest.mark.req(48, 50, 52)
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("https://claude.ai/api/mcp/auth_callback", id="claude.ai"),
        pytest.param("https://intranet/cb", id="a single label"),
        pytest.param("https://xn--bcher-kva.example/cb", id="A-label"),
        pytest.param("https://c.example:8443/cb?tenant=1", id="port and query"),
        pytest.param("http://localhost:3000/cb", id="localhost"),
        pytest.param("http://127.0.0.1:33418/", id="IPv4 loopback"),
        pytest.param("http://127.0.0.1:5/", id="low port"),
        pytest.param("http://[::1]/", id="IPv6 loopback"),
        pytest.param("https://localhost:1/cb", id="https loopback"),
        pytest.param("cursor://anysphere.cursor-mcp/oauth/callback", id="Cursor"),
        pytest.param("vscode://saoudrizwan.claude-dev/mcp-auth/callback", id="VS Code extension"),
        pytest.param("vscode-insiders://publisher.extension/cb", id="VS Code Insiders"),
        pytest.param("windsurf://publisher.extension/cb", id="Windsurf"),
        pytest.param("claude://claude.ai/mcp-auth-callback/sdk", id="Claude desktop"),
    ],
)
def test_the_default_lets_real_clients_in(uri: str):
    assert RegistrationPolicy().judge(uri) is _ALLOWED
    assert RegistrationPolicy().allows(uri)


@pytest.mark.req(53)
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("com.example.app:/cb", id="reverse domain"),
        pytest.param("myapp://callback", id="unknown scheme"),
        pytest.param("cursor-evil://anysphere.cursor-mcp/cb", id="scheme with a known beginning"),
        pytest.param("cursor:/x", id="known scheme, other form"),
        pytest.param("claude://code/new?q=x", id="another link of a known app"),
        pytest.param("claude://claude.ai/mcp-auth-callback", id="one segment short"),
        pytest.param("https://c.example/cb?state=x", id="brings its own state"),
        pytest.param("https://c.example/cb?a=1&c%6Fde=x", id="brings its own code, encoded"),
        pytest.param("http://localhost/cb?iss=x", id="brings its own issuer"),
        pytest.param("vscode://a.b/cb?error=x", id="brings its own error"),
    ],
)
def test_what_is_merely_not_wanted_is_refused(uri: str):
    assert RegistrationPolicy().judge(uri) is _REFUSED
    assert not RegistrationPolicy().allows(uri)


@pytest.mark.req(49, 50, 51)
@pytest.mark.parametrize(
    "uri",
    [
        *(pytest.param(f"{scheme}:x", id=scheme) for scheme in sorted(DANGEROUS_SCHEMES)),
        *(pytest.param(f"{scheme}://claude.ai/cb", id=f"{scheme} with a host") for scheme in sorted(DANGEROUS_SCHEMES)),
        pytest.param("JavaScript:alert(1)", id="mixed case"),
        pytest.param(" javascript:alert(1)", id="leading space"),
        pytest.param("java\nscript:alert(1)", id="line end in the scheme"),
        pytest.param("\x00javascript:alert(1)", id="leading NUL"),
        pytest.param("%6A%61vascript:alert(1)", id="encoded scheme"),
        pytest.param("data:text/html,<script>", id="data"),
        pytest.param("http://c.example/cb", id="http"),
        pytest.param("http://127.0.0.1.evil.example/", id="address as labels"),
        pytest.param("http://localhost.evil.example/", id="localhost as a label"),
        pytest.param("http://localhost./", id="localhost with a dot"),
        pytest.param("https://localhost./", id="the same over https"),
        pytest.param("https://good@evil.example/", id="userinfo"),
        pytest.param("https://good\\@evil.example/", id="backslash"),
        pytest.param("https://c.example/cb#x", id="fragment"),
        pytest.param("https://*.c.example/cb", id="wildcard"),
        pytest.param("https://10.0.0.1/", id="address"),
        pytest.param("https://0.0.0.0/", id="any address"),
        pytest.param("http://2130706433/", id="decimal address"),
        pytest.param("/cb", id="relative"),
        pytest.param("", id="empty"),
        pytest.param("https://b\u00fccher.example/", id="raw IDN"),
        pytest.param("vscode://a.b/\x1b[31m", id="control character"),
        pytest.param("claude://claude.ai/mcp-auth-callback/../resume", id="dot segment below an allowed prefix"),
    ],
)
def test_what_nobody_may_have_is_dangerous_under_any_policy(uri: str):
    assert RegistrationPolicy().judge(uri) is _DANGEROUS
    everything = RegistrationPolicy(schemes=KNOWN_SCHEMES | {"app:"}, redirect_hosts=("c.example", "evil.example"))
    assert everything.judge(uri) is _DANGEROUS


@pytest.mark.req(54)
@pytest.mark.parametrize(
    ("uri", "verdict"),
    [
        pytest.param("https://claude.ai/api/mcp/auth_callback", _ALLOWED, id="claude.ai"),
        pytest.param("https://claude.com/api/mcp/auth_callback", _ALLOWED, id="claude.com"),
        pytest.param("https://chatgpt.com/connector/oauth/vG3-MLZWUV83", _ALLOWED, id="a ChatGPT connector"),
        pytest.param("https://chatgpt.com/connector_platform_oauth_redirect", _ALLOWED, id="ChatGPT"),
        pytest.param("https://vscode.dev/redirect", _ALLOWED, id="VS Code"),
        pytest.param("https://insiders.vscode.dev/redirect", _ALLOWED, id="VS Code Insiders"),
        pytest.param("https://www.cursor.com/agents/mcp/oauth/callback", _ALLOWED, id="Cursor"),
        pytest.param("http://localhost:1/cb", _ALLOWED, id="loopback is always let in"),
        pytest.param("https://chatgpt.com/connector/oauth/", _REFUSED, id="empty segment"),
        pytest.param("https://chatgpt.com/connector/oauth/a/b", _REFUSED, id="two segments"),
        pytest.param("https://chatgpt.com/connector/oauth/..", _DANGEROUS, id="dot segment"),
        pytest.param("https://chatgpt.com/connector/oauth/a?b", _REFUSED, id="query"),
        pytest.param("https://chatgpt.com/connector/oauth/%2E%2e", _DANGEROUS, id="encoded dot segment"),
        pytest.param("https://chatgpt.com/connector/oauth/a%20b", _REFUSED, id="encoded segment"),
        pytest.param("https://claude.ai/other", _REFUSED, id="other path"),
        pytest.param("https://claude.ai:444/api/mcp/auth_callback", _REFUSED, id="other port"),
        pytest.param("https://evil.example/api/mcp/auth_callback", _REFUSED, id="other host"),
        pytest.param("https://claude.ai.evil.example/api/mcp/auth_callback", _REFUSED, id="longer host"),
    ],
)
def test_the_known_hosted_clients_can_be_all_that_is_let_in(uri: str, verdict: Verdict):
    assert RegistrationPolicy(redirect_hosts=KNOWN_REDIRECTS).judge(uri) is verdict


@pytest.mark.req(54)
@pytest.mark.parametrize(
    ("entry", "uri", "allowed"),
    [
        pytest.param("c.example", "https://c.example/any", True, id="host"),
        pytest.param("c.example", "https://C.Example/any", True, id="host in any case"),
        pytest.param("c.example", "https://c.example:443/any", True, id="default port"),
        pytest.param("c.example", "https://c.example:8443/any", False, id="other port"),
        pytest.param("c.example", "https://a.c.example/any", False, id="below a host"),
        pytest.param("c.example", "https://evilc.example/any", False, id="longer label"),
        pytest.param("*.c.example", "https://a.c.example/any", True, id="below a domain"),
        pytest.param("*.c.example", "https://a.b.c.example/any", True, id="far below a domain"),
        pytest.param("*.c.example", "https://c.example/any", False, id="the domain itself"),
        pytest.param("*.c.example", "https://evilc.example/any", False, id="longer label of a domain"),
        pytest.param("*.c.example", "https://a.c.example:1/any", False, id="other port below a domain"),
        pytest.param("https://c.example/a", "https://c.example/a", True, id="URL"),
        pytest.param("https://c.example/a", "https://c.example/a/b", False, id="below a URL"),
    ],
)
def test_hosts_can_be_restricted(entry: str, uri: str, allowed: bool):
    assert RegistrationPolicy(redirect_hosts=(entry,)).allows(uri) is allowed


@pytest.mark.req(52)
@pytest.mark.parametrize(
    ("entry", "uri", "allowed"),
    [
        pytest.param("com.example.app:/cb", "com.example.app:/cb", True, id="exact"),
        pytest.param("com.example.app:/cb", "com.example.app:/cb/more", True, id="below"),
        pytest.param("com.example.app:/cb", "com.example.app:/cb?x=1", True, id="with a query"),
        pytest.param("com.example.app:/cb", "com.example.app:/cbx", False, id="longer segment"),
        pytest.param("app://good", "app://good.evil/cb", False, id="longer authority"),
        pytest.param("app://good", "app://good/cb", True, id="below an authority"),
        pytest.param("app:", "app:/cb", True, id="whole scheme"),
        pytest.param("app:", "apple:/cb", False, id="longer scheme"),
    ],
)
def test_private_use_uris_are_let_in_by_prefix(entry: str, uri: str, allowed: bool):
    assert RegistrationPolicy(schemes=frozenset({entry})).allows(uri) is allowed


def test_no_private_use_uri_is_let_in_when_none_is_listed():
    assert not RegistrationPolicy(schemes=frozenset()).allows("cursor://anysphere.cursor-mcp/oauth/callback")


@pytest.mark.parametrize(
    "scheme",
    ["", "cursor", "javascript:", "http://", "https://", "data:", "App://", "app://a b", "*:", ":", "app://a@b/"],
)
def test_a_scheme_entry_that_cannot_be_meant_is_refused_at_start(scheme: str):
    with pytest.raises(ValueError, match="private-use"):
        RegistrationPolicy(schemes=frozenset({scheme}))


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "https://",
        "http://c.example/",
        "C.example",
        "c.example/path",
        "https://*.c.example/",
        "a b",
        "https://c/*/d",
    ],
)
def test_a_host_entry_that_cannot_be_meant_is_refused_at_start(host: str):
    with pytest.raises(ValueError, match="neither a host"):
        RegistrationPolicy(redirect_hosts=(host,))


@given(st.text(max_size=80))
def test_every_text_gets_a_verdict(text: str):
    for prefix in ("", "https://", "http://localhost", "cursor://", "https://c.example/cb?"):
        RegistrationPolicy(redirect_hosts=KNOWN_REDIRECTS).judge(prefix + text)

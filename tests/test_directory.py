"""From a request's authority and path to what is configured there, and never to anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.directory import Directory, Issuer, Server, canonical_authority, same_resource, unambiguous
from sidecar.records import Pool


def _server(resource: str, *, name: str = "", pool: str = "corp", issuer: str = "https://mcp.example.com") -> Server:
    return Server(name=name or resource, resource=resource, origin="http://127.0.0.1:1", issuer=issuer, pool=pool)


_POOL = Pool(name="corp", id="corp-1", provider="oidc", client_id="up", client_secret="fake", scopes=())
_NOTES = _server("https://mcp.example.com/mcp", name="notes")
_DEEP = _server("https://mcp.example.com/mcp/deep", name="deep")
_WHOLE = _server("https://whole.example.com", name="whole", pool="")
_LOCAL = _server("http://127.0.0.1:18080/mcp", name="local", issuer="http://127.0.0.1:18080", pool="gone")
_ROOT = Issuer("https://mcp.example.com", "corp")
_TENANT = Issuer("https://mcp.example.com/tenant1", "corp2")
_DIRECTORY = Directory((_NOTES, _DEEP, _WHOLE, _LOCAL), (_ROOT, _TENANT), {"corp": _POOL})


@pytest.mark.req(8)
@pytest.mark.parametrize(
    ("authority", "path", "server"),
    [
        pytest.param("mcp.example.com", "/mcp", _NOTES, id="exact"),
        pytest.param("mcp.example.com", "/mcp/", _NOTES, id="slash"),
        pytest.param("mcp.example.com", "/mcp/a/b", _NOTES, id="below"),
        pytest.param("mcp.example.com", "/mcp/deep", _DEEP, id="longest"),
        pytest.param("mcp.example.com", "/mcp/deeper", _NOTES, id="a longer segment is another one"),
        pytest.param("MCP.Example.COM", "/mcp", _NOTES, id="authority in any case"),
        pytest.param("mcp.example.com:443", "/mcp", _NOTES, id="default port"),
        pytest.param("whole.example.com", "/", _WHOLE, id="whole host"),
        pytest.param("whole.example.com", "/anything", _WHOLE, id="below a whole host"),
        pytest.param("127.0.0.1:18080", "/mcp", _LOCAL, id="own port"),
    ],
)
def test_a_path_belongs_to_the_longest_server(authority: str, path: str, server: Server):
    assert _DIRECTORY.server_at(authority, path) is server


@pytest.mark.req(181)
@pytest.mark.parametrize(
    ("authority", "path"),
    [
        pytest.param("mcp.example.com", "/", id="above"),
        pytest.param("mcp.example.com", "/mcpx", id="longer segment"),
        pytest.param("mcp.example.com", "/MCP", id="path case"),
        pytest.param("mcp.example.com", "", id="empty path"),
        pytest.param("mcp.example.com", "mcp", id="no slash"),
        pytest.param("mcp.example.com", "//mcp", id="double slash"),
        pytest.param("mcp.example.com", "/mcp//x", id="double slash below"),
        pytest.param("mcp.example.com", "/mcp/../x", id="dot segments"),
        pytest.param("mcp.example.com", "/healthz/../mcp", id="dot segments before"),
        pytest.param("mcp.example.com", "/./mcp", id="dot segment"),
        pytest.param("mcp.example.com", "/mcp/..", id="last dot segment"),
        pytest.param("mcp.example.com", "/mcp/%2e%2e/x", id="encoded dots"),
        pytest.param("mcp.example.com", "/mcp/%2E./x", id="half encoded dots"),
        pytest.param("mcp.example.com", "/mcp%2fx", id="encoded slash"),
        pytest.param("mcp.example.com", "/mcp%5cx", id="encoded backslash"),
        pytest.param("mcp.example.com", "/mcp\\x", id="backslash"),
        pytest.param("mcp.example.com", "/mcp/..;/x", id="path parameter"),
        pytest.param("mcp.example.com", "/mcp;x", id="path parameter on a segment"),
        pytest.param("mcp.example.com", "/mcp%00", id="encoded NUL"),
        pytest.param("mcp.example.com", "/mcp\x00", id="NUL"),
        pytest.param("mcp.example.com", "/mcp%252f", id="double encoding"),
        pytest.param("mcp.example.com", "/%6dcp", id="encoded letter"),
        pytest.param("mcp.example.com", "/mcp/%61dmin", id="encoded letter below"),
        pytest.param("mcp.example.com", "/mcp/%40admin", id="encoded mark that may stand plain"),
        pytest.param("mcp.example.com", "/mcp/%3b", id="encoded semicolon"),
        pytest.param("mcp.example.com", "/mcp/%0a", id="encoded line end"),
        pytest.param("mcp.example.com", "/mcp/%zz", id="no escape"),
        pytest.param("mcp.example.com", "/mcp/%8", id="half an escape"),
        pytest.param("mcp.example.com", "/mcp#x", id="fragment"),
        pytest.param("mcp.example.com", "/mcp?x", id="query"),
        pytest.param("mcp.example.com", "/mcp/ü", id="not ASCII"),
        pytest.param("mcp.example.com", "/mcp/\r\n", id="line ends"),
        pytest.param("mcp.example.com", "http://mcp.example.com/mcp", id="absolute form"),
        pytest.param("mcp.example.com:80", "/mcp", id="the other scheme's port"),
        pytest.param("mcp.example.com:8443", "/mcp", id="other port"),
        pytest.param("mcp.example.com.", "/mcp", id="trailing dot"),
        pytest.param("evil.example", "/mcp", id="other host"),
        pytest.param("mcp.example.com@evil.example", "/mcp", id="userinfo"),
        pytest.param("127.0.0.1", "/mcp", id="port missing"),
        pytest.param("", "/mcp", id="no host"),
    ],
)
def test_everything_else_belongs_to_nobody(authority: str, path: str):
    assert _DIRECTORY.server_at(authority, path) is None


@given(st.text(max_size=30), st.text(max_size=40))
def test_a_path_that_is_found_is_below_its_server(authority: str, path: str):
    for host in (authority, "mcp.example.com"):
        for tail in (path, f"/mcp{path}", f"/mcp/{path}"):
            server = _DIRECTORY.server_at(host, tail)
            if server is not None:
                assert host.lower() in {"mcp.example.com", "mcp.example.com:443"}
                assert tail == server.path or tail.startswith(f"{server.path}/")
                assert unambiguous(tail)


@pytest.mark.parametrize(
    ("authority", "path", "issuer"),
    [
        pytest.param("mcp.example.com", "/token", _ROOT, id="root"),
        pytest.param("mcp.example.com:443", "/token", _ROOT, id="default port"),
        pytest.param("mcp.example.com", "/tenant1/token", _TENANT, id="path issuer"),
        pytest.param("mcp.example.com", "/tenant10/token", _ROOT, id="a longer segment is the root's"),
        pytest.param("evil.example", "/token", None, id="other host"),
        pytest.param("mcp.example.com", "token", None, id="no slash"),
    ],
)
def test_an_issuer_is_found_by_authority_and_path(authority: str, path: str, issuer: Issuer | None):
    assert _DIRECTORY.issuer_at(authority, path) is issuer


def test_a_server_without_a_pool_or_with_a_dangling_one_has_none():
    assert _DIRECTORY.pool_of(_NOTES) is _POOL
    assert _DIRECTORY.pool_of(_WHOLE) is None
    assert _DIRECTORY.pool_of(_LOCAL) is None
    assert _DIRECTORY.servers_of(_ROOT) == (_NOTES, _DEEP)


def test_things_are_found_by_name():
    assert _DIRECTORY.server("deep") is _DEEP
    assert _DIRECTORY.server("nothing") is None
    assert _DIRECTORY.issuer("https://mcp.example.com/tenant1") is _TENANT
    assert _DIRECTORY.issuer("https://mcp.example.com/") is None
    assert set(_DIRECTORY.servers_on("MCP.example.com")) == {_NOTES, _DEEP}


@pytest.mark.req(1, 3, 21)
def test_an_issuer_s_urls_come_from_its_configured_url():
    assert _TENANT.endpoint("token") == "https://mcp.example.com/tenant1/token"
    assert (_TENANT.path, _TENANT.origin, _TENANT.secure) == ("/tenant1", "https://mcp.example.com", True)
    assert (_ROOT.path, _ROOT.authority) == ("", "mcp.example.com")
    assert not Issuer("http://127.0.0.1:1", "p").secure


@pytest.mark.req(9)
@pytest.mark.parametrize(
    ("server", "slash", "url"),
    [
        pytest.param(_NOTES, False, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp", id="path"),
        pytest.param(_NOTES, True, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp/", id="slash"),
        pytest.param(_WHOLE, False, "https://whole.example.com/.well-known/oauth-protected-resource", id="root"),
        pytest.param(_WHOLE, True, "https://whole.example.com/.well-known/oauth-protected-resource", id="root, slash"),
    ],
)
def test_the_metadata_url_has_the_well_known_segment_before_the_path(server: Server, slash: bool, url: str):
    assert server.metadata_url(slash=slash) == url


@pytest.mark.req(94)
@pytest.mark.parametrize(
    ("requested", "same"),
    [
        pytest.param("https://mcp.example.com/mcp", True, id="exact"),
        pytest.param("https://mcp.example.com/mcp/", True, id="one slash more"),
        pytest.param("HTTPS://MCP.example.com/mcp", True, id="scheme and host in any case"),
        pytest.param("https://mcp.example.com:443/mcp", True, id="default port"),
        pytest.param("https://mcp.example.com/mcp?x=1", True, id="query"),
        pytest.param("https://mcp.example.com/mcp//", False, id="two slashes more"),
        pytest.param("https://mcp.example.com/MCP", False, id="path case"),
        pytest.param("https://mcp.example.com/mcp#x", False, id="fragment"),
        pytest.param("https://mcp.example.com/mcp#", False, id="empty fragment"),
        pytest.param("https://mcp.example.com/mc", False, id="prefix"),
        pytest.param("https://mcp.example.com/mcp/deep", False, id="below"),
        pytest.param("https://mcp.example.com/x/../mcp", False, id="dot segments"),
        pytest.param("https://mcp.example.com/%6dcp", False, id="encoded"),
        pytest.param("http://mcp.example.com/mcp", False, id="scheme"),
        pytest.param("https://mcp.example.com:8443/mcp", False, id="port"),
        pytest.param("https://mcp.example.com:x/mcp", False, id="no port"),
        pytest.param("https://a@mcp.example.com/mcp", False, id="userinfo"),
        pytest.param("https://evil.example/mcp", False, id="host"),
        pytest.param("//mcp.example.com/mcp", False, id="relative"),
        pytest.param("/mcp", False, id="path only"),
        pytest.param("https://mcp.example.com/mc\tp", False, id="tab"),
        pytest.param(" https://mcp.example.com/mcp", False, id="space"),
        pytest.param("https://[/mcp", False, id="not parsable"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_resource_is_the_configured_one_or_not(requested: str, same: bool):
    assert same_resource(_NOTES.resource, requested) is same


@given(st.text(max_size=60))
def test_no_text_breaks_the_comparison_of_resources(text: str):
    for requested in (text, f"https://{text}", f"https://mcp.example.com{text}"):
        same_resource(_NOTES.resource, requested)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://A.example:443/x", "a.example"),
        ("https://a.example:80/x", "a.example:80"),
        ("http://a.example:80", "a.example"),
        ("http://[::1]:8080/x", "[::1]:8080"),
    ],
)
def test_the_default_port_is_no_part_of_an_authority(url: str, authority: str):
    assert canonical_authority(url) == authority

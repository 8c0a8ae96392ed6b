"""`inject` and `header_credentials`: defaults, and what is refused before it could open a server."""

import pytest

from sidecar.directory import HeaderCredentials, Inject


@pytest.mark.parametrize(
    ("section", "inject"),
    [
        pytest.param({}, Inject("upstream", "authorization", "Bearer "), id="default"),
        pytest.param({"header": "X-Token"}, Inject("upstream", "x-token", "Bearer "), id="another header"),
        pytest.param({"header": "X-Token", "prefix": ""}, Inject("upstream", "x-token", ""), id="bare"),
        pytest.param({"mode": "identity"}, Inject("identity", "x-dcr-assertion", ""), id="identity"),
        pytest.param(
            {"mode": "identity", "header": "authorization"},
            Inject("identity", "authorization", "Bearer "),
            id="identity as a bearer token",
        ),
        pytest.param(
            {"mode": "identity", "header": "x-jwt", "prefix": ""}, Inject("identity", "x-jwt", ""), id="identity, bare"
        ),
    ],
)
def test_what_is_injected_where(world, section, inject):
    world.server["inject"] = section
    assert world.load().directory.servers[0].inject == inject


def test_identity_headers_are_never_relayed_unchecked(world):
    """Design 7: a server that believes them would believe whoever comes."""
    world.server.update(inject={"mode": "identity"}, without_pool="relay")
    (text,) = world.refusals()
    assert text.startswith("servers[notes].without_pool: ")


def test_header_credentials_are_off_unless_named(world):
    assert world.load().directory.servers[0].header_credentials is None
    world.server["header_credentials"] = {"prefixes": ["ghp_", "ghp_"], "headers": ["X-Api-Key"]}
    own = world.load().directory.servers[0].header_credentials
    assert own == HeaderCredentials(("ghp_",), ("x-api-key",))


@pytest.mark.parametrize(
    ("prefix", "word"),
    [
        pytest.param("", "3 to 64", id="empty"),
        pytest.param("gh", "3 to 64", id="short"),
        pytest.param("g" * 65, "3 to 64", id="long"),
        pytest.param("gh p", "3 to 64", id="blank"),
        pytest.param("gh*", "3 to 64", id="wildcard"),
        pytest.param("dcra_", "our own", id="ours"),
        pytest.param("dcr", "our own", id="beginning of ours"),
        pytest.param("DCRx", "our own", id="ours in capitals"),
        pytest.param("eyJ", "identity provider", id="JWT"),
        pytest.param("eyJhbGciOi", "identity provider", id="a JWT's head"),
        pytest.param("gho", "identity provider", id="wider than GitHub's"),
        pytest.param("ya29.a0", "identity provider", id="Google's"),
    ],
)
def test_a_prefix_that_would_pass_more_than_meant_is_refused(world, prefix, word):
    world.server["header_credentials"] = {"prefixes": [prefix]}
    (text,) = world.refusals()
    assert text.startswith("servers[notes].header_credentials.prefixes")
    assert word in text


@pytest.mark.parametrize(
    ("header", "word"),
    [
        pytest.param("Authorization", "prefixes", id="authorization"),
        pytest.param("cookie", "meaning", id="cookie"),
        pytest.param("user-agent", "in its name", id="every request has one"),
        pytest.param("accept", "in its name", id="every request has one, too"),
        pytest.param("traceparent", "in its name", id="tracing"),
        pytest.param("mcp-session-id", "meaning", id="MCP's"),
        pytest.param("mcp-param-api-key", "meaning", id="MCP's parameters"),
        pytest.param("x-dcr-client-key", "meaning", id="ours"),
        pytest.param("x-user-token", "never comes", id="stripped"),
        pytest.param("x-forwarded-access-token", "never comes", id="another proxy's"),
        pytest.param("x-forwarded-secret", "never comes", id="proxies'"),
        pytest.param("sec-websocket-key", "never comes", id="a browser's"),
        pytest.param("proxy-authorization", "never comes", id="the proxy's"),
        pytest.param("x key", "header name", id="no header name"),
    ],
)
def test_a_header_that_is_no_credentials_is_refused(world, header, word):
    world.server["header_credentials"] = {"headers": [header]}
    (text,) = world.refusals()
    assert text.startswith("servers[notes].header_credentials.headers")
    assert word in text


def test_they_do_not_go_with_identity_headers(world):
    world.server.update(inject={"mode": "identity"}, header_credentials={"headers": ["x-api-key"]})
    (text,) = world.refusals()
    assert text.startswith("servers[notes].header_credentials: needs `inject.mode: upstream`")


def test_a_header_that_we_set_for_any_server_is_no_clients(world):
    """Envoy takes it from every request, whichever server that is for."""
    world.server["header_credentials"] = {"headers": ["x-api-key"]}
    world.add_server(inject={"header": "x-api-key", "prefix": ""}, header_credentials={})
    (text,) = world.refusals()
    assert text.startswith("servers[notes].header_credentials.headers: x-api-key is what server second gets")

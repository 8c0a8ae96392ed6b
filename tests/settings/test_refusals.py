"""What does not start, and the key that the message names."""

import pytest

from sidecar import settings


def _spoil(world, key, value):
    """Set `servers.0.scopes.base` and the like."""
    *parents, last = key.split(".")
    node = world.tree
    for step in parents:
        node = node[int(step)] if step.isdecimal() else node.setdefault(step, {})
    node[last] = value


def _refused(world, key, value):
    _spoil(world, key, value)
    return world.refusals()


def test_the_configuration_these_tests_spoil_is_right(world):
    assert world.load().warnings == ()


@pytest.mark.req(1, 5, 11)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("http://mcp.example.com", "must be https", id="http"),
        pytest.param("http://127.0.0.1.example.com", "must be https", id="nearly loopback"),
        pytest.param("https://mcp.example.com/?a=b", "no query", id="query"),
        pytest.param("https://mcp.example.com?", "no query", id="empty query"),
        pytest.param("https://mcp.example.com#x", "no fragment", id="fragment"),
        pytest.param("https://mcp.example.com/", "no trailing slash", id="root slash"),
        pytest.param("https://mcp.example.com/mcp/", "no trailing slash", id="path slash"),
        pytest.param("https://a:b@mcp.example.com", "no user name", id="userinfo"),
        pytest.param("https://MCP.example.com", "lower case", id="upper case host"),
        pytest.param("HTTPS://mcp.example.com", "lower case", id="upper case scheme"),
        pytest.param("https://mcp.example.com:443", "own port", id="default port"),
        pytest.param("https://mcp.example.com:x", "not a URL", id="bad port"),
        pytest.param("https://mcp..example.com", "neither an address nor a name", id="empty label"),
        pytest.param("https://2130706433", "neither an address nor a name", id="decimal address"),
        pytest.param("https://127.1", "neither an address nor a name", id="short address"),
        pytest.param("https://mcp.exämple.com", "printable ASCII", id="not ASCII"),
        pytest.param("https://mcp.example.com/a%2Fb", "read in two ways", id="escape"),
        pytest.param("https://mcp.example.com/a/../b", "read in two ways", id="dots"),
        pytest.param("mcp.example.com", "absolute URL", id="relative"),
        pytest.param("ftp://mcp.example.com", "absolute URL", id="scheme"),
    ],
)
@pytest.mark.parametrize("key", ["issuer", "resource"])
def test_urls_that_clients_could_read_differently(world, key, value, message):
    (text,) = _refused(world, f"servers.0.{key}", value)
    assert text.startswith(f"servers[notes].{key}: ")
    assert message in text


@pytest.mark.req(5)
@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_http_is_for_loopback(world, host):
    world.server["resource"] = f"http://{host}/mcp"
    assert [issuer.url for issuer in world.load().directory.issuers] == [f"http://{host}"]


@pytest.mark.parametrize(
    ("key", "value", "named", "message"),
    [
        pytest.param("servers", [], "servers", "at least one", id="no server"),
        pytest.param("servers.0.origin", "http://127.0.0.1:3000/mcp", "servers[notes].origin", "port only", id="path"),
        pytest.param("servers.0.origin", "https://mcp.example.com", "servers[notes].origin", "call itself", id="loop"),
        pytest.param("servers.0.resource", "https://h.example/token", "servers[notes].resource", "inside", id="token"),
        pytest.param(
            "servers.0.resource", "https://h.example/.well-known/x", "servers[notes].resource", "inside", id="wk"
        ),
        pytest.param(
            "servers.0.issuer", "https://mcp.example.com/mcp", "servers[notes].resource", "inside", id="issuer"
        ),
        pytest.param("servers.0.scopes.optional", ["notes.read"], "servers[notes].scopes", "twice", id="scope twice"),
        pytest.param("servers.0.scopes.base", ["a b"], "servers[notes].scopes.base[0]", "blanks", id="scope blank"),
        pytest.param("servers.0.allow.domains", ["*"], "servers[notes].allow.domains", "without", id="any domain"),
        pytest.param("servers.0.allow.emails", ["ana"], "servers[notes].allow.emails", "addresses", id="no address"),
        pytest.param("servers.0.allow.groups", [" "], "servers[notes].allow", "empty entry", id="blank group"),
        pytest.param("servers.0.allowed_origins", ["*"], "servers[notes].allowed_origins[0]", "no *", id="any origin"),
        pytest.param(
            "servers.0.allowed_origins",
            ["https://a.example/"],
            "servers[notes].allowed_origins[0]",
            "no path",
            id="slash",
        ),
        pytest.param(
            "servers.0.allowed_origins",
            ["https://a.example:443"],
            "servers[notes].allowed_origins[0]",
            "port",
            id="443",
        ),
        pytest.param(
            "servers.0.inject.header", "x y", "servers[notes].inject.header", "header name", id="header blank"
        ),
        pytest.param("servers.0.inject.header", "Cookie", "servers[notes].inject.header", "meaning", id="cookie"),
        pytest.param("servers.0.inject.header", "X-DCR-User", "servers[notes].inject.header", "meaning", id="ours"),
        pytest.param("servers.0.inject.mode", "both", "servers[notes].inject.mode", "`identity`", id="inject mode"),
        pytest.param("servers.0.inject.prefix", "a\r\nb", "servers[notes].inject.prefix", "printable", id="line break"),
        pytest.param("servers.0.name", "Notes!", "servers[Notes!].name", "lower-case", id="name"),
        pytest.param("pools.0.provider", "goggle", "pools[corp].provider", "there is: ", id="provider"),
        pytest.param("pools.0.issuer", None, "pools[corp].issuer", "required", id="no issuer"),
        pytest.param("pools.0.issuer", "http://login.example.com", "pools[corp].issuer", "https", id="upstream http"),
        pytest.param("pools.0.client_id", "", "pools[corp].client_id", "empty", id="no client id"),
        pytest.param("pools.0.client_id", 7, "pools[corp].client_id", "quotes", id="a number"),
        pytest.param("pools.0.client_secret", "", "pools[corp].client_secret", "is empty", id="empty secret"),
        pytest.param("pools.0.client_secret", None, "pools[corp].client_secret_file", "required", id="no secret"),
        pytest.param("pools.0.client_secret_file", "x", "pools[corp].client_secret", "twice", id="secret twice"),
        pytest.param(
            "pools.0.authorize_params", {"state": "x"}, "pools[corp].authorize_params", "ours", id="our params"
        ),
        pytest.param("pools.0.proxy", "socks5://x", "pools[corp].proxy", "http://", id="proxy"),
        pytest.param("pools.0.proxy", "http://[x", "pools[corp].proxy", "http://", id="proxy that is no URL"),
        pytest.param("pools.0.proxy", "http://u:p#w@x:1", "pools[corp].proxy", "%XX", id="proxy password cut short"),
        pytest.param("pools.0.proxy_file", "none", "pools[corp].proxy_file", "cannot be read", id="no proxy file"),
        pytest.param("pools.0.tls.ca_file", "none.pem", "pools[corp].tls.ca_file", "No such file", id="no CA"),
        pytest.param("pools.0.tls.ca_file", ".", "pools[corp].tls.ca_file", "Is a directory", id="CA folder"),
        pytest.param("pools.0.tls.ca_file", "keys.json", "pools[corp].tls.ca_file", "no PEM", id="CA of another kind"),
        pytest.param("store.url", None, "store.url", "required", id="no store"),
        pytest.param("store.url", "memory:", "store.url", "begin with", id="other store"),
        pytest.param("store.url", "embedded:", "store.url", "directory", id="embedded nowhere"),
        pytest.param("store.url", "redis://h?ssl_ca_certs=/ca.pem", "store.url", "rediss", id="store TLS without TLS"),
        pytest.param("store.url", "redis://:a/b@h", "store.url", "%2F", id="store password with a slash"),
        pytest.param("keys.file", "none.json", "keys.file", "keys generate", id="no keys"),
        pytest.param("admin.token", "", "admin.token", "is empty", id="empty admin token"),
        pytest.param("admin.token", "short", "admin.token", "32 random", id="short admin token"),
        pytest.param("admin.token", "a" * 40, "admin.token", "32 random", id="dull admin token"),
        pytest.param("admin.token_file", "none", "admin.token_file", "cannot be read", id="no token file"),
        pytest.param("listeners.oauth", "0.0.0.0:9400", "listeners.oauth", "only `ops`", id="oauth everywhere"),
        pytest.param("listeners.admin", "[::]:9402", "listeners.admin", "only `ops`", id="admin everywhere"),
        pytest.param("listeners.check", "10.0.0.5:9401", "listeners.check", "check_secret_file", id="bare check"),
        pytest.param("listeners.check", "9401", "listeners.check", "host:port", id="no host"),
        pytest.param("listeners.check", "127.0.0.1:99999", "listeners.check", "host:port", id="port"),
        pytest.param("listeners.ops", "127.0.0.1:9400", "listeners", "same address", id="same address"),
        pytest.param("lifetimes.access", 600, "lifetimes.access", "greater than 600", id="access too short"),
        pytest.param("lifetimes.access", "2h", "lifetimes.access", "less than or equal to 3600", id="access too long"),
        pytest.param("lifetimes.grant", "soon", "lifetimes.grant", "with s, m, h or d", id="no duration"),
        pytest.param(
            "registration.documents.hosts",
            ["https://a.example"],
            "registration.documents.hosts[0]",
            "host name",
            id="host",
        ),
        pytest.param(
            "registration.documents.denied_hosts",
            ["*"],
            "registration.documents.denied_hosts[0]",
            "host name",
            id="denied host",
        ),
        pytest.param(
            "registration.documents.internal_hosts",
            ["*.corp"],
            "registration.documents.internal_hosts[0]",
            "host name",
            id="internal",
        ),
        pytest.param("registration.redirects.hosts", ["ä"], "registration.redirects", "host", id="redirect host"),
        pytest.param("registration.redirects.schemes", ["data:"], "registration.redirects", "private-use", id="scheme"),
        pytest.param("envoy.tls.cert_file", "c.pem", "envoy.tls", "both", id="half TLS"),
        pytest.param("envoy.admin", "0.0.0.0:9901", "envoy.admin", "loopback", id="Envoy admin"),
        pytest.param("replicas", 0, "replicas", "greater than or equal to 1", id="no replica"),
    ],
)
def test_one_key_is_wrong(world, key, value, named, message):
    (text,) = _refused(world, key, value)
    assert text.startswith(f"{named}: ")
    assert message in text


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("sevrers", "did you mean `servers`", id="top level"),
        pytest.param("servers.0.orign", "did you mean `origin`", id="in a list"),
        pytest.param("servers.0.inject.heder", "did you mean `header`", id="in a section"),
        pytest.param("store.zzz", "there is: prefix, timeout_ms, url", id="nothing like it"),
    ],
)
def test_unknown_keys_are_refused_with_a_hint(world, key, message):
    (text,) = _refused(world, key, 1)
    assert message in text


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param({"provider": "google", "issuer": None}, id="google"),
        pytest.param({"provider": "github", "issuer": None}, id="github"),
        pytest.param(
            {"provider": "entra", "issuer": "https://login.microsoftonline.com/common/v2.0"}, id="entra common"
        ),
        pytest.param(
            {"provider": "entra", "issuer": "https://login.microsoftonline.com/organizations/v2.0"}, id="organizations"
        ),
        pytest.param({"provider": "oidc", "issuer": "https://accounts.google.com"}, id="google spelled out"),
        pytest.param({"provider": "oidc", "issuer": "https://gitlab.com"}, id="gitlab"),
    ],
)
def test_a_public_provider_needs_allow(world, pool):
    world.pool.update(pool)
    world.load()
    del world.server["allow"]
    (text,) = world.refusals()
    assert text.startswith("servers[notes].allow: is required")


def test_a_company_provider_may_let_in_whom_it_knows(world):
    del world.server["allow"]
    assert world.load()


def test_embedded_is_for_one_sidecar(world):
    world.tree["store"] = {"url": "embedded:./data"}
    assert world.load().store.url == f"embedded:{world.base / 'data'}"
    world.tree["replicas"] = 2
    (text,) = world.refusals()
    assert text.startswith("store.url: `embedded:` is for one sidecar")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"resource": "https://mcp.example.com/two"}, "already stands behind", id="default issuers"),
        pytest.param({"issuer": "https://mcp.example.com"}, "already stands behind", id="named issuer"),
    ],
)
def test_two_pools_behind_one_issuer(world, changes, message):
    world.add_pool()
    world.add_server(pool="other", **changes)
    (text,) = world.refusals()
    assert text.startswith("servers[second].pool: ")
    assert message in text


def test_two_servers_may_not_share_a_name_or_a_resource(world):
    world.add_server(name="notes", resource="https://mcp.example.com/mcp")
    assert [text.split(":")[0] for text in world.refusals()] == ["servers.name", "servers.resource"]


@pytest.mark.parametrize("key", ["name", "id"])
def test_two_pools_may_not_share_a_name_or_an_id(world, key):
    world.add_pool(**{key: world.pool[key]})
    (text,) = world.refusals()
    assert text.startswith(f"pools.{key}: ")


def test_one_secret_may_not_serve_two_ends(world):
    secret = "0123456789abcdef" * 3
    world.tree["admin"] = {"token": secret}
    world.tree["listeners"] = {"check_secret": secret}
    (text,) = world.refusals()
    assert text.startswith("admin.token: is used twice")


def test_everything_wrong_is_told_at_once(world):
    world.tree["admin"] = {"token": "short"}
    world.tree["store"] = {}
    world.server["origin"] = "https://mcp.example.com"
    assert len(world.refusals()) == 3


@pytest.mark.req(192)
def test_messages_never_repeat_a_secret(world):
    world.tree["admin"] = {"token": "canary"}
    world.tree["store"] = {"url": "canary://:canary@h"}
    world.pool["client_secret"] = ["canary"]
    assert not any("canary" in text for text in world.refusals())
    world.pool["client_secret"] = "s3cret"
    assert not any("canary" in text for text in world.refusals())


@pytest.mark.req(192)
def test_settings_do_not_show_secrets(world):
    world.tree["admin"] = {"token": "canary-0123456789-0123456789-0123"}
    world.tree["listeners"] = {"check_secret": "canary-abcdefghijkl-abcdefghijkl-abc"}
    world.tree["store"] = {"url": "redis://:canary@127.0.0.1/0"}
    world.pool["client_secret"] = "canary"
    assert "canary" not in repr(world.load())


def test_errors_are_exceptions_that_say_all_of_it(world):
    world.tree["replicas"] = 0
    with pytest.raises(settings.SettingsError, match="replicas: must be greater than or equal to 1"):
        world.load()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param(
            {"registrations": {"per_hour": -1}}, "limits.registrations.per_hour: must be greater", id="negative"
        ),
        pytest.param({"sign_ins": {"burst": 0}}, "limits.sign_ins.burst: must be greater", id="no-burst"),
        pytest.param({"sign_in": {}}, "limits.sign_in: is not a key; did you mean `sign_ins`?", id="typo"),
        pytest.param({"ranges": [{"name": "a", "cidrs": ["10.0.0.1/8"]}]}, "no bit set behind it", id="host-bits"),
        pytest.param({"ranges": [{"name": "a", "cidrs": ["a.example"]}]}, "must be an address or a network", id="name"),
        pytest.param(
            {"ranges": [{"name": "a", "cidrs": []}]}, "limits.ranges[a].cidrs: must name at least one", id="empty"
        ),
        pytest.param(
            {"ranges": [{"name": "a", "cidrs": ["10.0.0.0/8"]}] * 2}, "limits.ranges[a].name: is used twice", id="twice"
        ),
    ],
)
def test_limits_that_cannot_mean_what_they_say(world, limits, message):
    (text,) = _refused(world, "limits", limits)
    assert message in text


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("pools.0.client_id", "${CLIENT_ID}", "${CLIENT_ID} is not filled in here", id="variable"),
        pytest.param("pools.0.client_secret", "${SECRET}", "DCR_SIDECAR_", id="secret"),
        pytest.param("pools.0.issuer", "https://login.example.com/<tenant id>/v2.0", "<tenant id>", id="placeholder"),
        pytest.param("servers.0.resource", "https://<host>/mcp", "<host>", id="host"),
    ],
)
def test_what_examples_leave_to_the_reader_is_not_taken_for_a_value(world, key, value, message):
    (text,) = _refused(world, key, value)
    assert text.startswith(key.replace("pools.0", "pools[corp]").replace("servers.0", "servers[notes]") + ": ")
    assert message in text


@pytest.mark.parametrize("value", ["<abc>${x}", "x${Y}", "$2y$<a>"])
def test_a_secret_may_hold_such_marks(world, value):
    world.pool["client_secret"] = value
    assert world.load().directory.pools["corp"].client_secret == value

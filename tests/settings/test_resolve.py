"""What a configuration means once it is right."""

import pytest

from sidecar import keyfile, settings
from sidecar.budgets import Budget, Budgets, Range
from sidecar.directory import AllowRule, Inject
from sidecar.oauth.policy import KNOWN_REDIRECTS, KNOWN_SCHEMES
from sidecar.records import Lifetimes
from sidecar.settings import Bind
from sidecar.store.address import SCHEMES
from tests.upstream.certificates import private_tls


def test_a_server_is_what_the_file_says(world):
    world.server["allowed_origins"] = ["https://inspector.example", "http://localhost:6274"]
    world.server["scopes"]["optional"] = ["notes.write"]
    server = world.load().directory.servers[0]
    assert (server.name, server.resource, server.origin) == (
        "notes",
        "https://mcp.example.com/mcp",
        "http://127.0.0.1:3000",
    )
    assert server.scopes == ("notes.read", "notes.write")
    assert server.allowed_origins == {"https://inspector.example", "http://localhost:6274"}
    assert server.allow == AllowRule(domains=frozenset({"example.com"}))
    assert server.inject == Inject()


@pytest.mark.req(1)
@pytest.mark.parametrize(
    ("resource", "issuer"),
    [
        pytest.param("https://mcp.example.com/mcp", "https://mcp.example.com", id="path"),
        pytest.param("https://mcp.example.com", "https://mcp.example.com", id="root"),
        pytest.param("https://mcp.example.com:8443/a/b", "https://mcp.example.com:8443", id="port"),
    ],
)
def test_the_issuer_is_the_resources_origin_by_default(world, resource, issuer):
    world.server["resource"] = resource
    assert [found.url for found in world.load().directory.issuers] == [issuer]


def test_two_pools_on_one_host_have_path_issuers(world):
    world.add_pool()
    world.server["issuer"] = "https://mcp.example.com/corp"
    world.add_server(pool="other", resource="https://mcp.example.com/two", issuer="https://mcp.example.com/other")
    assert [(issuer.url, issuer.pool) for issuer in world.load().directory.issuers] == [
        ("https://mcp.example.com/corp", "corp"),
        ("https://mcp.example.com/other", "other"),
    ]


def test_servers_of_one_pool_share_the_issuer(world):
    world.add_server(resource="https://mcp.example.com/two")
    directory = world.load().directory
    assert len(directory.issuers) == 1
    assert [server.name for server in directory.servers_of(directory.issuers[0])] == ["notes", "second"]


def test_a_pool_name_that_does_not_resolve_means_deny_and_is_told(world):
    world.server["pool"] = "gone"
    found = world.load()
    assert found.directory.pool_of(found.directory.servers[0]) is None
    (warning,) = found.warnings
    assert warning.startswith("servers[notes].pool: no pool gone here, so every call is denied unless ")


def test_a_server_without_a_pool_has_no_issuer_of_ours(world):
    del world.server["pool"]
    found = world.load()
    assert found.directory.issuers == ()
    assert found.warnings == ("servers[notes]: has no pool, so every call is denied",)
    world.server["without_pool"] = "relay"
    assert world.load().warnings == ()


def test_a_server_that_is_relayed_beside_our_pages_is_told(world):
    """Its pages are of the same origin as the consent page, so a script in them could answer it."""
    beside = {"name": "open", "resource": "https://mcp.example.com/open", "origin": "http://127.0.0.1:3001"}
    world.tree["servers"].append(beside | {"without_pool": "relay"})
    (text,) = world.load().warnings
    assert text.startswith("servers[open].without_pool: ")
    world.tree["servers"][1]["resource"] = "https://open.example.com/open"
    assert world.load().warnings == ()


def test_a_pool_is_what_the_file_says(world):
    world.pool.update(
        provider="oauth2",
        issuer=None,
        scopes=["notes"],
        endpoints={
            "authorize": "https://idp.example/authorize",
            "token": "https://idp.example/token",
            "revoke": "https://idp.example/revoke",
            "userinfo": "https://idp.example/me",
        },
        authorize_params={"audience": "notes"},
        token_auth="post",
        tls={"ca_file": "ca.pem"},
        proxy="http://proxy.example:3128",
    )
    private_tls(world.base)
    pool = world.load().directory.pools["corp"]
    assert pool.authorization_endpoint == "https://idp.example/authorize"
    assert pool.revocation_endpoint == "https://idp.example/revoke"
    assert pool.authorize_params == (("audience", "notes"),)
    assert (pool.token_auth, pool.ca) == ("post", (world.base / "ca.pem").read_text())


def test_of_a_ca_file_only_its_certificates_are_kept_and_never_a_key(world):
    private_tls(world.base)
    ca = world.base / "ca.pem"
    text = ca.read_text()
    ca.write_text(f"# the lab's own, of K\u00f6ln\n{text}the other one:\n{text}", encoding="latin-1")
    world.pool["tls"] = {"ca_file": "ca.pem"}
    assert world.load().directory.pools["corp"].ca == text + text
    ca.write_text(text + (world.base / "key.pem").read_text())
    assert [refusal for refusal in world.refusals() if "holds a private key" in refusal]
    ca.write_text(text.replace("M", "N", 3))
    assert [refusal for refusal in world.refusals() if "cannot be read" in refusal]


def test_a_proxy_with_a_password_comes_from_a_file_and_is_in_no_repr(world):
    world.pool["proxy_file"] = "proxy"
    (world.base / "proxy").write_text("http://user:fake-proxy-password@proxy.example:3128\n")
    found = world.load()
    assert found.directory.pools["corp"].proxy == "http://user:fake-proxy-password@proxy.example:3128"
    assert "fake-proxy-password" not in repr(found)
    world.pool["proxy"] = "http://user:fake-proxy-password@proxy.example:3128"
    assert [refusal for refusal in world.refusals() if "is given twice" in refusal]
    assert "fake-proxy-password" not in repr(world.refusals())


def test_a_public_upstream_client_needs_no_secret(world):
    del world.pool["client_secret"]
    world.pool["token_auth"] = "none"
    assert world.load().directory.pools["corp"].client_secret == ""


def test_secrets_come_from_files_beside_the_configuration(world):
    del world.pool["client_secret"]
    world.pool["client_secret_file"] = "secret"
    world.tree["admin"] = {"token_file": "token"}
    world.tree["store"] = {"url_file": "url"}
    (world.base / "secret").write_text("from a file\n")
    (world.base / "token").write_text("0123456789abcdef0123456789abcdef\r\n")
    (world.base / "url").write_text("rediss://:pw@redis.example:6380/0")
    found = world.load()
    assert found.directory.pools["corp"].client_secret == "from a file"
    assert found.admin_token == "0123456789abcdef0123456789abcdef"
    assert found.store.url == "rediss://:pw@redis.example:6380/0"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_store_that_there_is_can_be_configured(world, scheme):
    world.tree["store"] = {"url": f"{scheme}://store.example/0"}
    assert world.load().store.url == f"{scheme}://store.example/0"


def test_an_empty_secret_file_is_refused(world):
    del world.pool["client_secret"]
    world.pool["client_secret_file"] = "secret"
    (world.base / "secret").write_text("\n")
    (text,) = world.refusals()
    assert text == f"pools[corp].client_secret_file: {world.base / 'secret'} is empty"


@pytest.mark.parametrize(
    ("address", "bind", "private"),
    [
        pytest.param("127.0.0.1:9411", Bind("127.0.0.1", 9411), True, id="IPv4"),
        pytest.param("[::1]:9400", Bind("::1", 9400), True, id="IPv6"),
        pytest.param("localhost:0", Bind("localhost", 0), True, id="name"),
        pytest.param("unix:/run/dcr/check.sock", Bind(unix="/run/dcr/check.sock"), True, id="socket"),
        pytest.param("10.0.0.5:9401", Bind("10.0.0.5", 9401), False, id="off loopback"),
    ],
)
def test_addresses(world, address, bind, private):
    world.tree["listeners"] = {"check": address, "check_secret": "0123456789abcdef0123456789abcdef"}
    found = world.load().listeners.check
    assert (found, found.private, str(found)) == (bind, private, address)


def test_ops_may_bind_every_address(world):
    world.tree["listeners"] = {"ops": "0.0.0.0:9403"}
    assert world.load().listeners.ops == Bind("0.0.0.0", 9403)


@pytest.mark.req(145)
def test_lifetimes_are_seconds_or_have_a_unit(world):
    world.tree["lifetimes"] = {"access": "30m", "refresh_idle": "14d", "grant": 86400, "grace": "30"}
    assert world.load().lifetimes == Lifetimes(access=1800, refresh_idle=14 * 86400, grant=86400, grace=30)
    assert world.load().envoy.stream_seconds == 1800


@pytest.mark.parametrize(
    ("store", "milliseconds"),
    [
        pytest.param({"url": "embedded:./data"}, 1000, id="embedded"),
        pytest.param({"url": "embedded:./data", "timeout_ms": 250}, 250, id="embedded, and told"),
        pytest.param({"url": "redis://127.0.0.1:6379/0", "timeout_ms": 40}, 40, id="elsewhere, and told"),
    ],
)
def test_an_embedded_store_is_waited_for_longer_than_one_elsewhere(world, store, milliseconds):
    """It writes to the disk before it answers, and a disk that is busy for a moment is no fault."""
    world.tree["store"] = store
    assert world.load().store.timeout_ms == milliseconds


def test_the_defaults_are_those_of_the_records(world):
    found = world.load()
    assert found.lifetimes == Lifetimes()
    assert (found.store.prefix, found.store.wait_replicas, found.store.timeout_ms) == ("dcr", 0, 250)
    assert found.registration.schemes == KNOWN_SCHEMES
    assert (found.dcr, found.admin_token) == ("open", "")


def test_yaml_switches_are_understood(world):
    world.tree["registration"] = {"dcr": False, "cimd": False}
    assert world.load().dcr == "off"


@pytest.mark.req(54)
def test_redirects_can_be_narrowed_to_known_clients(world):
    world.tree["registration"] = {"redirects": {"hosts": "known", "schemes": []}}
    policy = world.load().registration
    assert policy.redirect_hosts == KNOWN_REDIRECTS
    assert policy.schemes == frozenset()


@pytest.mark.req(62)
def test_limits_keep_the_default_of_what_is_left_out(world):
    assert world.load().limits == Budgets()
    hosted = {"name": "hosted", "cidrs": ["203.0.113.0/24", "2001:db8::1"], "registrations": {"per_hour": 0}}
    world.tree["limits"] = {"registrations": {"per_hour": "10"}, "sign_ins": {"burst": 5}, "ranges": [hosted]}
    found = world.load().limits
    assert found.registrations == Budget(10, Budgets().registrations.burst)
    assert found.sign_ins == Budget(Budgets().sign_ins.per_hour, 5)
    assert (found.pool_registrations, found.failed_authentications) == (Budget(3000, 1000), Budget(60, 20))
    (named,) = found.ranges
    assert named == Range("hosted", named.networks, Budget(0, 2000), Budget(30_000, 3000))
    assert named.registrations.unlimited
    assert [str(network) for network in named.networks] == ["203.0.113.0/24", "2001:db8::1/128"]


def test_keys_that_everybody_may_read_are_warned_of(world):
    (world.base / "keys.json").chmod(0o644)
    assert "chmod 600" in world.load().warnings[0]


def test_load_reads_the_file_and_the_environment_over_it(world):
    path = world.base / "sidecar.yaml"
    path.write_text(
        "store: {url: redis://127.0.0.1:6379/0}\nservers:\n  - {name: a, resource: https://a.example, origin: http://a:1}"
    )
    found = settings.load(path, {"DCR_SIDECAR_LOG__LEVEL": "debug", "DCR_SIDECAR_SERVERS__A__WITHOUT_POOL": "relay"})
    assert found.log.level == "debug"
    assert found.directory.servers[0].without_pool == "relay"
    assert found.keyring.active == 1


def test_the_outline_needs_no_secret(world):
    path = world.base / "sidecar.yaml"
    path.write_text(
        "servers:\n  - {name: a, resource: https://a.example, origin: http://a:1, pool: p}\n"
        "pools:\n"
        "  - {name: p, id: p-1, provider: oidc, issuer: https://i.example, client_id: c, client_secret_file: none}\n"
        "listeners: {check: 10.0.0.5:9401, check_secret_file: none}\nkeys: {file: none}\n"
    )
    found = settings.load_outline(path, {})
    assert found.listeners.check == Bind("10.0.0.5", 9401)
    assert found.listeners.check_secret
    assert [server.name for server in found.directory.servers] == ["a"]


def test_the_schema_knows_every_section_and_refuses_the_rest():
    schema = settings.json_schema()
    assert schema["additionalProperties"] is False
    assert {"servers", "pools", "keys", "store", "registration", "listeners", "admin", "envoy"} <= set(
        schema["properties"]
    )
    assert all(section["additionalProperties"] is False for section in schema["$defs"].values())


def test_a_generated_key_file_is_what_settings_expect(world, entropy, clock):
    keyfile.generate(world.base / "second.json", entropy=entropy, clock=clock)
    world.tree["keys"] = {"file": "second.json"}
    assert world.load().keyring.active == 1

"""What is written down: the list of routes without a check, the switches that keep it closed, valid in every shape."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar import headers, settings
from sidecar.directory import Directory, Inject, Issuer, Server
from sidecar.envoy_config import COMMENTS, Address, EnvoyPlan, bootstrap, dump_yaml, fragment, plan_from
from sidecar.envoy_config.typed import EXT_AUTHZ
from tests.fakes.edge import directory
from tests.fakes.envoy import validate

EXAMPLE = Path(__file__).parents[2] / "envoy"
A, B = "https://a.example", "https://b.example"


def _server(name: str, resource: str, *, origin: str = "http://127.0.0.1:3000", **more: Any) -> Server:
    return Server(name, resource, origin, more.pop("issuer", A), more.pop("pool", "corp"), **more)


def _plan(*servers: Server, issuers: tuple[str, ...] = (A,), **more: Any) -> EnvoyPlan:
    return EnvoyPlan(Directory(servers, tuple(Issuer(url, "corp") for url in issuers)), **more)


def _manager(document: Mapping[str, Any]) -> dict[str, Any]:
    return document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def _routes(plan: EnvoyPlan, domain: str) -> list[dict[str, Any]]:
    return next(host["routes"] for host in fragment(plan)["virtual_hosts"] if domain in host["domains"])


def _unchecked(routes: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Where to, and for what, of every route that the check is not asked about; refusals apart."""
    for route in routes:
        if "typed_per_filter_config" in route and "route" in route:
            match = dict(route["match"])
            assert route["typed_per_filter_config"][EXT_AUTHZ]["disabled"] is True
            kind, value = match.popitem()
            assert not match, "one condition a route, so that the list says all"
            yield route["route"]["cluster"], f"{value}{'*' if kind == 'prefix' else ''}"


@pytest.mark.req(182)
def test_what_needs_no_token_is_an_explicit_list():
    plan = _plan(_server("notes", f"{A}/mcp"), _server("root", B, issuer=f"{B}/corp"), issuers=(A, f"{B}/corp"))

    assert list(_unchecked(_routes(plan, "a.example"))) == [
        ("dcr-sidecar.oauth", "/authorize"),
        ("dcr-sidecar.oauth", "/callback"),
        ("dcr-sidecar.oauth", "/token"),
        ("dcr-sidecar.oauth", "/register"),
        ("dcr-sidecar.oauth", "/revoke"),
        ("dcr-sidecar.oauth", "/register/*"),
        ("dcr-sidecar.oauth", "/.well-known/*"),
        ("dcr-sidecar.oauth", "/mcp/.well-known/*"),
    ]
    assert list(_unchecked(_routes(plan, "b.example"))) == [
        ("dcr-sidecar.oauth", "/corp/authorize"),
        ("dcr-sidecar.oauth", "/corp/callback"),
        ("dcr-sidecar.oauth", "/corp/token"),
        ("dcr-sidecar.oauth", "/corp/register"),
        ("dcr-sidecar.oauth", "/corp/revoke"),
        ("dcr-sidecar.oauth", "/corp/register/*"),
        ("dcr-sidecar.oauth", "/corp/.well-known/*"),
        ("dcr-sidecar.oauth", "/.well-known/*"),
    ]


def test_a_relayed_server_keeps_its_documents_and_is_no_way_to_its_neighbours():
    relayed = _server("open", f"{A}/open", pool="", without_pool="relay", origin="http://127.0.0.1:3001")
    plan = _plan(_server("notes", f"{A}/mcp"), relayed)
    origin = "origin.http.127.0.0.1:3001"

    assert [entry for entry in _unchecked(_routes(plan, "a.example")) if entry[0] == origin] == [
        (origin, "/.well-known/oauth-protected-resource/open"),
        (origin, "/.well-known/oauth-authorization-server/open"),
        (origin, "/.well-known/openid-configuration/open"),
        (origin, "/open"),
    ]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"pool": "", "without_pool": "deny"}, id="no pool, deny"),
        pytest.param({"pool": "deleted", "without_pool": "relay"}, id="a pool that is gone"),
    ],
)
def test_a_server_without_a_usable_pool_stays_behind_the_check(more):
    plan = _plan(_server("notes", f"{A}/mcp", **more))
    assert [name for name, _ in _unchecked(_routes(plan, "a.example"))] == ["dcr-sidecar.oauth"] * 8


def test_the_longest_resource_path_comes_first():
    plan = _plan(_server("all", A), _server("mcp", f"{A}/mcp"), _server("deep", f"{A}/mcp/deep"))
    names = [route["name"] for route in _routes(plan, "a.example") if route["name"].startswith("mcp ")]
    assert names == ["mcp deep", "mcp mcp", "mcp all"]


@pytest.mark.req(189)
def test_streams_have_one_end_and_nothing_is_retried():
    plan = _plan(_server("notes", f"{A}/mcp"), stream_seconds=900)
    (route,) = [route["route"] for route in _routes(plan, "a.example") if route["name"] == "mcp notes"]
    limits = {"timeout": "0s", "idle_timeout": "900s", "max_stream_duration": {"max_stream_duration": "900s"}}
    assert {name: route.get(name) for name in limits} == limits
    assert "retry_policy" not in route


@pytest.mark.parametrize(
    ("resource", "domains"),
    [
        pytest.param("https://a.example/mcp", ["a.example", "a.example:443"], id="https"),
        pytest.param("https://a.example:443/mcp", ["a.example", "a.example:443"], id="default port written out"),
        pytest.param("https://A.Example:8443/mcp", ["a.example:8443"], id="own port"),
        pytest.param("http://127.0.0.1:18080/mcp", ["127.0.0.1:18080"], id="loopback"),
        pytest.param("http://localhost/mcp", ["localhost", "localhost:80"], id="http"),
    ],
)
def test_authorities_are_the_configured_ones_with_and_without_the_default_port(resource, domains):
    (host,) = fragment(_plan(_server("notes", resource), issuers=()))["virtual_hosts"]
    assert host["domains"] == domains


def test_the_gate_fails_closed():
    manager = _manager(bootstrap(_plan(_server("notes", f"{A}/mcp"))))
    names = [entry["name"] for entry in manager["http_filters"]]
    gate = manager["http_filters"][names.index(EXT_AUTHZ)]

    assert names[-2:] == [EXT_AUTHZ, "envoy.filters.http.router"]
    assert gate["typed_config"]["failure_mode_allow"] is False
    assert gate["typed_config"]["status_on_error"] == {"code": "ServiceUnavailable"}
    assert gate["typed_config"]["clear_route_cache"] is False
    assert "disabled" not in gate
    assert "with_request_body" not in gate["typed_config"]


def test_every_identity_and_credential_header_may_be_set_and_no_other():
    plan = _plan(_server("notes", f"{A}/mcp", inject=Inject(header="X-Api-Key", prefix="")))
    gate = next(entry for entry in _manager(bootstrap(plan))["http_filters"] if entry["name"] == EXT_AUTHZ)
    answer = gate["typed_config"]["http_service"]["authorization_response"]
    allowed = [pattern.get("exact") for pattern in answer["allowed_upstream_headers"]["patterns"]]
    assert allowed == [*headers.IDENTITY, "x-api-key"]


_RELAY = _server("open", f"{B}/mcp", pool="", without_pool="relay", issuer=B)
_NOTES = _server("notes", f"{A}/mcp")
_SHAPES = [
    pytest.param(_plan(_NOTES), id="smallest"),
    pytest.param(_plan(_server("root", A)), id="a whole host"),
    pytest.param(_plan(_NOTES, _RELAY), id="relay"),
    pytest.param(_plan(_NOTES, issuers=(f"{A}/x", f"{A}/y")), id="path issuers"),
    pytest.param(_plan(_server("tls", f"{A}/mcp", origin="https://origin.example")), id="https origin"),
    pytest.param(_plan(_server("ip", f"{A}/mcp", origin="https://192.0.2.1:8443")), id="https origin by address"),
    pytest.param(_plan(_server("six", f"{A}/mcp", origin="http://[::1]:3000")), id="ipv6 origin"),
    pytest.param(_plan(_server("name", f"{A}/mcp", origin="http://notes.svc:3000")), id="origin by name"),
    pytest.param(_plan(_NOTES, listen=Address("::", 8443), admin=Address("127.0.0.1", 9901)), id="ipv6, admin"),
    pytest.param(_plan(_NOTES, admin=Address(unix="/tmp/admin.sock")), id="admin on a unix socket"),
    pytest.param(_plan(_NOTES, oauth=Address(unix="/run/o"), check=Address(unix="/run/c")), id="unix upstreams"),
    pytest.param(_plan(_NOTES, check=Address("check.svc", 9401), check_secret=True), id="check off the machine"),
    pytest.param(_plan(_NOTES, trusted_hops=2, stream_seconds=60), id="trusted hops"),
    pytest.param(EnvoyPlan(directory(3000)), id="the tests' own"),
]


@pytest.mark.parametrize("plan", _SHAPES)
def test_every_bootstrap_is_valid(plan, tmp_path):
    text = dump_yaml(bootstrap(plan), COMMENTS)
    assert yaml.safe_load(text) == bootstrap(plan)
    assert validate(text, tmp_path) == ""


def test_a_bootstrap_with_tls_is_valid(tmp_path, certificate):
    plan = _plan(_NOTES, tls_cert=str(certificate.cert), tls_key=str(certificate.key))
    assert validate(dump_yaml(bootstrap(plan)), tmp_path) == ""


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        pytest.param({"admin": Address("0.0.0.0", 9901)}, "envoy.admin", id="admin for everybody"),
        pytest.param({"tls_cert": "/cert.pem"}, "envoy.tls", id="half of TLS"),
        pytest.param({"trusted_hops": -1}, "trusted_hops", id="negative hops"),
        pytest.param({"stream_seconds": 0}, "stream_seconds", id="no stream"),
        pytest.param({"check": Address("10.0.0.8", 9401)}, "listeners.check", id="check off the machine, no secret"),
    ],
)
def test_an_unsafe_plan_is_refused(plan, complaint):
    with pytest.raises(ValueError, match=complaint):
        _plan(_NOTES, **plan)


@pytest.mark.parametrize("origin", ["ftp://h", "h:80", "http://u@h", "http://h/path", "http://h?x=1", ""])
def test_an_origin_is_scheme_host_and_port(origin):
    with pytest.raises(ValueError, match=r"servers\.notes\.origin"):
        _plan(_server("notes", f"{A}/mcp", origin=origin))


def test_a_listener_that_binds_everything_is_called_on_loopback():
    plan = _plan(_NOTES, oauth=Address("0.0.0.0", 9400), check=Address("::", 9401), check_secret=True)
    found = [cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] for cluster in fragment(plan)["clusters"]]
    hosts = [endpoints[0]["endpoint"]["address"]["socket_address"]["address"] for endpoints in found]
    assert hosts[:2] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("form", ["bootstrap", "fragment"])
def test_the_example_is_what_the_command_prints(form, tmp_path):
    outline = settings.load_outline(EXAMPLE / "sidecar.yaml", {})
    listeners = outline.listeners
    plan = plan_from(
        outline.directory,
        oauth=listeners.oauth,
        check=listeners.check,
        envoy=outline.envoy,
        check_secret=bool(listeners.check_secret),
    )
    document = bootstrap(plan) if form == "bootstrap" else fragment(plan)
    text = (EXAMPLE / f"{form}.yaml").read_text()

    assert text == dump_yaml(document, COMMENTS), "print it again, as envoy/README.md says"
    assert form == "fragment" or validate(text, tmp_path) == ""


def test_every_comment_stands_somewhere():
    plan = replace(
        _plan(_NOTES, _server("tls", f"{A}/tls", origin="https://origin.example")),
        check_secret=True,
        admin=Address("127.0.0.1", 9901),
    )
    texts = " ".join(
        line.strip().removeprefix("# ")
        for document in (bootstrap(plan), fragment(plan))
        for line in dump_yaml(document, COMMENTS).splitlines()
        if line.strip().startswith("#")
    )
    assert [key for key, comment in COMMENTS.items() if comment not in texts] == []

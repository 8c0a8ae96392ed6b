"""`envoy-config --format envoy-gateway|istio`: what is printed, what is refused, and that `envoy/kubernetes` is it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sidecar.cli import app
from sidecar.directory import Directory, HeaderCredentials, Inject, Issuer, Server
from sidecar.envoy_config import Address, Place, envoy_gateway_yaml, istio_yaml
from sidecar.envoy_config.envoy_gateway import CORS_EXPOSED, CORS_HEADERS, CORS_METHODS
from sidecar.handlers import cors
from tests.deploy.gateway_fields import ENVOY_GATEWAY, MESH_CONFIG
from tests.fakes.gateways import gateway_plan
from tests.fakes.istio import mesh_config

HERE = Path(__file__).parents[2] / "envoy" / "kubernetes"
A = "https://a.example"
FORMATS = pytest.mark.parametrize(
    "printed", [pytest.param(envoy_gateway_yaml, id="envoy-gateway"), pytest.param(istio_yaml, id="istio")]
)


def objects(text: str, kind: str = "") -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(text) if kind in {"", each["kind"]}]


def server(name: str, resource: str, **more: Any) -> Server:
    values = {"origin": f"http://{name}.mcp:3000", "issuer": A, "pool": "corp", **more}
    return Server(name, resource, **values)


def plan(*servers: Server, **more: Any) -> Any:
    return gateway_plan(directory=Directory(servers, (Issuer(A, "corp"),)), **more)


def paths(value: object, above: str = "") -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from paths(below, f"{above}.{key}".strip("."))
    elif isinstance(value, list) and value:
        for below in value:
            yield from paths(below, above)
    else:
        yield above


@pytest.mark.parametrize("form", ["envoy-gateway", "istio"])
def test_what_the_folder_holds_is_what_the_command_prints(form: str):
    config = str(HERE / "base" / "sidecar.yaml")
    done = CliRunner().invoke(app, ["envoy-config", "--config", config, "--format", form])

    assert done.exit_code == 0
    assert done.stdout == (HERE / form / f"{form}.yaml").read_text()


def test_the_options_say_where_things_are():
    options = "--namespace mcp --service login --gateway edge/web --listener https --secret-name s --no-lua"
    config = str(HERE / "base" / "sidecar.yaml")
    command = ["envoy-config", "--config", config, "--format", "envoy-gateway", *options.split()]
    found = objects(CliRunner().invoke(app, command).stdout)

    routes = [each for each in found if each["kind"] == "HTTPRoute"]
    assert {each["metadata"]["namespace"] for each in routes} == {"mcp"}
    assert routes[0]["spec"]["parentRefs"] == [{"name": "web", "namespace": "edge", "sectionName": "https"}]
    assert routes[0]["spec"]["rules"][0]["backendRefs"] == [{"name": "login", "port": 9400}]
    assert not [each for each in found if each["kind"] in {"EnvoyExtensionPolicy", "ReferenceGrant"}]
    (filtered,) = [each for each in found if each["kind"] == "HTTPRouteFilter"]
    assert filtered["spec"]["credentialInjection"]["credential"]["valueRef"]["name"] == "s"


def test_every_file_of_a_kustomization_is_there_and_every_object_is_in_one():
    for folder in (HERE / "base", HERE / "envoy-gateway", HERE / "istio"):
        recipe = yaml.safe_load((folder / "kustomization.yaml").read_text())
        assert recipe["kind"] == "Kustomization"
        assert "namespace" not in recipe
        generated = [name for each in recipe.get("configMapGenerator", []) for name in each["files"]]
        assert all((folder / name).exists() for name in (*recipe["resources"], *generated))
        listed = {*recipe["resources"], *generated, "kustomization.yaml"}
        assert {path.name for path in folder.iterdir()} <= listed


def test_envoy_gateways_fields_are_known_and_no_newer_than_what_the_readme_asks_for():
    asked = re.search(r"\| Envoy Gateway \| ([0-9.]+) \|", (HERE / "README.md").read_text())
    everything = replace(server("notes", f"{A}/mcp"), allowed_origins=frozenset({"https://page.example"}))
    text = envoy_gateway_yaml(plan(everything, trusted_hops=1), Place(listener="https"))
    used = {
        (each["kind"], path)
        for each in objects(text)
        if each["apiVersion"].startswith("gateway.envoyproxy.io")
        for path in paths(each["spec"])
    }
    since = {(kind, path): version for kind, fields in ENVOY_GATEWAY.items() for path, version in fields.items()}

    assert used - since.keys() == set()
    assert since.keys() - used == set()
    assert asked
    assert max(since.values(), key=lambda version: tuple(map(int, version.split(".")))) == asked[1]


def test_istios_provider_has_known_fields_only():
    (provider,) = mesh_config(istio_yaml(gateway_plan(), Place()))["extensionProviders"]
    assert provider["envoyExtAuthzHttp"].keys() == MESH_CONFIG


@FORMATS
def test_no_secret_is_printed_and_none_is_read(printed: Any):
    text = printed(gateway_plan(), Place())
    assert not [each for each in objects(text) if each["kind"] == "Secret"]


@pytest.mark.req(182)
def test_what_istio_does_not_ask_about_goes_to_the_oauth_listener_only():
    root = server("root", "https://b.example")
    text = istio_yaml(plan(server("notes", f"{A}/mcp"), server("deep", f"{A}/mcp/deep"), root), Place())
    (policy,) = objects(text, "AuthorizationPolicy")
    operations = [rule["to"][0]["operation"] for rule in policy["spec"]["rules"]]
    for operation, service in zip(operations, objects(text, "VirtualService"), strict=True):
        assert operation["hosts"] == [service["spec"]["hosts"][0], f"{service['spec']['hosts'][0]}:*"]
        oauth, *rest = service["spec"]["http"]
        uris = [match["uri"] for match in oauth["match"]]
        assert [uri.get("exact") or f"{uri['prefix']}*" for uri in uris] == operation["notPaths"]
        assert oauth["route"][0]["destination"]["port"] == {"number": 9400}
        assert all(http["route"][0]["destination"]["port"] == {"number": 3000} for http in rest)
    assert [http["name"] for http in objects(text, "VirtualService")[0]["spec"]["http"]] == [
        "dcr-sidecar-oauth",
        "dcr-sidecar-deep",
        "dcr-sidecar-notes",
    ]


@pytest.mark.req(182)
def test_every_route_of_envoy_gateway_to_an_mcp_server_has_its_policy_and_no_other_has_one():
    text = envoy_gateway_yaml(plan(server("notes", f"{A}/mcp"), server("deep", f"{A}/mcp/deep")), Place())
    guarded = {ref["name"] for each in objects(text, "SecurityPolicy") for ref in each["spec"]["targetRefs"]}
    to_servers = {
        route["metadata"]["name"]
        for route in objects(text, "HTTPRoute")
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
        if backend["name"] != "dcr-sidecar"
    }
    assert guarded == to_servers == {"dcr-sidecar-notes", "dcr-sidecar-deep"}
    for policy in objects(text, "SecurityPolicy"):
        assert policy["spec"]["extAuth"]["failOpen"] is False
        assert policy["spec"]["extAuth"]["statusOnError"] == 503


def test_services_of_other_namespaces_are_granted_one_by_one():
    near = server("near", f"{A}/near", origin="http://near:80")
    far = server("far", f"{A}/far", origin="http://far.mcp.svc.cluster.local")
    (grant,) = objects(envoy_gateway_yaml(plan(near, far), Place()), "ReferenceGrant")
    assert grant["metadata"]["namespace"] == "mcp"
    assert grant["spec"]["to"] == [{"group": "", "kind": "Service", "name": "far"}]


@FORMATS
def test_a_relayed_server_keeps_the_route_that_it_has(printed: Any):
    relayed = server("open", f"{A}/open", pool="", without_pool="relay", origin="https://elsewhere.example")
    text = printed(plan(server("notes", f"{A}/mcp"), relayed), Place())
    assert "elsewhere" not in text
    assert "/open" not in text


@FORMATS
def test_what_servers_inject_and_pass_is_carried(printed: Any):
    special = server(
        "notes",
        f"{A}/mcp",
        inject=Inject(header="X-Api-Key", prefix=""),
        header_credentials=HeaderCredentials(headers=("x-own-key",)),
    )
    text = printed(plan(special), Place())
    assert "- x-api-key" in text
    assert "- x-own-key" in text
    assert "x[^a-z0-9]api[^a-z0-9]key" in text


def test_envoy_gateways_preflights_say_what_the_checks_say():
    assert ", ".join(CORS_METHODS) == cors.ALLOWED_METHODS
    assert ", ".join(CORS_HEADERS) == cors.ALLOWED_HEADERS
    assert ", ".join(CORS_EXPOSED) == cors.EXPOSED_HEADERS


@FORMATS
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"check_secret": False, "check": Address("127.0.0.1", 9401)}, "check_secret_file", id="secret"),
        pytest.param({"oauth": Address(unix="/run/o.sock")}, "unix", id="unix socket"),
        pytest.param(
            {"directory": Directory((server("x", f"{A}/x", origin="https://x.mcp"),), ())}, "x.origin", id="tls"
        ),
        pytest.param(
            {"directory": Directory((server("x", f"{A}/x", origin="http://10.0.0.1"),), ())}, "x.origin", id="ip"
        ),
        pytest.param(
            {"directory": Directory((server("x", f"{A}/x", origin="http://x.example.com"),), ())},
            "x.origin",
            id="outside of the cluster",
        ),
        pytest.param({"directory": Directory((server("x", "https://10.0.0.1/x"),), ())}, "by name", id="address"),
        pytest.param(
            {"directory": Directory((server("x", f"{A}/x"), server("y", f"{A}:8443/y")), ())}, "by name", id="port"
        ),
    ],
)
def test_what_a_gateway_cannot_serve_is_refused(printed: Any, change: Mapping[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        printed(gateway_plan(**change), Place())

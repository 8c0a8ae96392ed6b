"""What `envoy/kubernetes` holds and `envoy-config` prints is what Kubernetes, the Gateway API and Istio take.

Envoy Gateway's own kinds, whose schemas nobody publishes as a package, are compared field by field in
`tests/deploy/test_gateway_formats.py`.
"""

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.directory import Directory, HeaderCredentials, Inject, Issuer, Server
from sidecar.envoy_config import EnvoyPlan, Place, envoy_gateway_yaml, istio_yaml
from tests.fakes.gateways import gateway_plan
from tests.kubernetes.object_schemas import complaints

HERE = Path(__file__).parents[2] / "envoy" / "kubernetes"
ISSUER = "https://mcp.example.com"
_ENVOY_GATEWAY = "gateway.envoyproxy.io/"


def objects(text: str) -> list[dict[str, Any]]:
    found = [each for each in yaml.safe_load_all(text) if each]
    return [each for each in found if not each["apiVersion"].startswith(_ENVOY_GATEWAY)]


def recipe(path: str) -> list[dict[str, Any]]:
    return objects((HERE / path).read_text())


def one(found: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    return copy.deepcopy(next(each for each in found if each["kind"] == kind))


def everything() -> EnvoyPlan:
    """All that changes what is printed."""
    servers = (
        Server("root", "https://other.example.com", "http://root.elsewhere", ISSUER, "corp"),
        Server("notes", f"{ISSUER}/mcp", "http://notes.mcp:3000", ISSUER, "corp", base_scopes=("read",)),
        Server(
            "keys",
            f"{ISSUER}/keys",
            "http://keys.mcp:3000",
            ISSUER,
            "corp",
            allowed_origins=frozenset({"https://page.example"}),
            inject=Inject(header="X-Api-Key", prefix=""),
            header_credentials=HeaderCredentials(headers=("x-own-key",)),
        ),
        Server("open", f"{ISSUER}/open", "http://open.mcp", ISSUER, "", without_pool="relay"),
    )
    return gateway_plan(directory=Directory(servers, (Issuer(ISSUER, "corp"),)), trusted_hops=2)


@pytest.mark.parametrize("path", ["base/deployment.yaml", "base/service.yaml", "base/networkpolicy.yaml"])
def test_the_recipes_own_objects_are_valid(path: str):
    assert recipe(path)
    assert complaints(recipe(path)) == []


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        pytest.param("envoy-gateway/envoy-gateway.yaml", {"HTTPRoute", "ReferenceGrant"}, id="envoy-gateway"),
        pytest.param("istio/istio.yaml", {"AuthorizationPolicy", "VirtualService", "EnvoyFilter"}, id="istio"),
    ],
)
def test_the_printed_objects_are_valid(path: str, kinds: set[str]):
    assert {each["kind"] for each in recipe(path)} == kinds
    assert complaints(recipe(path)) == []


@pytest.mark.parametrize(
    "printed", [pytest.param(envoy_gateway_yaml, id="envoy-gateway"), pytest.param(istio_yaml, id="istio")]
)
@pytest.mark.parametrize("lua", [pytest.param(True, id="lua"), pytest.param(False, id="no-lua")])
def test_whatever_is_printed_is_valid(printed: Any, lua: bool):
    place = replace(Place(listener="https", workload="app=ingress", gateway="web", gateway_namespace="edge"), lua=lua)
    found = objects(printed(everything(), place))
    assert found
    assert complaints(found) == []


def surprised(found: dict[str, Any], *path: str | int) -> dict[str, Any]:
    at: Any = found
    for step in path:
        at = at[step]
    at["surprise"] = {"a": "b"}
    return found


@pytest.mark.parametrize(
    ("path", "kind", "inside"),
    [
        pytest.param("base/deployment.yaml", "Deployment", ("spec",), id="Kubernetes"),
        pytest.param("envoy-gateway/envoy-gateway.yaml", "HTTPRoute", ("spec", "rules", 0), id="Gateway API"),
        pytest.param("envoy-gateway/envoy-gateway.yaml", "HTTPRoute", (), id="beside spec"),
        pytest.param("istio/istio.yaml", "AuthorizationPolicy", ("spec", "rules", 0, "to", 0, "operation"), id="check"),
        pytest.param("istio/istio.yaml", "VirtualService", ("spec", "http", 0, "match", 0, "uri"), id="route"),
        pytest.param("istio/istio.yaml", "EnvoyFilter", ("spec", "configPatches", 0, "match"), id="filter"),
    ],
)
def test_an_unknown_member_is_seen(path: str, kind: str, inside: tuple[str | int, ...]):
    assert "surprise" in str(complaints([surprised(one(recipe(path), kind), *inside)]))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("envoy-gateway/envoy-gateway.yaml", "HTTPRoute", id="Gateway API"),
        pytest.param("istio/istio.yaml", "VirtualService", id="Istio's routes"),
        pytest.param("istio/istio.yaml", "AuthorizationPolicy", id="Istio's policies"),
    ],
)
def test_an_unknown_kind_version_or_group_is_seen(path: str, kind: str):
    found = one(recipe(path), kind)
    group, _, version = found["apiVersion"].partition("/")
    for wrong in (
        {"kind": f"{kind}s"},
        {"apiVersion": f"{group}/v9"},
        {"apiVersion": f"networking.example/{version}"},
    ):
        assert len(complaints([{**found, **wrong}])) > 0, wrong


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        pytest.param("VirtualService", ("spec", "http", 0, "match", 0, "uri"), {"exact": 3}, id="a wrong type"),
        pytest.param("AuthorizationPolicy", ("spec", "action"), "ASK", id="no action"),
        pytest.param("EnvoyFilter", ("spec", "configPatches", 0, "applyTo"), "FILTERS", id="no place"),
    ],
)
def test_a_wrong_value_is_seen(kind: str, path: tuple[str | int, ...], wrong: object):
    found = one(recipe("istio/istio.yaml"), kind)
    at: Any = found
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = wrong
    assert len(complaints([found])) > 0

"""What `envoy/kubernetes` holds is valid for Kubernetes and the Gateway API. Envoy Gateway's and Istio's own kinds are
compared field by field in `tests/deploy/test_gateway_formats.py`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.object_schemas import complaints

HERE = Path(__file__).parents[2] / "envoy" / "kubernetes"
_ELSEWHERE = ("gateway.envoyproxy.io/", "networking.istio.io/", "security.istio.io/")


def objects(path: str) -> list[dict[str, Any]]:
    found = [each for each in yaml.safe_load_all((HERE / path).read_text()) if each]
    return [each for each in found if not each["apiVersion"].startswith(_ELSEWHERE)]


@pytest.mark.parametrize("path", ["base/deployment.yaml", "base/service.yaml", "base/networkpolicy.yaml"])
def test_the_recipes_own_objects_are_valid(path: str):
    assert objects(path)
    assert complaints(objects(path)) == []


def test_the_printed_routes_are_valid():
    found = objects("envoy-gateway/envoy-gateway.yaml")
    assert {each["kind"] for each in found} == {"HTTPRoute", "ReferenceGrant"}
    assert complaints(found) == []


@pytest.mark.parametrize(
    ("path", "member"),
    [
        pytest.param("base/deployment.yaml", "surprise", id="an unknown field"),
        # Published schemas of custom kinds let unknown fields pass, so here it is one of a wrong type.
        pytest.param("envoy-gateway/envoy-gateway.yaml", "rules", id="a wrong type"),
    ],
)
def test_what_is_wrong_is_seen(path: str, member: str):
    changed = objects(path)[0]
    changed["spec"][member] = True
    assert len(complaints([changed])) > 0

"""The chart as Helm renders it: values of each shape, and the objects that come of them."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from helm_python.chart import Chart

from tests.kubernetes.chart_schema import CHART

RELEASE, NAMESPACE = "notes", "tools"
Values = dict[str, Any]

SERVER: Values = {
    "name": "notes",
    "resource": "https://mcp.example.com/mcp",
    "origin": "http://notes.tools.svc:3000",
    "pool": "corp",
    "allow": {"domains": ["example.com"]},
}
POOL: Values = {
    "name": "corp",
    "id": "corp-1",
    "provider": "entra",
    "issuer": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
    "client_id": "66666666-7777-8888-9999-000000000000",
    "client_secret_file": "secrets/corp",
    "scopes": ["notes.read"],
    "clients_not_before": 1_766_000_000,
}
_ALL: Values = {
    "image": {"repository": "registry.example/dcr-sidecar"},
    "keys": {"existingSecret": "dcr-keys"},
    "secretFiles": "dcr-secrets",
    "store": {"url": "redis://redis:6379/0"},
    "config": {"servers": [SERVER], "pools": [POOL]},
}
_IN_POD: Values = {"config": {"servers": [{**SERVER, "origin": "http://127.0.0.1:3000"}]}}
_GATEWAY_PODS = [{"podSelector": {"matchLabels": {"app": "envoy-gateway"}}}]


def merged(values: Mapping[str, Any], *more: Mapping[str, Any]) -> Values:
    """As Helm merges: objects by key, anything else replaced."""
    found = json.loads(json.dumps(values))
    for each in more:
        for key, value in each.items():
            both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
            found[key] = merged(found[key], value) if both else value
    return found


SHAPES: Mapping[str, Values] = {
    "sidecar": merged(_ALL, _IN_POD, {"shape": "sidecar", "mcp": {"image": "registry.example/notes:1"}}),
    "gateway": merged(_ALL, {"shape": "gateway", "origin": {"podSelector": {"app": "notes"}}}),
    "extauthz": merged(
        _ALL,
        {"shape": "extauthz", "extauthz": {"check": {"existingSecret": "dcr-check"}, "from": _GATEWAY_PODS}},
    ),
    "library": merged(_ALL, _IN_POD, {"shape": "library", "library": {"podSelector": {"app": "notes"}}}),
}
TRIAL: Values = {"trial": True, "keys": {"existingSecret": ""}, "replicas": 1}
EMBEDDED: Values = {"store": {"url": "", "embedded": {"enabled": True}}, "replicas": 1}


@dataclass(frozen=True)
class Rendered:
    objects: tuple[Values, ...]
    notes: str
    text: str

    def of(self, kind: str) -> list[Values]:
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Values:
        (found,) = (each for each in self.of(kind) if not name or each["metadata"]["name"] == name)
        return found

    @property
    def pod(self) -> Values:
        return self.one("Deployment")["spec"]["template"]["spec"]

    @property
    def containers(self) -> dict[str, Values]:
        """Init containers too, in the order of their start."""
        return {each["name"]: each for each in [*self.pod.get("initContainers", ()), *self.pod["containers"]]}

    @property
    def configuration(self) -> str:
        return self.one("ConfigMap", f"{RELEASE}-dcr-sidecar")["data"]["sidecar.yaml"]


@functools.cache
def _chart() -> Chart:
    return Chart.load(CHART)


def render(values: Mapping[str, Any], chart: Chart | None = None) -> Rendered:
    """Raises what Helm raises. Nobody changes what comes: it is kept for whoever asks again."""
    return _rendered(json.dumps(values), chart or _chart())


@functools.lru_cache(maxsize=512)
def _rendered(values: str, chart: Chart) -> Rendered:
    files = chart.render(json.loads(values), name=RELEASE, namespace=NAMESPACE)
    notes = next((text for path, text in files.items() if path.endswith("NOTES.txt")), "")
    manifests = [text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt")]
    return Rendered(tuple(_objects(manifests)), notes, "\n---\n".join(manifests))


def _objects(manifests: list[str]) -> Iterator[Values]:
    for text in manifests:
        yield from (found for found in yaml.load_all(text, Loader=_Strict) if found is not None)


class _Strict(yaml.SafeLoader):
    """A key that stands twice is lost silently by YAML readers, and by Kubernetes too."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
        return super().construct_mapping(node, deep=deep)

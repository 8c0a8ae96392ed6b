"""values.schema.json, made of what says it already: values.yaml (keys, types, comments) and the sidecar's own schema.

Owns only what neither says: which words, patterns and bounds a value may have, and what a ConfigMap must not hold.

    python -m tests.kubernetes.chart_schema      writes the file; a test demands that it is current
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sidecar.settings import json_schema

CHART = Path(__file__).parents[2] / "helm" / "dcr-sidecar"
SCHEMA = CHART / "values.schema.json"

_PULL = {"enum": ["Always", "IfNotPresent", "Never"]}
_DIGEST = {"pattern": "^(|sha256:[0-9a-f]{64})$"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_NAME = {"pattern": "^(|[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)$"}
_STRINGS = {"items": {"type": "string"}}
_OBJECTS = {"items": {"type": "object"}}
_LABELS = {"additionalProperties": {"type": "string"}}
_BOUNDS: Mapping[str, Mapping[str, Any]] = {
    "shape": {"enum": ["sidecar", "gateway", "extauthz", "library"]},
    "keys.existingSecret": _NAME,
    "secretFiles": _NAME,
    "store.url": {"pattern": "^(|rediss?(\\+(sentinel|cluster))?://.+)$"},
    "store.existingSecret": _NAME,
    "store.caSecret": _NAME,
    "store.clientCertSecret": _NAME,
    "store.embedded.size": {"pattern": "^[0-9]+(Mi|Gi|Ti)$"},
    "admin.existingSecret": _NAME,
    "image.digest": _DIGEST,
    "image.pullPolicy": _PULL,
    "imagePullSecrets": _STRINGS,
    "envoy.image.digest": _DIGEST,
    "envoy.image.pullPolicy": _PULL,
    "envoy.port": {**_PORT, "minimum": 1024},
    "envoy.tlsSecret": _NAME,
    "envoy.concurrency": {"minimum": 1, "maximum": 64},
    "envoy.logLevel": {"enum": ["trace", "debug", "info", "warn", "error", "critical", "off"]},
    "envoy.extraArgs": _STRINGS,
    "env": _OBJECTS,
    "envFrom": _OBJECTS,
    "extraVolumeMounts": _OBJECTS,
    "extraVolumes": _OBJECTS,
    "ipFamily": {"enum": ["ipv4", "ipv6"]},
    "mcp.pullPolicy": _PULL,
    "mcp.port": _PORT,
    "mcp.command": _STRINGS,
    "mcp.args": _STRINGS,
    "mcp.env": _OBJECTS,
    "mcp.envFrom": _OBJECTS,
    "mcp.volumeMounts": _OBJECTS,
    "origin.podSelector": _LABELS,
    "origin.port": _PORT,
    "extauthz.gateway": {"enum": ["envoy-gateway", "istio", "none"]},
    "extauthz.check.existingSecret": _NAME,
    "extauthz.from": _OBJECTS,
    "library.podSelector": _LABELS,
    "replicas": {"minimum": 1},
    "autoscaling.minReplicas": {"minimum": 1},
    "autoscaling.maxReplicas": {"minimum": 1},
    "autoscaling.targetCPU": {"minimum": 0, "maximum": 1000},
    "autoscaling.targetMemory": {"minimum": 0, "maximum": 1000},
    "podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+%$"},
    "topologySpread.whenUnsatisfiable": {"enum": ["DoNotSchedule", "ScheduleAnyway"]},
    "drain.seconds": {"minimum": 0, "maximum": 600},
    "drain.closingSeconds": {"minimum": 0, "maximum": 60},
    "terminationGracePeriodSeconds": {"minimum": 30, "maximum": 3600},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "service.annotations": _LABELS,
    "service.externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "ingress.annotations": _LABELS,
    "ingress.tlsSecret": _NAME,
    "httpRoute.parentRefs": _OBJECTS,
    "networkPolicy.from": _OBJECTS,
    "networkPolicy.metricsFrom": _OBJECTS,
    "networkPolicy.egress": _OBJECTS,
    "serviceAccount.name": _NAME,
    "serviceAccount.annotations": _LABELS,
    "monitoring.serviceMonitor.labels": _LABELS,
    "monitoring.serviceMonitor.interval": {"pattern": "^[0-9]+(s|m)$"},
    "monitoring.podMonitor.labels": _LABELS,
    "monitoring.podMonitor.interval": {"pattern": "^[0-9]+(s|m)$"},
    "monitoring.rules.labels": _LABELS,
    "monitoring.dashboards.labels": _LABELS,
    "monitoring.dashboards.annotations": _LABELS,
    "nameOverride": {"maxLength": 50},
    "fullnameOverride": {"maxLength": 50},
    "commonLabels": _LABELS,
    "podLabels": _LABELS,
    "podAnnotations": _LABELS,
    "nodeSelector": _LABELS,
    "tolerations": _OBJECTS,
    "extraObjects": _OBJECTS,
}
# Objects that Kubernetes defines: our own are the ones with comments on what is in them.
_COMMENT = re.compile(r"^( *)# ?(.*)$")
_KEY = re.compile(r"^( *)([A-Za-z]+):")
# Inline secrets have no place in a ConfigMap; the rest follows from other values.
_NOT_IN_CONFIG: Mapping[str, tuple[str, ...]] = {
    "Configuration": ("keys", "listeners", "admin", "replicas"),
    "StoreSection": ("url", "url_file"),
    "PoolSection": ("client_secret",),
    "ClientSection": ("client_secret",),
    "EnvoySection": ("listen", "admin", "tls"),
}


def comments(text: str) -> dict[str, str]:
    """Dotted key -> what its `# --` comment says."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            said = [comment[2][3:]] if comment[2].startswith("-- ") else [*said, comment[2]] if said else []
        elif key := _KEY.match(line):
            path = [(indent, name) for indent, name in path if indent < len(key[1])] + [(len(key[1]), key[2])]
            if said:
                found[".".join(name for _, name in path)] = " ".join(said)
            said = []
        else:
            said = []
    return found


def build() -> dict[str, Any]:
    text = (CHART / "values.yaml").read_text()
    root = _object(yaml.safe_load(text), comments(text), "")
    # A parent chart's condition and its shared values arrive here too.
    root["properties"]["enabled"] = {"type": "boolean", "description": "For the `condition` of a parent chart."}
    root["properties"]["config"]["$ref"] = "#/$defs/config"
    return {"$schema": "http://json-schema.org/draft-07/schema#", **root, "$defs": {"config": _configuration()}}


def _object(values: Mapping[str, Any], told: Mapping[str, str], prefix: str) -> dict[str, Any]:
    properties = {name: _value(value, told, f"{prefix}{name}") for name, value in values.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(value: object, told: Mapping[str, str], key: str) -> dict[str, Any]:
    if isinstance(value, dict) and key not in told:
        return _object(value, told, f"{key}.")
    kind = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}[type(value)]
    # YAML reads `tag: 1.10` as a number that is not what was typed, so nothing but a string will do.
    return {"type": kind, "description": told.get(key, ""), **_BOUNDS.get(key, {})}


def _configuration() -> dict[str, Any]:
    schema = json_schema()
    definitions = schema.pop("$defs")
    for name, keys in _NOT_IN_CONFIG.items():
        section = schema if name == "Configuration" else definitions[name]
        for key in keys:
            del section["properties"][key]
    # Empty is what values.yaml begins with; that servers are missing is told with its fix.
    schema["required"] = []
    del schema["$schema"]
    inlined = {**schema, "$defs": definitions}
    return json.loads(json.dumps(inlined).replace('"#/$defs/', '"#/$defs/config/$defs/'))


def text() -> str:
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(text())

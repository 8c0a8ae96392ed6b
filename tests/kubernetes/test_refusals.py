"""Values that cannot be meant do not render, and the message names the fix."""

import jsonschema
import pytest
import yaml
from helm_python.errors import HelmError

from tests.kubernetes import chart_schema
from tests.kubernetes.chart_schema import CHART, SCHEMA
from tests.kubernetes.rendering import EMBEDDED, POOL, SERVER, SHAPES, TRIAL, merged, render

_SENTINEL_WITH_PASSWORD = "redis+sentinel://:hunter2@a:26379/mymaster"
TOGETHER = [
    pytest.param("gateway", {"keys": {"existingSecret": ""}}, "dcr-sidecar keys generate", id="no-keys"),
    pytest.param("gateway", {"trial": True, "replicas": 1}, "remove keys.existingSecret", id="trial-with-keys"),
    pytest.param("gateway", {**TRIAL, "replicas": 2}, "set replicas: 1", id="trial-with-two-replicas"),
    pytest.param("gateway", merged(TRIAL, {"autoscaling": {"enabled": True}}), "replicas: 1", id="trial-autoscaled"),
    pytest.param("gateway", merged(EMBEDDED, {"replicas": 2}), "give a Redis in store.url", id="embedded-two-replicas"),
    pytest.param("gateway", merged(EMBEDDED, {"autoscaling": {"enabled": True}}), "set replicas: 1", id="embedded-hpa"),
    pytest.param("library", EMBEDDED, "give a Redis", id="embedded-library"),
    pytest.param("gateway", {"store": {"url": ""}}, "exactly one of store.url", id="no-store"),
    pytest.param("gateway", {"store": {"existingSecret": "redis"}}, "exactly one of store.url", id="two-stores"),
    pytest.param("gateway", {"store": {"url": "redis://:hunter2@r"}}, "name it in store.existingSecret", id="password"),
    pytest.param("gateway", {"store": {"url": _SENTINEL_WITH_PASSWORD}}, "existingSecret", id="password-sentinel"),
    pytest.param("gateway", {"store": {"caSecret": "ca"}}, "begin store.url with rediss://", id="ca-without-tls"),
    pytest.param("gateway", {"image": {"repository": ""}}, "make image", id="no-image"),
    pytest.param("gateway", {"config": {"servers": []}}, "config.servers", id="no-servers"),
    pytest.param("gateway", {"drain": {"seconds": 40}}, "drain.closingSeconds + 30 = 72", id="no-time-to-drain"),
    pytest.param(
        "gateway", {"autoscaling": {"enabled": True, "minReplicas": 20}}, "autoscaling.maxReplicas", id="min-above-max"
    ),
    pytest.param(
        "gateway", {"autoscaling": {"enabled": True, "targetCPU": 0}}, "nothing to scale by", id="no-target-to-scale-by"
    ),
    pytest.param("sidecar", {"autoscaling": {"enabled": True}}, "mcp.resources.requests.cpu", id="hpa-of-no-request"),
    pytest.param(
        "sidecar",
        {"autoscaling": {"enabled": True, "targetMemory": 80}, "mcp": {"resources": {"requests": {"cpu": "1"}}}},
        "mcp.resources.requests.memory",
        id="hpa-of-no-memory-request",
    ),
    pytest.param(
        "gateway", {"monitoring": {"podMonitor": {"enabled": True}}}, "networkPolicy.metricsFrom", id="closed-metrics"
    ),
    pytest.param("gateway", {"httpRoute": {"enabled": True}}, "httpRoute.parentRefs", id="route-without-gateway"),
    pytest.param("gateway", {"origin": {"podSelector": None}}, "origin.closedElsewhere: true", id="open-origin"),
    pytest.param(
        "gateway", {"networkPolicy": {"enabled": False}}, "origin.closedElsewhere: true", id="open-origin-no-policy"
    ),
    pytest.param(
        "gateway",
        {"config": {"servers": [{**SERVER, "origin": "http://127.0.0.1:3000"}]}},
        "take shape: sidecar",
        id="gateway-to-loopback",
    ),
    pytest.param("sidecar", {"config": {"servers": [SERVER]}}, "take shape: gateway", id="sidecar-to-elsewhere"),
    pytest.param("sidecar", {"mcp": {"image": ""}}, "the MCP server's own image", id="no-mcp-image"),
    pytest.param(
        "sidecar", {"networkPolicy": {"enabled": False}}, "mcp.listensOnLoopback: true", id="mcp-port-open-to-cluster"
    ),
    pytest.param("extauthz", {"extauthz": {"check": {"existingSecret": ""}}}, "openssl rand", id="no-check-secret"),
    pytest.param("extauthz", {"extauthz": {"from": []}}, "peers that name the gateway's pods", id="check-open-to-all"),
    pytest.param("extauthz", {"ingress": {"enabled": True}}, "around the gateway", id="extauthz-ingress"),
    pytest.param("library", {"library": {"podSelector": None}}, "the labels of your pods", id="library-no-selector"),
    pytest.param("library", {"ingress": {"enabled": True}}, "your own chart has these", id="library-ingress"),
]


@pytest.mark.parametrize(("shape", "values", "fix"), TOGETHER)
def test_values_that_contradict_each_other_fail_with_the_fix(shape, values, fix):
    with pytest.raises(HelmError) as refused:
        render(merged(SHAPES[shape], values))
    assert fix in str(refused.value)
    assert "hunter2" not in str(refused.value)


def _pool(**values):
    return {"config": {"pools": [{**POOL, **values}]}}


SINGLE = [
    pytest.param({"shape": "daemon"}, id="shape"),
    pytest.param({"sahpe": "gateway"}, id="unknown-key"),
    pytest.param({"store": {"uri": "redis://r"}}, id="unknown-key-below"),
    pytest.param({"store": {"url": "http://redis"}}, id="store-scheme"),
    pytest.param({"store": {"url": "embedded:./data"}}, id="embedded-as-url"),
    pytest.param({"store": {"embedded": {"size": "lots"}}}, id="size"),
    pytest.param({"keys": {"existingSecret": "Not A Name"}}, id="secret-name"),
    pytest.param({"keys": {"file": "keys.json"}}, id="key-file"),
    pytest.param({"replicas": 0}, id="no-replicas"),
    pytest.param({"replicas": "2"}, id="replicas-as-text"),
    pytest.param({"trial": "yes"}, id="trial-as-text"),
    pytest.param({"image": {"tag": 1.1}}, id="tag-as-number"),
    pytest.param({"image": {"digest": "sha256:abc"}}, id="digest"),
    pytest.param({"image": {"pullPolicy": "Sometimes"}}, id="pull-policy"),
    pytest.param({"envoy": {"port": 80}}, id="privileged-port"),
    pytest.param({"envoy": {"logLevel": "loud"}}, id="log-level"),
    pytest.param({"ipFamily": "ipv5"}, id="ip-family"),
    pytest.param({"service": {"type": "ExternalName"}}, id="service-type"),
    pytest.param({"drain": {"seconds": -1}}, id="drain"),
    pytest.param({"terminationGracePeriodSeconds": 5}, id="grace"),
    pytest.param({"extauthz": {"gateway": "kong"}}, id="gateway"),
    pytest.param({"networkPolicy": {"from": "everybody"}}, id="peers-as-text"),
    pytest.param({"podLabels": {"a": 1}}, id="label-as-number"),
    pytest.param({"monitoring": {"podMonitor": {"interval": "often"}}}, id="interval"),
    pytest.param({"config": {"serverz": []}}, id="config-unknown-key"),
    pytest.param({"config": {"servers": [{**SERVER, "alow": {}}]}}, id="config-unknown-key-of-a-server"),
    pytest.param({"config": {"servers": [{"name": "notes"}]}}, id="config-server-without-resource"),
    pytest.param({"config": {"registration": {"dcr": "maybe"}}}, id="config-word"),
    pytest.param({"config": {"keys": {"file": "elsewhere"}}}, id="config-keys-are-the-chart's"),
    pytest.param({"config": {"listeners": {"check": "0.0.0.0:9401"}}}, id="config-listeners-are-the-chart's"),
    pytest.param({"config": {"replicas": 3}}, id="config-replicas-are-the-chart's"),
    pytest.param({"config": {"store": {"url": "redis://:secret@r"}}}, id="config-store-url-is-the-chart's"),
    pytest.param({"config": {"admin": {"token": "x" * 64}}}, id="config-admin-token"),
    pytest.param({"config": {"envoy": {"admin": "0.0.0.0:9901"}}}, id="config-envoy-admin-is-the-chart's"),
    pytest.param(_pool(client_secret="hunter2"), id="config-inline-client-secret"),
]


@pytest.mark.parametrize("values", SINGLE)
def test_a_wrong_value_fails_at_the_schema(values):
    with pytest.raises(HelmError) as refused:
        render(merged(SHAPES["gateway"], values))
    assert "schema" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_schema_is_that_of_the_values_and_the_configuration():
    assert SCHEMA.read_text() == chart_schema.text(), "make chart-schema writes it anew"


def test_the_schema_is_a_schema():
    jsonschema.Draft7Validator.check_schema(chart_schema.build())


def test_every_value_is_documented():
    def undocumented(values, prefix=""):
        for name, value in values.items():
            if f"{prefix}{name}" not in told:
                below = [*undocumented(value, f"{prefix}{name}.")] if isinstance(value, dict) and value else [""]
                yield from (f"{prefix}{name}" if each == "" else each for each in below)

    text = (CHART / "values.yaml").read_text()
    told = chart_schema.comments(text)
    assert [*undocumented(yaml.safe_load(text))] == []
    assert all(told.values())


def test_the_chart_asks_no_cluster_anything():
    """Whoever renders offline gets what whoever installs gets."""
    text = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    assert ".Capabilities" not in text
    assert "lookup" not in text
    assert "randAlpha" not in text
    assert "genCA" not in text
    assert "{{ now" not in text
    assert "(now" not in text.replace("(now {{", "")
    assert render(SHAPES["gateway"]).text == render(SHAPES["gateway"]).text

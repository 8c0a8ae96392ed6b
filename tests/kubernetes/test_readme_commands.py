"""README, "Kubernetes": what it tells people to type renders, and fits together. Word by word, as it stands there."""

import functools
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import parse_set_json, parse_set_string
from helm_python.chart import Chart
from typer.testing import CliRunner

from sidecar.cli import app
from tests.kubernetes.chart_schema import CHART
from tests.kubernetes.object_schemas import complaints

_ROOT = Path(__file__).parents[2]
_SECTION = (_ROOT / "README.md").read_text().split("\n## Kubernetes\n")[1].split("\n## ")[0]
_BLOCKS = [
    "\n".join(line[4:] for line in block.splitlines())
    for block in re.findall(r"(?:^ {4}.*\n)+", _SECTION, re.MULTILINE)
]


def commands(program: str) -> list[list[str]]:
    lines = "\n".join(_BLOCKS).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith(f"{program} ")]


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def into(values: Any, more: Any) -> Any:
    """As `--set` goes over a file: by key, and in lists by number."""
    if isinstance(values, dict) and isinstance(more, Mapping):
        return {**values, **{key: into(values.get(key), value) for key, value in more.items()}}
    if isinstance(values, list) and isinstance(more, list):
        return [*(into(values[number], each) for number, each in enumerate(more)), *values[len(more) :]]
    return more


@functools.cache
def values_yaml() -> str:
    (found,) = [block for block in _BLOCKS if block.startswith("image:")]
    return found


def installed(words: list[str]) -> list[dict[str, Any]]:
    """The objects of `helm -n NAMESPACE install NAME CHART -f values.yaml --set …`."""
    name, chart = words[words.index("install") + 1 :][:2]
    assert (_ROOT / chart) == CHART
    assert option(words, "-f") == "values.yaml"
    values = yaml.safe_load(values_yaml())
    for flag, given in pairwise(words):
        if flag in {"--set", "--set-json"}:
            values = into(values, parse_set_string(given) if flag == "--set" else parse_set_json(given))
    files = Chart.load(CHART).render(values, name=name, namespace=option(words, "-n"))
    texts = [text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


INSTALLS = [
    pytest.param(words, id=next(w for w in words if w.startswith("shape=")))
    for words in commands("helm")
    if "install" in words
]


def test_every_shape_with_pods_has_its_command():
    assert sorted(str(case.id) for case in INSTALLS) == ["shape=extauthz", "shape=gateway", "shape=sidecar"]


@pytest.mark.parametrize("words", INSTALLS)
def test_what_is_to_be_typed_renders_to_valid_objects(words: list[str]):
    found = installed(words)
    assert "Deployment" in {each["kind"] for each in found}
    assert complaints(found) == []


@pytest.mark.parametrize("words", INSTALLS)
def test_every_secret_that_pods_mount_was_made_with_the_keys_they_read(words: list[str]):
    made: dict[str, set[str]] = {}
    for each in commands("kubectl"):
        if each[3:6] == ["create", "secret", "generic"]:
            keys = [word.partition("=")[2] for word in each[7:]]
            made[each[6]] = {key.partition("=")[0].rpartition("/")[2] for key in keys}
    for secret, keys in mounted(installed(words)):
        assert secret in made
        assert keys <= made[secret], secret


def mounted(objects: list[dict[str, Any]]) -> Iterator[tuple[str, set[str]]]:
    (pod,) = [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment"]
    for volume in pod["volumes"]:
        if "secret" in volume and volume["name"] != "dcr-tls":
            yield volume["secret"]["secretName"], {item["key"] for item in volume["secret"].get("items", ())}


def test_commands_name_what_was_installed():
    releases = {words[words.index("install") + 1] for case in INSTALLS for words in case.values}
    pods = {
        each["metadata"]["name"]
        for case in INSTALLS
        for each in installed(*case.values)
        if each["kind"] == "Deployment"
    }
    asked = [words for words in commands("helm") if "test" in words]
    assert asked
    assert all(words[words.index("test") + 1] in releases for words in asked)
    named = re.findall(r"deploy/([\w-]+)", _SECTION)
    assert named
    assert set(named) <= pods


def test_the_gateways_objects_are_printed_by_the_pod_and_lead_to_it(tmp_path: Path):
    (install,) = [words for case in INSTALLS for words in case.values if "shape=extauthz" in words]
    objects = installed(install)
    (config,) = [each["data"]["sidecar.yaml"] for each in objects if each["kind"] == "ConfigMap"]
    (tmp_path / "sidecar.yaml").write_text(config)
    (printing,) = [words for words in commands("kubectl") if "envoy-config" in words]
    asked = printing[printing.index("envoy-config") : printing.index(">")]
    environ = {
        f"DCR_SIDECAR_LISTENERS__{name}": f"10.0.0.1:{port}" for name, port in (("OAUTH", 9400), ("CHECK", 9401))
    }

    done = CliRunner().invoke(app, [*asked, "--config", str(tmp_path / "sidecar.yaml")], env=environ)
    assert done.exit_code == 0, done.output
    printed = [each for each in yaml.safe_load_all(done.stdout) if each]
    (service,) = [each for each in objects if each["kind"] == "Service"]
    (policy,) = [each for each in printed if each["kind"] == "SecurityPolicy"]
    (backend,) = policy["spec"]["extAuth"]["http"]["backendRefs"]
    assert (policy["metadata"]["namespace"], backend["name"]) == (
        service["metadata"]["namespace"],
        service["metadata"]["name"],
    )
    assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
    (injected,) = [each["spec"]["credentialInjection"] for each in printed if each["kind"] == "HTTPRouteFilter"]
    assert injected["credential"]["valueRef"]["name"] in {name for name, _ in mounted(objects)}
    assert {"credential"} in [keys for name, keys in mounted(objects) if name == "dcr-check"]

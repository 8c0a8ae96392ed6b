"""The named templates in a chart of somebody else, with shape `library`."""

import shutil

import pytest
import yaml
from helm_python.chart import Chart

from tests.kubernetes.chart_schema import CHART
from tests.kubernetes.object_schemas import complaints
from tests.kubernetes.rendering import RELEASE, SHAPES, render

_README = CHART.parent / "README.md"


@pytest.fixture
def parent(tmp_path):
    """The chart of helm/README.md."""
    (tmp_path / "templates").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / "dcr-sidecar")
    dependency = {"name": "dcr-sidecar", "version": "0.1.0", "repository": "file://../dcr-sidecar"}
    metadata = {"apiVersion": "v2", "name": "notes", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    template = _README.read_text().split("<!-- parent -->\n")[1].split("<!-- /parent -->")[0]
    lines = [line[4:] for line in template.splitlines() if line.startswith("    ") or not line.strip()]
    (tmp_path / "templates" / "deployment.yaml").write_text("\n".join(lines))
    return Chart.load(tmp_path)


def test_another_chart_gets_the_containers_into_its_pod(parent):
    rendered = render({"dcr-sidecar": SHAPES["library"]}, parent)
    assert complaints(rendered.objects) == []
    pod = rendered.pod
    assert [each["name"] for each in pod["initContainers"]] == ["envoy-config", "dcr-sidecar", "envoy"]
    assert [each["name"] for each in pod["containers"]] == ["notes"]
    names = {volume["name"] for volume in pod["volumes"]}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= names
    (config,) = (volume for volume in pod["volumes"] if volume["name"] == "dcr-config")
    assert rendered.one("ConfigMap", config["configMap"]["name"])


def test_its_mcp_server_is_closed_to_the_network(parent):
    rendered = render({"dcr-sidecar": SHAPES["library"]}, parent)
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    policy = rendered.one("NetworkPolicy", f"{RELEASE}-dcr-sidecar")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]] == [8080]


def test_alone_it_makes_no_pod():
    assert {each["kind"] for each in render(SHAPES["library"]).objects} == {"ConfigMap", "NetworkPolicy"}

"""The chart's dashboard and rules name what there is: metrics of the registry, their labels, runbooks of the README."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from sidecar.sealing import Key, Keyring, KeyState
from sidecar.telemetry import Telemetry
from tests.kubernetes import board

_ROOT = Path(__file__).parent.parent
_CHART = _ROOT / "helm/dcr-sidecar"
_README = (_ROOT / "README.md").read_text()
_URL = "https://github.com/dcr-sidecar/dcr-sidecar#"
_SCRAPED = {"namespace", "job", "pod", "instance", "le"}
"""Labels that are not ours."""
_NAME = re.compile(r"(?<![:\w])(?:dcr_sidecar|process)_\w+")


def rules() -> list[dict[str, Any]]:
    groups = [yaml.safe_load(path.read_text())["groups"] for path in sorted((_CHART / "rules").glob("*.yaml"))]
    return [rule for each in groups for group in each for rule in group["rules"]]


def alerts() -> list[Any]:
    return [pytest.param(rule, id=rule["alert"]) for rule in rules() if "alert" in rule]


def expressions() -> list[str]:
    panels = board.dashboard()["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    variables = [each.get("definition", "") for each in board.dashboard()["templating"]["list"]]
    return [*asked, *variables, *(rule["expr"] for rule in rules())]


def families() -> dict[str, set[str]]:
    """The series of a sidecar, and the labels of each."""
    telemetry = Telemetry(CollectorRegistry())
    telemetry.metrics.operation.describe(Keyring((Key(1, KeyState.ACTIVE, bytes(range(32)), 1),)))
    found: dict[str, set[str]] = {}
    for family in telemetry.registry.collect():
        labels = set(getattr(telemetry.registry._names_to_collectors.get(family.name), "_labelnames", ()))
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        found |= {family.name + ending: labels for ending in endings}
    return found


def test_every_metric_that_is_asked_for_exists():
    assert sorted({name for each in expressions() for name in _NAME.findall(each)} - set(families())) == []


def test_every_label_that_is_asked_for_exists():
    """Of the metric in front of it: a wrong one matches nothing, and nothing would say so."""
    there = families()
    for expression in expressions():
        for name, matchers in re.findall(r"(?<![:\w])((?:dcr_sidecar|process)_\w+)\{([^}]*)\}", expression):
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
            assert asked <= there[name] | _SCRAPED, expression


def test_recorded_series_are_recorded():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for each in expressions() for name in re.findall(r"\w+:dcr_sidecar_\w+:\w+", each)}
    assert used == recorded


@pytest.mark.parametrize("rule", alerts())
def test_an_alert_leads_to_a_runbook(rule: dict[str, Any]):
    runbooks = _README.split("## Runbooks\n")[1].split("\n## ")[0]
    assert f"\n### {rule['alert']}\n" in runbooks
    assert rule["annotations"]["runbook_url"] == _URL + rule["alert"].lower()
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


def test_a_runbook_is_an_alerts():
    runbooks = _README.split("## Runbooks\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (\w+)$", runbooks, re.MULTILINE) == [rule["alert"] for rule in rules() if "alert" in rule]


def test_the_readme_names_every_metric():
    section = _README.split("### Metrics\n")[1].split("\n### ")[0]
    told = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    ours = {name for name in families() if name.startswith("dcr_sidecar_") and not name.endswith(("_sum", "_count"))}
    assert told == {name.removesuffix("_bucket").removeprefix("dcr_sidecar_") for name in ours}


def test_the_dashboard_is_what_its_source_says():
    """`python -m tests.kubernetes.board` writes it."""
    assert json.loads(board.PATH.read_text()) == board.dashboard()
    assert board.PATH.read_text() == board.text()


@pytest.mark.parametrize(
    "panel",
    [pytest.param(each, id=each["title"]) for each in board.dashboard()["panels"] if each["type"] != "row"],
)
def test_a_panel_has_a_unit_and_says_how_to_read_it(panel: dict[str, Any]):
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    assert all(target.get("legendFormat") for target in panel["targets"] if panel["type"] != "stat")


def test_panels_neither_overlap_nor_share_a_number():
    panels = board.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24

"""The source of the Grafana dashboard: rows of panels as data, so that a change is a line and not a page of JSON.

python -m tests.kubernetes.board      writes helm/dcr-sidecar/dashboards/dcr-sidecar.json
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.kubernetes.queries import ROWS, VARIABLES, Panel, Query, Variable

PATH = Path(__file__).parents[2] / "helm/dcr-sidecar/dashboards/dcr-sidecar.json"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24
_LETTERS = "ABCDEFGH"
_HEIGHTS = {"stat": 4, "timeseries": 8, "bargauge": 8, "table": 8}
_SCHEMA = 39
"""Grafana 10.3's; later ones migrate by themselves."""


def dashboard() -> dict[str, Any]:
    return {
        "uid": "dcr-sidecar",
        "title": "dcr-sidecar",
        "description": "Is anyone locked out, where, whose fault, which pool, what changed.",
        "tags": ["dcr-sidecar", "mcp", "oauth"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [
            {
                "type": "link",
                "title": "Runbooks",
                "url": "https://github.com/dcr-sidecar/dcr-sidecar#runbooks",
                "targetBlank": True,
            }
        ],
        "annotations": {"list": [_annotation("Alerts", _FIRING, "red"), _annotation("Restarts", _RESTARTS, "blue")]},
        "templating": {"list": [_source(), *(_variable(each) for each in VARIABLES)]},
        "panels": list(_panels()),
    }


_HERE = 'namespace=~"$namespace", job=~"$job"'
_FIRING = f'ALERTS{{alertname=~"DcrSidecar.*", alertstate="firing", {_HERE}}}'
_RESTARTS = f"changes(process_start_time_seconds{{{_HERE}}}[1m]) > 0"


def _annotation(name: str, expression: str, color: str) -> dict[str, Any]:
    return {
        "name": name,
        "enable": True,
        "datasource": _SOURCE,
        "expr": expression,
        "iconColor": color,
        "step": "60s",
        "titleFormat": "{{alertname}} {{pod}}",
    }


def _source() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": _SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": variable.every or None,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


@dataclass
class _Place:
    """Panels flow from left to right and down."""

    x: int = 0
    y: int = 0
    row: int = 0

    def take(self, width: int, height: int) -> dict[str, int]:
        if self.x + width > _WIDTH:
            self.x, self.y, self.row = 0, self.y + self.row, 0
        found = {"x": self.x, "y": self.y, "w": width, "h": height}
        self.x, self.row = self.x + width, max(self.row, height)
        return found


def _panels() -> Iterator[dict[str, Any]]:
    place, number = _Place(), 0
    for row in ROWS:
        number += 1
        place.x = _WIDTH  # a row begins on a line of its own
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": place.take(_WIDTH, 1),
            "panels": [],
        }
        for panel in row.panels:
            number += 1
            yield _panel(panel, number, place.take(panel.width, _HEIGHTS[panel.kind]))


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "targets": [_target(query, _LETTERS[index], panel.kind) for index, query in enumerate(panel.queries)],
        "transformations": _TRANSFORMATIONS if panel.kind == "table" else [],
    }


_TRANSFORMATIONS = [
    {"id": "merge", "options": {}},
    {"id": "organize", "options": {"excludeByName": {"Time": True}}},
]


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """A table's columns are called as Grafana numbers them until they get names."""
    if panel.kind != "table":
        return []
    names = {f"Value #{_LETTERS[index]}": query.legend for index, query in enumerate(panel.queries)}
    return [
        {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "displayName", "value": name}]}
        for column, name in names.items()
    ]


def _target(query: Query, letter: str, kind: str) -> dict[str, Any]:
    moment = kind != "timeseries"
    return {
        "refId": letter,
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": moment,
        "range": not moment,
        "format": "table" if kind == "table" else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    if panel.low is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.low}]
    custom = {"drawStyle": "line", "fillOpacity": 10, "showPoints": "never"} if panel.kind == "timeseries" else {}
    return {
        "unit": panel.unit,
        "min": 0,
        "noValue": "none",
        "custom": custom,
        "thresholds": {"mode": "absolute", "steps": steps},
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.kind == "table":
        return {"showHeader": True}
    shown: Literal["horizontal", "auto"] = "horizontal" if panel.kind == "bargauge" else "auto"
    return {"orientation": shown, "reduceOptions": {"calcs": ["lastNotNull"], "values": False}}


def text() -> str:
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())

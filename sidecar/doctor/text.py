"""A report as people read it, in 80 columns or more: by group, worst first; what is right takes one entry, no fix."""

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sidecar.doctor.finding import Finding
from sidecar.doctor.kinds import LEVELS, Group
from sidecar.doctor.report import Report

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}
_TITLES: dict[Group, str] = {
    "config": "Configuration",
    "keys": "Keys",
    "store": "Store",
    "idp": "Identity providers",
    "envoy": "Envoy",
    "listeners": "Sidecar and MCP servers",
    "egress": "Way out",
    "doctor": "The examination itself",
}


def print_report(report: Report, console: Console) -> None:
    order = list(_TITLES)
    findings = sorted(report.findings, key=lambda one: (order.index(one.group), LEVELS.index(one.level)))
    for group, members in groupby(findings, key=lambda one: one.group):
        console.print(Text(_TITLES[group], "bold"))
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, min_width=9)
        table.add_column(overflow="fold")
        for one in members:
            table.add_row(Text(f" {one.level}", _STYLES[one.level]), _told(one))
        console.print(table)
    counts = report.counts
    told = [f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in LEVELS[:3] if counts[level]]
    style = "bold red" if report.exit_code else "green"
    console.print(Text(f"\n{', '.join(told) or 'Nothing is wrong that can be seen from here.'}", style))


def _told(one: Finding) -> Text:
    where = f"{one.where}: " if one.where else ""
    if one.level == "ok":
        return Text.assemble((where, "dim"), one.text)
    return Text.assemble((one.id, "bold"), "\n", (where, "dim"), one.text, f"\n-> {one.fix}")

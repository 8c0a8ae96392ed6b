"""A report as people read it, in 80 columns or more. What comes from the server is shown, never obeyed."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sidecar.probe.exchange import Exchange
from sidecar.probe.report import Report

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_KILOBYTE = 1024


def print_report(report: Report, console: Console) -> None:
    console.print(Text.assemble((_plain(report.seen.url), "bold")))
    console.print(Text(report.text, "green" if report.exit_code == 0 else "bold red"))
    _print_requests(report, console)
    _print_findings(report, console)
    _print_remedy(report, console)


def _print_requests(report: Report, console: Console) -> None:
    console.print(Text("\nRequests", "bold"))
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "left", "right"):
        table.add_column(justify=justify, overflow="fold")
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    for answer in report.seen.log:
        table.add_row(_status(answer), Text(answer.method), Text(_plain(answer.url)), Text(_cost(answer)))
        table.add_row("", "", Text(_told(answer), "dim"), "")
    console.print(table)


def _print_findings(report: Report, console: Console) -> None:
    counts = {level: sum(one.level == level for one in report.findings) for level in _STYLES}
    told = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count)
    console.print(Text.assemble(("\nFindings", "bold"), f": {told or 'none'}"))
    for one in report.findings:
        console.print(Text.assemble((f"{one.level:8}", _STYLES[one.level]), (one.id, "bold")))
        for line, style in ((_plain(one.text), ""), (_plain(one.where), "dim"), (f"-> {one.mend}", "")):
            console.print(Padding(Text(line, style, overflow="fold"), (0, 0, 0, 8)))


def _print_remedy(report: Report, console: Console) -> None:
    console.print(Text("\nWould dcr-sidecar help?", "bold"))
    console.print(Text(_plain(report.remedy.why)))
    if report.remedy.config:
        # Lines are not wrapped: this is to be copied.
        console.print(Text("\n" + report.remedy.config), soft_wrap=True)


def _status(answer: Exchange) -> Text:
    good = answer.ok or answer.status in {401, 404}
    return Text(str(answer.status or "-"), "green" if good else "yellow")


def _told(answer: Exchange) -> str:
    if answer.failure:
        return _plain(f"{answer.purpose.value}: {answer.detail}")
    kind = answer.content_type or "no content"
    more = f" -> {answer.redirect}" if answer.redirect else ""
    return _plain(f"{answer.purpose.value}: {kind}, {_size(answer)}{more}")


def _size(answer: Exchange) -> str:
    size = f"{answer.size} B" if answer.size < _KILOBYTE else f"{answer.size / _KILOBYTE:.1f} KiB"
    return f"more than {size}" if answer.cut else size


def _cost(answer: Exchange) -> str:
    return f"{answer.seconds * 1000:.0f} ms" if answer.failure != "withheld" else ""


def _plain(text: str) -> str:
    """Nothing that moves the cursor or turns the text around."""
    return "".join(mark if mark.isprintable() else "?" for mark in text)

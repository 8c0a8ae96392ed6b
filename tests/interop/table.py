"""README.md's tables of tested clients: one row a client, one column a test, written by the run itself.

Tests say which cell they are with `@cell(column)`; what a cell holds is how its test ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
FAILS, NOT_RUN = "FAILS", "not run"
BEGIN, END = "<!-- tested clients: written by `make test-interop` -->", "<!-- /tested clients -->"


def cell(column: str, row: str = "") -> pytest.MarkDecorator:
    """The column of a test's cell, and its row unless that is the test's `client`."""
    return pytest.mark.cell(column, row)


@dataclass(frozen=True)
class Result:
    row: str
    version: str
    column: str
    text: str


def rendered(results: Iterable[Result]) -> str:
    """Rows and columns in the order in which they first come."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    columns: dict[str, None] = {}
    for result in results:
        found.setdefault((result.row, result.version), {})[result.column] = result.text
        columns.setdefault(result.column)
    lines = [_line(["Client", "Version", *columns]), _line(["---"] * (len(columns) + 2))]
    lines += [_line([*row, *(cells.get(column, "") for column in columns)]) for row, cells in found.items()]
    return "\n".join(lines)


def listed(results: Iterable[Result]) -> str:
    """One line a test, for what no two rows have in common."""
    lines = [_line(["Beside them", "Version", "Tested", "Result"]), _line(["---"] * 4)]
    return "\n".join([*lines, *(_line([each.row, each.version, each.column, each.text]) for each in results)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def with_tables(readme: str, tables: Iterable[str]) -> str:
    """The README with these tables between the marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"README.md has no {BEGIN} … {END}"
    return "\n".join([before + BEGIN, "\n\n".join(tables), END + after])


def outcome(report: Mapping[str, str], *, passed: bool, skipped: str) -> str:
    """What a cell says: `note` is the test's own word for how it went well."""
    if skipped:
        return f"{NOT_RUN}: {skipped}"
    return report.get("note", "passes") if passed else FAILS

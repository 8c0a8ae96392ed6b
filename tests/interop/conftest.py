"""Gathers the cells of README.md's tables from the tests' reports, also those of other processes.

Writes them only when each cell there is was run and passed; a run of a part, or one with a failure, prints them.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.installed import HERE
from tests.interop.table import FAILS, NOT_RUN, README, Result, listed, outcome, rendered, with_tables

_CELLS: set[int] = set()
"""How many there are, as the reports say; 0 when not every file was asked for."""
_RESULTS: dict[tuple[int, int], Result] = {}
"""By place: the order of collection, whichever process ended first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write README.md's tables, if all cells are good")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cell(column, row): the cell of README.md's table that this test is")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each item carries its cell in its report, which travels between processes. Before anything is deselected."""
    cells = [item for item in items if item.get_closest_marker("cell")]
    whole = {item.path for item in cells} == set(HERE.glob("test_*.py"))
    for place, item in enumerate(cells):
        client: Any = getattr(item, "callspec", None) and item.callspec.params.get("client")  # type: ignore[attr-defined]
        mark = item.get_closest_marker("cell")
        assert mark is not None
        column, row = mark.args
        found = [1 if row else 0, place, row or client.name, getattr(client, "version", ""), column]
        item.user_properties += [("cell", found), ("cells", len(cells) if whole else 0)]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    said = dict(report.user_properties)
    if "cell" not in said or not (report.when == "call" or report.outcome != "passed"):
        return
    table, place, row, version, column = said["cell"]
    _CELLS.add(said["cells"])
    skipped = str(report.longrepr[2]).removeprefix("Skipped: ") if report.skipped else ""
    text = outcome(said, passed=report.passed, skipped=skipped)
    if _RESULTS.get((table, place)) is None or not report.passed:
        _RESULTS[(table, place)] = Result(row, said.get("version", version), column, text)


def _tables() -> Iterator[str]:
    for table, render in enumerate((rendered, listed)):
        results = [result for (found, _), result in sorted(_RESULTS.items()) if found == table]
        if results:
            yield render(results)


def _incomplete() -> str:
    """Why README.md stays as it is; "" when these are all cells and each is good."""
    texts = [result.text for result in _RESULTS.values()]
    if {len(texts)} != _CELLS:
        return "this was not the whole run"
    bad = sum(text == FAILS or text.startswith(NOT_RUN) for text in texts)
    return f"{bad} cells failed or were not run" if bad else ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput") or not _RESULTS:
        return
    tables = list(_tables())
    lines = ["", *tables]
    if session.config.getoption("--write-table"):
        if why := _incomplete():
            lines.append(f"README.md's tables stay as they are: {why}.")
        else:
            README.write_text(with_tables(README.read_text(), tables))
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line("\n\n".join(lines))

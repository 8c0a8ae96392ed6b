"""Gathers the cells of README.md's tables from the tests' reports, also those of other processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.table import README, Result, listed, outcome, rendered, with_tables

_RESULTS: dict[tuple[int, int], Result] = {}
"""By place: the order of collection, whichever process ended first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", action="store_true", help="write README.md's tables; only for the whole run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cell(column, row): the cell of README.md's table that this test is")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each item carries its cell in its report, which travels between processes."""
    for place, item in enumerate(items):
        mark = item.get_closest_marker("cell")
        if mark is None:
            continue
        client: Any = getattr(item, "callspec", None) and item.callspec.params.get("client")  # type: ignore[attr-defined]
        column, row = mark.args
        table = 1 if row else 0
        item.user_properties.append(
            ("cell", [table, place, row or client.name, getattr(client, "version", ""), column])
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    said = dict(report.user_properties)
    if "cell" not in said or not (report.when == "call" or report.outcome != "passed"):
        return
    table, place, row, version, column = said["cell"]
    skipped = str(report.longrepr[2]).removeprefix("Skipped: ") if report.skipped else ""
    text = outcome(said, passed=report.passed, skipped=skipped)
    if _RESULTS.get((table, place)) is None or not report.passed:
        _RESULTS[(table, place)] = Result(row, said.get("version", version), column, text)


def _tables() -> Iterator[str]:
    for table, render in enumerate((rendered, listed)):
        results = [result for (found, _), result in sorted(_RESULTS.items()) if found == table]
        if results:
            yield render(results)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput") or not _RESULTS:
        return
    tables = list(_tables())
    if session.config.getoption("--write-table"):
        README.write_text(with_tables(README.read_text(), tables))
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line("\n" + "\n\n".join(tables))

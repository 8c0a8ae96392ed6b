"""The house rules that no linter has: how long a module and a function may get, and what no file may say."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

_ROOT = Path(__file__).parent.parent
_MODULE, _MEDIAN, _FUNCTION, _TEST_FILE = 300, 120, 60, 500


def _modules(folder: str) -> list[Path]:
    return sorted((_ROOT / folder).rglob("*.py"))


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > _FUNCTION:
                yield f"{node.name}: {length} lines"


@pytest.mark.parametrize(("folder", "limit"), [pytest.param("sidecar", _MODULE), pytest.param("tests", _TEST_FILE)])
def test_no_file_grows_past_its_limit(folder, limit):
    assert {str(path.relative_to(_ROOT)): _lines(path) for path in _modules(folder) if _lines(path) > limit} == {}


def test_modules_stay_small_on_the_whole():
    assert median(_lines(path) for path in _modules("sidecar") if path.name != "__init__.py") <= _MEDIAN


def test_no_function_grows_past_its_limit():
    long = {str(path.relative_to(_ROOT)): [*_long_functions(path.read_text())] for path in _modules("sidecar")}
    assert {path: found for path, found in long.items() if found} == {}


def test_a_long_function_is_seen():
    body = "\n".join(["    pass"] * _FUNCTION)
    assert [*_long_functions(f"async def grown():\n{body}\n")] == [f"grown: {_FUNCTION + 1} lines"]
    assert [*_long_functions(f"def fits():\n{body[: -len('    pass') - 1]}\n")] == []


def test_every_module_says_what_it_owns():
    silent = [
        path for path in _modules("sidecar") if _lines(path) and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [str(path.relative_to(_ROOT)) for path in silent] == []


def test_the_locks_are_hashed_and_name_no_index():
    for lock in (_ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "--hash=sha256:" in text, lock.name
        assert "://" not in text, lock.name


def test_what_runs_is_locked_at_the_versions_that_are_tested():
    tested = _pins("test")
    for name in ("demo", "embedded", "sidecar"):
        assert {pin for pin in _pins(name) if pin not in tested} == set(), name


def _pins(name: str) -> set[str]:
    lines = (_ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
    return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

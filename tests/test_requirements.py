"""Every MUST has a test, and every number that a test names exists."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.requirements import NOT_YET, REQUIREMENTS

_TESTS = Path(__file__).parent


def _ids(decorator: ast.expr) -> Iterator[int]:
    """The numbers of one `pytest.mark.req(...)`, wherever it stands: a decorator, `pytestmark` or a param's marks."""
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.req":
        return
    for argument in decorator.args:
        assert isinstance(argument, ast.Constant), f"line {decorator.lineno}: ids are plain numbers"
        assert type(argument.value) is int, f"line {decorator.lineno}: ids are plain numbers"
        yield argument.value


def _named_in(source: str) -> frozenset[int]:
    tree = ast.parse(source)
    return frozenset(number for node in ast.walk(tree) if isinstance(node, ast.expr) for number in _ids(node))


def _named(folder: Path) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for number in _named_in(path.read_text()):
            found.setdefault(number, []).append(str(path.relative_to(folder)))
    return found


def _missing(named: Mapping[int, object]) -> dict[int, str]:
    return {
        number: requirement.title
        for number, requirement in REQUIREMENTS.items()
        if requirement.level == "M" and number not in NOT_YET and number not in named
    }


def test_the_manifest_numbers_every_requirement_once():
    assert list(REQUIREMENTS) == list(range(1, 201))


def test_what_is_not_offered_yet_is_a_must_and_says_why():
    assert [number for number in NOT_YET if REQUIREMENTS[number].level != "M" or not NOT_YET[number]] == []


def test_every_named_requirement_exists():
    assert {number: files for number, files in _named(_TESTS).items() if number not in REQUIREMENTS} == {}


def test_every_must_of_what_is_offered_has_a_test():
    missing = _missing(_named(_TESTS))
    assert not missing, "no test names:\n" + "\n".join(f"{number:4} {title}" for number, title in missing.items())


def test_nothing_that_is_tested_is_still_called_not_offered():
    assert {number: files for number, files in _named(_TESTS).items() if number in NOT_YET} == {}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("@pytest.mark.req(1, 2)\ndef test_a(): ...", id="function"),
        pytest.param("@pytest.mark.req(1)\n@pytest.mark.req(2)\nasync def test_a(): ...", id="stacked"),
        pytest.param("pytestmark = [pytest.mark.req(1, 2)]", id="module"),
        pytest.param("pytest.param('x', marks=pytest.mark.req(1, 2))", id="parameter"),
    ],
)
def test_marks_are_found_wherever_they_stand(source):
    assert _named_in(source) == {1, 2}


def test_a_must_without_a_test_is_missed():
    everything = dict.fromkeys(REQUIREMENTS)
    assert _missing(everything) == {}
    del everything[24]
    assert list(_missing(everything)) == [24]

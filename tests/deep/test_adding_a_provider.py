"""The README's way to add a provider, done as it says to a copy of this repository: no more is needed, and no less."""

import asyncio
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.demo.children import child
from tests.deep.installed import REPOSITORY

SUITES = ("tests/upstream/test_presets.py", "tests/settings/test_providers.py", "tests/endpoints/test_presets.py")
_SECONDS = 300


@dataclass(frozen=True)
class Recipe:
    """The README's example, as it stands there."""

    entry: str
    file: str
    row: str

    @property
    def name(self) -> str:
        return re.findall(r'"(\w+)"', self.entry)[0]


@dataclass(frozen=True)
class Copy:
    folder: Path
    recipe: Recipe

    def add_entry(self) -> None:
        self._put("sidecar/upstream/quirks/workforce.py", r"^WORKFORCE: .*\n", f"    {self.recipe.entry}\n")

    def add_file(self) -> None:
        (self.folder / "tests/upstream/providers" / f"{self.recipe.name}.json").write_text(self.recipe.file)

    def add_row(self) -> None:
        self._put("README.md", r"^\| `asana` .*\n", f"{self.recipe.row}\n")

    async def tested(self, *options: str) -> str:
        """What pytest says. The repository's settings have it import what lies beside them, so the copy."""
        log = self.folder / "pytest.log"
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *SUITES, *options)
        async with child(command, folder=self.folder, log=log) as process:
            await asyncio.wait_for(process.wait(), _SECONDS)
        return log.read_text()

    def _put(self, file: str, after: str, line: str) -> None:
        text = (self.folder / file).read_text()
        (place,) = re.finditer(after, text, re.MULTILINE)
        (self.folder / file).write_text(text[: place.end()] + line + text[place.end() :])


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    folder = tmp_path / "copy"
    folder.mkdir()
    left_out = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("sidecar", "tests"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder / name)
    recipe = (REPOSITORY / "README.md").read_text().partition("A provider that keeps to a standard")[2]
    (entry,) = re.findall(r"```python\n(.*)\n```", recipe)
    file = recipe.partition("```json\n")[2].partition("```")[0]
    row = re.findall(r"^    (\| `.*\|)$", recipe, re.MULTILINE)[0]
    return Copy(folder, Recipe(entry, file, row))


async def test_a_provider_is_one_entry_one_file_and_one_row(copy: Copy) -> None:
    for step in (copy.add_entry, copy.add_file, copy.add_row):
        step()
    said = await copy.tested()
    assert " passed" in said
    assert "failed" not in said, said[-3000:]
    assert "error" not in said, said[-3000:]


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        pytest.param("add_file", "test_every_preset_has_its_file_and_no_file_is_left_over", id="file"),
        pytest.param("add_row", "test_the_table_has_every_preset_and_no_other", id="row"),
    ],
)
async def test_what_is_left_out_is_asked_for(copy: Copy, left_out: str, told: str) -> None:
    for step in ("add_entry", "add_file", "add_row"):
        if step != left_out:
            getattr(copy, step)()
    said = await copy.tested("-k", "every_preset")
    assert re.search(rf"FAILED .*{told}", said), said[-3000:]
    assert f"'{copy.recipe.name}'" in said

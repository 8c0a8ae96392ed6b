"""What the README says of keys, targets, files and commands is so."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from sidecar import events, keyfile, settings
from sidecar.events import EndReason, Event
from sidecar.settings.schema import Configuration

_ROOT = Path(__file__).parent.parent
_README = (_ROOT / "README.md").read_text()
_DOCUMENTS = sorted(
    file.relative_to(_ROOT)
    for file in _ROOT.rglob("*.md")
    if not {"build", "node_modules", "demo-data"} & set(file.relative_to(_ROOT).parts)
    and not any(part.startswith(".") for part in file.relative_to(_ROOT).parts)
)


def _keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        parts = get_args(field.annotation)
        below = next((part for part in (field.annotation, *parts) if _is_section(part)), None)
        many = "[]" if below in parts else ""
        if below is None:
            yield f"{prefix}{name}"
        else:
            yield from _keys(below, f"{prefix}{name}{many}.")


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_the_table_names_every_key_and_no_other():
    table = _README.split("## Configuration")[1].split("## ")[0]
    first_cells = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`([^`]+)`", first_cells)) == sorted(_keys(Configuration))


def test_the_log_table_has_every_audit_event_with_its_members():
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", _section("### The log"), re.MULTILINE)
    told = {name: re.findall(r"`(\w+)`", members) for name, members in rows}
    assert told == {kind.name: [field.name for field in fields(kind)] for kind in _events(audit=True)}


def test_the_other_lines_of_the_log_and_the_ends_of_a_grant_are_named():
    section = _section("### The log")
    (others,) = re.findall(r"^The other lines .*", section, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", others)) - {"debug"} == {kind.name for kind in _events(audit=False)}
    (ends,) = re.findall(r"A grant ends because .*?\n\n", section, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", ends)) - {"allow"} == set(get_args(EndReason))


def _section(title: str) -> str:
    return _README.split(title + "\n")[1].split("\n## ")[0]


def _events(*, audit: bool) -> list[type[Event]]:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return [kind for kind in kinds if kind is not Event and kind.audit is audit]


def test_the_sample_configuration_is_right(tmp_path, entropy, clock):
    (sample,) = re.findall(r"```yaml\n(.*?)```", _README, re.DOTALL)
    keyfile.generate(tmp_path / "keys.json", entropy=entropy, clock=clock)
    (tmp_path / "corp.secret").write_text("fake")
    assert settings.parse(yaml.safe_load(sample), base=tmp_path).warnings == ()


def test_every_promise_names_a_test_that_exists():
    named_tests = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", _README)
    assert len(named_tests) > 10
    missing = [name for name, path in named_tests if f"def {name}(" not in (_ROOT / path).read_text()]
    assert missing == []


def test_every_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^ +)make ([a-z-]+)", _README, re.MULTILINE)) <= targets


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them: lower case, marks gone, blanks as dashes."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", _DOCUMENTS, ids=str)
def test_every_link_inside_the_repository_leads_to_a_file_and_a_heading(document: Path) -> None:
    source = _ROOT / document
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", source.read_text()):
        path, _, anchor = link.partition("#")
        target = source.parent / path if path else source
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(link)
    assert missing == []

"""What commands print, wherever it goes: nothing is cut short, on a terminal, in a pipe or in a page of help."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sidecar.cli import COMMANDS, LateCommand, answers, app, output

_COLUMNS = ("client", "name", "registered")
_ID = "dcr1-" + "a" * 60
_ROW = (_ID, "Ada's [red]editor\x1b[31m 编辑器", "2026-01-31 12:00 UTC")
_SEEN = "Ada's [red]editor\N{REPLACEMENT CHARACTER}[31m 编辑器"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


def test_in_a_pipe_a_row_is_a_line_however_long(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    answers.print_table(_COLUMNS, [_ROW, ("x", "y", "z")], empty="nobody")
    head, first, second = capsys.readouterr().out.splitlines()
    assert first == f"{_ID}  {_SEEN}  {_ROW[2]}"
    assert head.split() == [*_COLUMNS]
    assert second.split() == ["x", "y", "z"]
    assert head.index("name") == first.index("Ada") == second.index("y")


@pytest.mark.usefixtures("terminal")
def test_on_a_narrow_terminal_a_row_is_a_paragraph(capsys: pytest.CaptureFixture[str]):
    answers.print_table(_COLUMNS, [_ROW, ("x", "y", "z")], empty="nobody")
    told = capsys.readouterr().out
    assert all(part in told for part in (_ID, _SEEN, _ROW[2]))
    assert told.count("registered") == 2


@pytest.mark.usefixtures("terminal")
def test_what_fits_a_terminal_stays_a_table(capsys: pytest.CaptureFixture[str]):
    answers.print_table(_COLUMNS, [("x", "y", "z"), ("x", "y", "z")], empty="nobody")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_no_rows_are_a_word_beside_an_empty_output(capsys: pytest.CaptureFixture[str]):
    answers.print_table(_COLUMNS, [], empty="nobody")
    assert capsys.readouterr() == ("", "ok: nobody\n")


@pytest.mark.parametrize("said", ["", "\n", "n\n", "no\n"])
def test_without_a_yes_nothing_is_done_and_that_is_told(said: str, tmp_path: Path):
    keys = tmp_path / "keys.json"
    runner = CliRunner()
    assert [runner.invoke(app, ["keys", step, str(keys)]).exit_code for step in ("generate", "add")] == [0, 0]
    before = keys.read_bytes()
    done = runner.invoke(app, ["keys", "activate", str(keys), "2"], input=said)
    assert (done.exit_code, keys.read_bytes()) == (1, before)
    assert "nothing was changed; `--yes` does not ask" in done.stderr


def test_a_report_in_a_pipe_keeps_its_sentences_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("COLUMNS", raising=False)
    sentence = "a sentence that goes on and on " * 9
    output.print_report(lambda console: console.print(sentence))
    assert capsys.readouterr().out == sentence.rstrip() + "\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_whole(name: str):
    loaded = LateCommand(name, *COMMANDS[name]).loaded()
    members = {(name, each): command for each, command in getattr(loaded, "commands", {}).items()}
    for path, command in {(name,): loaded, **members}.items():
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
        assert shown.exit_code == 0
        named = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in named if option not in shown.stdout] == []
        assert "..." not in shown.stdout.replace("COMMAND [ARGS]...", "")

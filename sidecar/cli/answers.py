"""What commands that ask the admin API have in common: where it is, JSON or a table, times, and a last question."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sidecar.cli.output import complain, done, visible

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would end, and end nothing.")]
PoolOption = Annotated[str, typer.Option("--pool", help="The pool's name.")]

_GAP = 2


def print_json(answer: object) -> None:
    def plain(value: object) -> object:
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)

    typer.echo(json.dumps(answer, indent=2, default=plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A line a row, nothing cut short. On a terminal that is too narrow for it, a paragraph a row."""
    found = [[safe(cell).plain for cell in row] for row in rows]
    if not found:
        done(empty)
        return
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *found, strict=True)]
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal and sum(widths) + _GAP * (len(widths) - 1) > console.width:
        for number, row in enumerate(found):
            console.print("\n" * (number > 0), end="")
            print_members(zip(columns, row, strict=True))
        return
    for number, row in enumerate([list(columns), *found]):
        cells = (cell + " " * (width - cell_len(cell) + _GAP) for cell, width in zip(row, widths, strict=True))
        console.print(Text("".join(cells).rstrip(), "bold" if number == 0 else ""))


def print_members(members: Iterable[tuple[str, str]]) -> None:
    """What one thing is, line by line."""
    found = [(name, value) for name, value in members if value]
    width = max((len(name) for name, _ in found), default=0)
    console = Console(highlight=False, soft_wrap=True)
    for name, value in found:
        console.print(Text.assemble((f"{name:<{width}}  ", "dim"), safe(value)))


def safe(text: str) -> Text:
    """Other people's words: nothing in them acts on the terminal or is taken for markup."""
    return Text(visible(text))


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "never"


def several(count: int, what: str, *, least: bool = False) -> str:
    return f"{'at least ' if least else ''}{count} {what}{'' if count == 1 else 's'}"


def ask(question: str) -> None:
    """Goes on only after a yes. Nobody there to ask is a no."""
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        complain("not confirmed, so nothing was changed; `--yes` does not ask")
        raise typer.Exit(1) from None

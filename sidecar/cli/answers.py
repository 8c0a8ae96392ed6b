"""What commands that ask the admin API have in common: where it is, JSON or a table, times, and a last question."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sidecar.cli.output import done

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would end, and end nothing.")]
PoolOption = Annotated[str, typer.Option("--pool", help="The pool's name.")]


def print_json(answer: object) -> None:
    def plain(value: object) -> object:
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)

    typer.echo(json.dumps(answer, indent=2, default=plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """The first column is an id: whole, for one that is cut short is of no use."""
    found = list(rows)
    if not found:
        done(empty)
        return
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", min_width=max(len(row[0]) for row in found) if number == 0 else None)
    for row in found:
        table.add_row(*(safe(cell) for cell in row))
    Console(highlight=False, soft_wrap=False).print(table)


def print_members(members: Iterable[tuple[str, str]]) -> None:
    """What one thing is, line by line."""
    found = [(name, value) for name, value in members if value]
    width = max((len(name) for name, _ in found), default=0)
    console = Console(highlight=False, soft_wrap=True)
    for name, value in found:
        console.print(Text.assemble((f"{name:<{width}}  ", "dim"), safe(value)))


def safe(text: str) -> Text:
    """Other people's words: nothing in them acts on the terminal or is taken for markup."""
    return Text("".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text))


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "never"


def several(count: int, what: str, *, least: bool = False) -> str:
    return f"{'at least ' if least else ''}{count} {what}{'' if count == 1 else 's'}"


def ask(question: str) -> None:
    """Goes on only after a yes. Nobody there to ask is a no."""
    typer.confirm(question, abort=True, err=True)

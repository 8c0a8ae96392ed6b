"""What the command prints for people: messages go to stderr, so that stdout stays what was asked for."""

import shutil
import sys
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

_NO_END = 10_000


def complain(text: str) -> None:
    _say("error", "bold red", text)


def warn(text: str) -> None:
    _say("warning", "yellow", text)


def done(text: str) -> None:
    _say("ok", "green", text)


def visible(text: str) -> str:
    """One line that may hold other people's words: nothing in it acts on the terminal or turns the reading around."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def print_report(show: Callable[["Console"], None]) -> None:
    """On stdout. Lines are broken where the terminal ends; in a pipe nowhere, so that `grep` finds whole sentences."""
    from rich.console import Console  # late: see `_say`

    console = Console(highlight=False)
    if console.is_terminal:
        show(console)
        return
    text = StringIO()
    show(Console(file=text, highlight=False, width=shutil.get_terminal_size((_NO_END, 0)).columns))
    typer.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def _say(word: str, style: str, text: str) -> None:
    lines = [visible(line) for line in text.splitlines() or [""]]
    if not sys.stderr.isatty():
        typer.echo("\n".join(f"{word}: {line}" for line in lines), err=True)
        return
    from rich.console import Console  # late: it takes longer than most commands, and only a terminal has colours
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble((f"{word}: ", style), line))

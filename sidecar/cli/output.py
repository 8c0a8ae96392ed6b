"""What the command prints for people: messages go to stderr, so that stdout stays what was asked for."""

from rich.console import Console
from rich.text import Text


def complain(text: str) -> None:
    _say("error", "bold red", text)


def warn(text: str) -> None:
    _say("warning", "yellow", text)


def done(text: str) -> None:
    _say("ok", "green", text)


def _say(word: str, style: str, text: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in text.splitlines() or [""]:
        console.print(Text.assemble((f"{word}: ", style), line))

"""`dcr-sidecar keys`: the key file."""

from pathlib import Path
from typing import Annotated

import typer

from sidecar import keyfile
from sidecar.cli.output import done
from sidecar.clock import system_clock, system_entropy

app = typer.Typer(name="keys", help="The keys that every client id and token depends on.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `generate` a word of its own while it is the only command."""


@app.command("generate")
def generate(file: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
    """Make a key file that only its owner can read. Never touches one that exists."""
    keyfile.generate(file, entropy=system_entropy, clock=system_clock)
    done(f"wrote {file}; every replica needs the same file, and losing it signs everybody out")

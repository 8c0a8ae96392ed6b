"""`dcr-sidecar health`: what a container's health check runs, since an image without tools has no curl.

It runs every few seconds, so it imports little.
"""

import json
from typing import Annotated

import typer

from sidecar.cli.configuration import ConfigOption, load_address
from sidecar.cli.output import complain, done
from sidecar.cli.sockets import NoAnswer, ask

_OK = 200

_Ready = Annotated[bool, typer.Option("--ready", help="Ask whether it should get traffic, not only whether it lives.")]


def health(config: ConfigOption = None, *, ready: _Ready = False) -> None:
    """Ask the sidecar of this configuration how it is. Exit codes: 0 well, 1 not."""
    bind = load_address(config, "listeners.ops")
    path = "/readyz" if ready else "/livez"
    try:
        status, text = ask(bind, "GET", path)
    except NoAnswer:
        complain(f"nothing answers at {bind}: is the sidecar running with this configuration?")
        raise typer.Exit(1) from None
    if status != _OK:
        complain(f"{bind}{path} says {status}: {_word(text)}")
        raise typer.Exit(1)
    done(_word(text))


def _word(text: str) -> str:
    try:
        return str(json.loads(text)["status"])
    except (ValueError, LookupError, TypeError):
        return "what answers is not the sidecar"

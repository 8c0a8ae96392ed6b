"""`dcr-sidecar health`: what a container's health check runs, since an image without tools has no curl."""

import asyncio
from typing import Annotated

import aiohttp
import orjson
import typer

from sidecar.cli.configuration import ConfigOption, load_outline
from sidecar.cli.output import complain, done
from sidecar.cli.sockets import ask

_OK = 200

_Ready = Annotated[bool, typer.Option("--ready", help="Ask whether it should get traffic, not only whether it lives.")]


def health(config: ConfigOption = None, *, ready: _Ready = False) -> None:
    """Ask the sidecar of this configuration how it is. Exit codes: 0 well, 1 not."""
    bind = load_outline(config).listeners.ops
    path = "/readyz" if ready else "/livez"
    try:
        status, text = asyncio.run(ask(bind, "GET", path))
    except (aiohttp.ClientError, TimeoutError, OSError):
        complain(f"nothing answers at {bind}: is the sidecar running with this configuration?")
        raise typer.Exit(1) from None
    if status != _OK:
        complain(f"{bind}{path} says {status}: {_word(text)}")
        raise typer.Exit(1)
    done(_word(text))


def _word(text: str) -> str:
    try:
        return str(orjson.loads(text)["status"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return "what answers is not the sidecar"

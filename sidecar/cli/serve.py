"""`dcr-sidecar serve`."""

import asyncio
from typing import Annotated

import typer

from sidecar.cli.configuration import ConfigOption, load
from sidecar.cli.output import complain

_Seconds = Annotated[
    float, typer.Option("--drain-seconds", min=0, max=60, help="Told to stop: how long to go on serving, not ready.")
]


def serve(config: ConfigOption = None, *, drain_seconds: _Seconds = 2) -> None:
    """Run the sidecar until it is told to stop."""
    settings = load(config)
    from sidecar import app  # late: what is wrong with the configuration should not wait for these imports

    try:
        asyncio.run(app.serve(settings, shutdown=app.Shutdown(drain_seconds=drain_seconds)))
    except app.StartError as error:
        complain(str(error))
        raise typer.Exit(1) from None

"""`dcr-sidecar serve`."""

import asyncio

import typer

from sidecar.cli.configuration import ConfigOption, load
from sidecar.cli.output import complain


def serve(config: ConfigOption = None) -> None:
    """Run the sidecar until it is told to stop."""
    settings = load(config)
    from sidecar import app  # late: what is wrong with the configuration should not wait for these imports

    try:
        asyncio.run(app.serve(settings))
    except app.StartError as error:
        complain(str(error))
        raise typer.Exit(1) from None

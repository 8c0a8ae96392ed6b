"""`dcr-sidecar demo`."""

from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.output import complain


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where Envoy listens on loopback.")] = 8080,
    data: Annotated[
        Path | None, typer.Option(help="Where its keys, store and logs live.", show_default="./demo-data")
    ] = None,
) -> None:
    """Start everything on loopback: Envoy, Valkey, the sidecar, an MCP server and an IdP without DCR."""
    from sidecar.demo import run_demo

    try:
        code = run_demo(port, data)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sidecar"):
            raise
        complain(f"the demo needs {error.name}; install the extra: pip install 'dcr-sidecar[demo]'")
        code = 1
    raise typer.Exit(code)

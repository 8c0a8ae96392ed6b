"""`dcr-sidecar envoy-config`: Envoy's configuration for this deployment. Reads no secret."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.configuration import ConfigOption, load_outline
from sidecar.cli.output import complain, done
from sidecar.envoy_config import COMMENTS, bootstrap, dump_yaml, fragment, plan_from
from sidecar.settings import Problem, SettingsError


class Format(StrEnum):
    BOOTSTRAP = "bootstrap"
    FRAGMENT = "fragment"


def envoy_config(
    config: ConfigOption = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="A whole Envoy, or the parts for one that already runs.")
    ] = Format.BOOTSTRAP,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """Print Envoy's configuration for this deployment."""
    found = load_outline(config)
    listeners = found.listeners
    try:
        plan = plan_from(
            found.directory,
            oauth=listeners.oauth,
            check=listeners.check,
            envoy=found.envoy,
            check_secret=bool(listeners.check_secret),
        )
    except ValueError as error:
        raise SettingsError([Problem("", str(error))]) from error
    text = dump_yaml(bootstrap(plan) if form is Format.BOOTSTRAP else fragment(plan), COMMENTS)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}")
        raise typer.Exit(2) from None
    done(f"wrote {output}")

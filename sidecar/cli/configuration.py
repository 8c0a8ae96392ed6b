"""`dcr-sidecar config`, and how every command finds its configuration: the one place that reads the environment."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sidecar import settings
from sidecar.cli.output import done, warn

app = typer.Typer(name="config", help="Check a configuration, or print what one may hold.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="DCR_SIDECAR_CONFIG", help="The YAML file; DCR_SIDECAR_… goes over it."),
]


def load(path: Path | None) -> "settings.Settings":
    """Raises SettingsError."""
    with _no_file_is_told(path):
        return settings.load(path, os.environ)


def load_outline(path: Path | None) -> "settings.Outline":
    with _no_file_is_told(path):
        return settings.load_outline(path, os.environ)


def load_address(path: Path | None, name: str) -> "settings.Bind":
    """One listener's, such as `listeners.ops`, without a look at the rest."""
    with _no_file_is_told(path):
        return settings.load_address(path, os.environ, name)


@contextmanager
def _no_file_is_told(path: Path | None) -> Iterator[None]:
    """The environment alone may be a configuration; when it is not, a forgotten `--config` is the likely reason."""
    try:
        yield
    except settings.SettingsError:
        if path is None:
            warn("no file was named: use --config or DCR_SIDECAR_CONFIG")
        raise


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="As --config.", show_default=False)] = None,
    config: ConfigOption = None,
) -> None:
    """Say what is wrong with a configuration, secrets and key file included, without starting anything."""
    found = load(file or config)
    for text in found.warnings:
        warn(text)
    for server in found.directory.servers:
        pool = found.directory.pool_of(server)
        behind = f"pool {pool.name} ({pool.provider})" if pool else "no pool"
        done(f"{server.name}: {server.resource} -> {server.origin}, issuer {server.issuer}, {behind}")


@app.command("schema")
def schema() -> None:
    """Print the configuration's JSON Schema."""
    typer.echo(json.dumps(settings.json_schema(), indent=2))

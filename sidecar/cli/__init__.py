"""The `dcr-sidecar` command: one module a group. Owns arguments, what is printed, and exit codes; decides nothing.

Exit codes: 0 done, 1 failed, 2 the configuration or the command line is wrong.
"""

import sys
import traceback
from typing import Annotated

import typer

from sidecar import __version__
from sidecar.cli import (
    client,
    configuration,
    demo,
    doctor,
    drain,
    envoy,
    grant,
    health,
    keys,
    pool,
    probe,
    serve,
    token,
    user,
)
from sidecar.cli.admin_client import AdminError
from sidecar.cli.output import complain
from sidecar.keyfile import KeyFileError
from sidecar.settings import SettingsError
from sidecar.store.base import StoreError

__all__ = ["app", "main"]

app = typer.Typer(
    name="dcr-sidecar",
    help="Dynamic Client Registration in front of any identity provider, beside Envoy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("envoy-config")(envoy.envoy_config)
app.command("probe")(probe.probe)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.command("drain")(drain.drain)
app.add_typer(configuration.app)
app.add_typer(pool.app)
app.add_typer(client.app)
app.add_typer(grant.app)
app.add_typer(user.app)
app.add_typer(keys.app)
app.add_typer(token.app)


def _version(value: bool) -> None:  # noqa: FBT001 - typer's form of a callback
    if value:
        typer.echo(f"dcr-sidecar {__version__}")
        raise typer.Exit


_VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def _options(version: _VersionOption = False) -> None:  # noqa: FBT002 - typer's form of a flag
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit. What went wrong is told in one message, without a traceback."""
    try:
        app(arguments)
    except (SettingsError, KeyFileError) as error:
        complain(str(error))
        sys.exit(2)
    except (AdminError, OSError, StoreError) as error:
        complain(str(error))
    except Exception as error:  # noqa: BLE001 - the last resort before the user sees a traceback
        complain(f"internal error: {traceback.format_exception_only(error)[-1].strip()}")
    sys.exit(1)

"""The `dcr-sidecar` command: one module a group. Owns arguments, what is printed, and exit codes; decides nothing.

Exit codes: 0 done, 1 failed, 2 the configuration or the command line is wrong.
"""

import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from sidecar import __version__
from sidecar.cli.output import complain

__all__ = ["app", "main"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("serve:serve", "Run the sidecar until it is told to stop."),
    "demo": (
        "demo:demo",
        "Start everything on loopback: Envoy, Valkey, the sidecar, an MCP server and an IdP without DCR.",
    ),
    "envoy-config": ("envoy:envoy_config", "Print Envoy's configuration for this deployment."),
    "probe": ("probe:probe", "Walk discovery as MCP clients do, and say what they will do and what is wrong."),
    "doctor": (
        "doctor:doctor",
        "Examine configuration, keys, store, IdPs, Envoy and listeners, and say how to mend what is wrong.",
    ),
    "health": ("health:health", "Ask the sidecar of this configuration how it is. Exit codes: 0 well, 1 not."),
    "drain": (
        "drain:drain",
        "Ask the Envoy of this configuration to end its connections politely, and wait. For a preStop hook.",
    ),
    "config": ("configuration:app", "Check a configuration, or print what one may hold."),
    "pool": ("pool:app", "Client pools: make, see, change and end them."),
    "client": ("client:app", "MCP clients: find them, see them, end them."),
    "grant": ("grant:app", "Sign-ins: what one user allowed one client at one server."),
    "user": ("user:app", "People who signed in: find them, see them, offboard them."),
    "keys": ("keys:app", "The keys that every client id and token depends on."),
    "initial-access-token": (
        "token:app",
        "Who may register where `registration.dcr` is `token`. Asks the running sidecar.",
    ),
}
"""Where each is, and what the list of commands says of it: the first line of its own help."""

# Help without boxes: those cut long option names short, and fill pipes with frames.
_PLAIN: Final = None


class LateCommand(TyperCommand):
    """Is imported when it is used: `health` runs every few seconds and should not wait for `doctor`."""

    def __init__(self, name: str, where: str, summary: str) -> None:
        super().__init__(name, help=summary, short_help=summary, rich_markup_mode=_PLAIN)
        self._where = where

    def loaded(self) -> Any:
        module, _, attribute = self._where.partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), attribute)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = _PLAIN
            group = get_group(found)
            for command in group.commands.values():  # the first paragraph, whole: click would end it at 45 characters
                command.short_help = (command.help or "").partition("\n\n")[0]
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode=_PLAIN)
        alone.command(self.name)(found)
        return get_command(alone)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """From here on the real one is asked."""
        return self.loaded().make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        late = {name: LateCommand(name, where, summary) for name, (where, summary) in COMMANDS.items()}
        super().__init__(**{**attributes, "commands": late})


app = typer.Typer(
    name="dcr-sidecar",
    cls=_Commands,
    help="Dynamic Client Registration in front of any identity provider, beside Envoy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=_PLAIN,
)


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
    except OSError as error:
        complain(str(error))
    except Exception as error:  # noqa: BLE001 - the last resort before the user sees a traceback
        sys.exit(_told(error))
    sys.exit(1)


def _told(error: Exception) -> int:
    """The exit code. What it may be is imported by whoever raised it, and here only by who failed."""
    from sidecar.cli.admin_client import AdminError
    from sidecar.keyfile import KeyFileError
    from sidecar.settings import SettingsError
    from sidecar.store.base import StoreError

    known = isinstance(error, SettingsError | KeyFileError | AdminError | StoreError)
    complain(str(error) if known else f"internal error: {traceback.format_exception_only(error)[-1].strip()}")
    return 2 if isinstance(error, SettingsError | KeyFileError) else 1

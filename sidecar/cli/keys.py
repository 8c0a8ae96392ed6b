"""`dcr-sidecar keys`: the key file, and the steps by which a new key takes over without any client noticing.

Each step says what comes next. Owns no rule about keys (`keyfile` does), and asks before what cannot be taken back.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sidecar import keyfile
from sidecar.admin.views import KeysView
from sidecar.cli.admin_client import AdminError, AdminOption, TokenFileOption, admin_client
from sidecar.cli.answers import JsonOption, YesOption, ask, print_json, print_table, several
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.output import complain, done, warn
from sidecar.clock import system_clock, system_entropy
from sidecar.sealing import KeyState
from sidecar.settings import SettingsError

app = typer.Typer(name="keys", help="The keys that every client id and token depends on.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(help="The key file.")]
_Number = Annotated[int, typer.Argument(metavar="ID", help="The key's id, as `keys list` prints it.")]
_Unseen = Annotated[bool, typer.Option("--unseen", help="Ask no sidecar how many clients it ends.")]
_RESTART = "give every replica this file, and restart them one by one"


@app.command("generate")
def generate(file: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
    """Make a key file that only its owner can read. Never touches one that exists."""
    keyfile.generate(file, entropy=system_entropy, clock=system_clock)
    done(f"wrote {file}; every replica needs the same file, and losing it signs everybody out")


@app.command("list")
def list_keys(
    file: _File,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print the keys. Where a sidecar can be asked, also how many of its clients each key made."""
    keys, now = keyfile.load(file).keys, system_clock()
    made: Mapping[int, tuple[int, bool]] = {}
    if config or admin:
        try:
            made = _made(_asked(config, admin, token_file))
        except (AdminError, SettingsError) as error:
            warn(str(error))
    if as_json:
        rows = [{"id": key.id, "state": key.state, "created_at": key.created_at} for key in keys]
        counts = ({"clients": made[key.id][0]} if key.id in made else {} for key in keys)
        print_json({"keys": [row | count for row, count in zip(rows, counts, strict=True)]})
        return
    print_table(
        ("id", "state", "age", *(["clients"] if made else [])),
        [
            (str(key.id), key.state, _age(now - key.created_at), *([_count(made.get(key.id))] if made else []))
            for key in keys
        ],
        empty="",
    )


@app.command("add")
def add(file: _File) -> None:
    """Add a pending key: it opens what another replica made with it, and makes nothing yet."""
    number = keyfile.add(file, entropy=system_entropy, clock=system_clock)
    done(f"added key {number}, pending")
    done(f"next: {_RESTART}; then `dcr-sidecar keys activate {file} {number}`")


@app.command("activate")
def activate(file: _File, number: _Number, *, yes: YesOption = False) -> None:
    """Let a pending key make all new ids and tokens. The one before still opens what it made."""
    keyfile.require(file, number, KeyState.PENDING)
    warn(f"a replica that was not restarted since key {number} was added refuses what the others make with it")
    if not yes:
        ask(f"Has every replica been restarted with key {number}?")
    before = keyfile.activate(file, number)
    done(f"key {number} is active, key {before} is open")
    done(f"next: {_RESTART}; `dcr-sidecar keys list` says how many clients depend on key {before}")


@app.command("retire")
def retire(
    file: _File,
    number: _Number,
    *,
    unseen: _Unseen = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Remove a key for good, and with it every client id and every token that it made."""
    keyfile.require(file, number, KeyState.OPEN, KeyState.PENDING)
    if not unseen:
        try:
            _tell_end(_asked(config, admin, token_file), number)
        except (AdminError, SettingsError) as error:
            complain(str(error))
            complain(f"without an answer, `--unseen` retires key {number} all the same")
            raise typer.Exit(2) from None
    if not yes:
        ask(f"Remove key {number} for good?")
    keyfile.retire(file, number)
    done(f"key {number} is retired; its secret is not in {file} any more, so destroy the copies, too")
    done(f"next: {_RESTART}; one that was not still accepts what key {number} made")


def _asked(config: Path | None, admin: str, token_file: Path | None) -> KeysView:
    return KeysView.model_validate(admin_client(config, admin, token_file).call("GET", "/admin/keys"))


def _made(view: KeysView) -> Mapping[int, tuple[int, bool]]:
    """By key: how many clients, and whether that is all of them."""
    return {key.id: (key.clients, view.complete) for key in view.keys}


def _tell_end(view: KeysView, number: int) -> None:
    """What retiring the key ends. Raises AdminError when the sidecar has not come as far as the file."""
    found = next((key for key in view.keys if key.id == number), None)
    if found is not None and found.state == KeyState.ACTIVE:
        raise AdminError(f"the sidecar that was asked still works with key {number}: restart all replicas first")
    clients = several(found.clients if found else 0, "known client", least=not view.complete)
    warn(f"this ends {clients}: they must register again, and their users sign in again")
    warn(f"it also ends every access and refresh token that key {number} made, also those of newer clients")


def _count(made: tuple[int, bool] | None) -> str:
    if made is None:
        return "?"
    clients, complete = made
    return str(clients) if complete else f"at least {clients}"


def _age(seconds: int) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return several(seconds // size, unit)
    return "just made"

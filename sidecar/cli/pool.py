"""`dcr-sidecar pool`: make, see, change and end client pools. Asks the running sidecar."""

from typing import Annotated, Any

import typer

from sidecar.admin.pool_views import PoolEnd, PoolRows, PoolView
from sidecar.cli.admin_client import AdminError, AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import (
    DryRunOption,
    JsonOption,
    YesOption,
    ask,
    print_json,
    print_table,
    several,
)
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.output import done, warn
from sidecar.cli.pool_options import NameArgument, taking_members
from sidecar.cli.pool_text import fallout, pool_cells, print_pool
from sidecar.clock import system_entropy

app = typer.Typer(name="pool", help="Client pools: make, see, change and end them.", no_args_is_help=True)

_ALL = "/admin/pools"
_DAY = 86400


@app.command("create")
@taking_members
def create(
    name: NameArgument,
    provider: Annotated[str, typer.Option("--provider", help="A preset, or `oidc` or `oauth2`.")],
    *,
    identifier: Annotated[
        str, typer.Option("--id", help="Part of every client id, and never used twice. By default NAME-RANDOM.")
    ] = "",
    issuer: Annotated[str, typer.Option("--issuer", help="The IdP's issuer, byte for byte.")] = "",
    found: dict[str, Any],
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Make a pool, and print what to enter at the provider."""
    body = {
        "name": name,
        "id": identifier or f"{name[:33]}-{system_entropy(3).hex()}",  # an id of 40 at most
        "provider": provider,
        **({"issuer": issuer} if issuer else {}),
        **found,
    }
    made = PoolView.model_validate(admin_client(config, admin, token_file).call("POST", _ALL, body=body))
    if as_json:
        print_json(made)
        return
    print_pool(made)
    done(f"pool {name} is there")
    if made.state == "waiting" and made.servers:
        warn(f"it registers itself at the provider; see how that went with `dcr-sidecar pool show {name}`")
    if not made.servers:
        warn(f"no server of the configuration names pool {name} yet")


@app.command("list")
def list_pools(
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print all pools, those of the configuration too."""
    found = PoolRows.model_validate(admin_client(config, admin, token_file).call("GET", _ALL))
    if as_json:
        print_json(found)
        return
    columns = ("pool", "provider", "lives in", "state", "servers", "clients", "grants")
    print_table(columns, [pool_cells(row) for row in found.pools], empty="no pools")


@app.command("show")
def show(
    name: NameArgument,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print one pool, and what to enter at its provider. Never a secret."""
    found = PoolView.model_validate(admin_client(config, admin, token_file).call("GET", _path(name)))
    print_json(found) if as_json else print_pool(found)


@app.command("update")
@taking_members
def update(
    name: NameArgument,
    *,
    found: dict[str, Any],
    overlap_days: Annotated[
        int, typer.Option("--overlap-days", min=0, max=90, help="How long the former secret goes on beside a new one.")
    ] = 7,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Change what is named. Registered clients and people who signed in notice nothing.

    Name, id, provider and issuer stay: another of them is another pool.
    """
    if not found:
        raise AdminError("nothing is to be changed; name an option")
    api = admin_client(config, admin, token_file)
    stands = PoolView.model_validate(api.call("GET", _path(name)))
    body = {**found, "overlap": overlap_days * _DAY, **({"version": stands.version} if stands.version else {})}
    changed = PoolView.model_validate(api.call("PATCH", _path(name), body=body))
    if as_json:
        print_json(changed)
        return
    print_pool(changed)
    done(f"pool {name} is changed" if changed.version != stands.version else f"pool {name} was like that before")


@app.command("delete")
def delete(
    name: NameArgument,
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """End a pool for good: its clients, its grants and the upstream tokens in them. Its id is never used again."""
    api = admin_client(config, admin, token_file)
    would = PoolEnd.model_validate(api.call("DELETE", _path(name), query={"dry_run": "true"}))
    if dry_run and as_json:
        print_json(would)
        return
    done(f"would end {fallout(would)}")
    if would.servers:
        done(f"would lose registration and sign-in: {', '.join(would.servers)}")
    done(f"would be gone for good: the id {would.id}")
    if dry_run:
        done("nothing was changed")
        return
    if not yes:
        ask(f"Delete pool {name}?")
    query = {"version": str(would.version)}
    ended = PoolEnd.model_validate(api.call("DELETE", _path(name), query=query))
    if as_json:
        print_json(ended)
    done(f"pool {name} is over: {several(ended.clients, 'client')} and {several(ended.grants, 'grant')} ended")
    if not ended.complete:
        warn("the rest is being ended in the background; nothing of it is let through meanwhile")


def _path(name: str) -> str:
    return f"{_ALL}/{segment(name)}"

"""`dcr-sidecar client`: who has registered, and the end of one. Asks the running sidecar."""

from typing import Annotated

import typer

from sidecar.admin.rows import likeness, merged
from sidecar.admin.views import ClientRow, ClientRows, ClientView, Fallout, Readmitted
from sidecar.cli.admin_client import AdminClient, AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import (
    DryRunOption,
    JsonOption,
    YesOption,
    moment,
    print_json,
    print_members,
    print_table,
    several,
)
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.ending import Ending, end
from sidecar.cli.output import done

_PATH = "/admin/clients"

app = typer.Typer(name="client", help="MCP clients: find them, see them, end them.", no_args_is_help=True)

_Client = Annotated[str, typer.Argument(metavar="ID", help="The client id, as `client list` prints it.")]


@app.command("list")
def list_clients(
    *,
    pool: Annotated[str, typer.Option("--pool", help="Of this pool only.")] = "",
    name: Annotated[str, typer.Option("--name", help="A part of the name.")] = "",
    single: Annotated[bool, typer.Option("--single", help="A row for each registration.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="Rows to print; the others are counted.")] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print the clients, last used first. What looks the same is one row: programs register again and again."""
    asked = {"pool": pool, "name": name, "grouped": "false" if single else "true"}
    found: dict[object, ClientRow] = {}
    for page in admin_client(config, admin, token_file).pages(_PATH, asked):
        for row in ClientRows.model_validate(page).clients:
            key = row.client if single else likeness(row)
            found[key] = merged(found[key], row) if key in found and not single else row
    rows = sorted(found.values(), key=lambda row: -row.last_used_at)
    if as_json:
        print_json({"clients": rows})
        return
    print_table(
        ("client", "name", "pool", "kind", "count", "registered", "last used"),
        [
            (
                row.client,
                row.name,
                row.pool,
                row.kind,
                str(row.count),
                moment(row.last_registered_at),
                moment(row.last_used_at),
            )
            for row in rows[:most]
        ],
        empty="no client is known",
    )
    if rows[most:]:
        done(f"and {several(len(rows) - most, 'more row')}; --most {len(rows)} prints all")


@app.command("show")
def show(
    client: _Client,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print what is known of one client."""
    shown = _shown(admin_client(config, admin, token_file), client)
    if as_json:
        print_json(shown)
        return
    print_members(
        (
            ("client", shown.client),
            ("name", shown.name),
            ("state", shown.state),
            ("kind", shown.kind),
            ("pool", shown.pool),
            ("issuer", shown.issuer),
            ("redirects to", " ".join(shown.redirect_uris)),
            ("authenticates by", shown.auth_method),
            ("changed by itself", "yes" if shown.changed else ""),
            ("made with key", "" if shown.key is None else str(shown.key)),
            ("registered", moment(shown.registered_at)),
            ("last used", moment(shown.last_used_at)),
            ("grants", f"{shown.grants}, some of which may be over"),
        )
    )


@app.command("delete")
def delete(
    client: _Client,
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """End a client and every grant that it has. Whoever uses it connects and signs in again."""
    what = Ending(
        Fallout,
        f"{_PATH}/{segment(client)}",
        fallout=lambda would: several(would.users, "user"),
        question="End this client and {}?",
        told=lambda ended: f"the client is ended, and {several(ended.grants, 'grant')} with it",
        meanwhile="nothing new begins meanwhile",
    )
    end(admin_client(config, admin, token_file), what, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command("readmit")
def readmit(
    client: _Client,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Let in again a client that is a document or configured. One that registered itself registers again."""
    api = admin_client(config, admin, token_file)
    answer = Readmitted.model_validate(api.call("POST", f"{_PATH}/{segment(client)}/readmit"))
    if as_json:
        print_json(answer)
    done("the client may be used again" if answer.readmitted else "the client was not denied")


def _shown(api: AdminClient, client: str) -> ClientView:
    return ClientView.model_validate(api.call("GET", f"{_PATH}/{segment(client)}"))

"""`dcr-sidecar grant`: who signed in with what, and the end of one sign-in. Asks the running sidecar."""

from typing import Annotated

import typer

from sidecar.admin.views import GrantRows, GrantView
from sidecar.cli.admin_client import AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import JsonOption, YesOption, ask, moment, print_json, print_table
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.output import done

_PATH = "/admin/grants"

app = typer.Typer(name="grant", help="Sign-ins: what one user allowed one client at one server.", no_args_is_help=True)


@app.command("list")
def list_grants(
    *,
    client: Annotated[str, typer.Option("--client", help="Of this client.")] = "",
    pool: Annotated[str, typer.Option("--pool", help="Of this pool.")] = "",
    user: Annotated[str, typer.Option("--user", help="With --pool: of this user, by the provider's stable id.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print the grants of a client, of a pool, or of one user in a pool."""
    if bool(client) == bool(pool) or (user and not pool):
        raise typer.BadParameter("name --client, or --pool, or --pool and --user")
    asked = {name: value for name, value in (("client", client), ("pool", pool), ("user", user)) if value}
    pages = admin_client(config, admin, token_file).pages(_PATH, {**asked, "limit": "500"})
    rows = [row for page in pages for row in GrantRows.model_validate(page).grants]
    if as_json:
        print_json({"grants": rows})
        return
    print_grants(rows)


@app.command("end")
def end(
    grant: Annotated[str, typer.Argument(metavar="ID", help="As `grant list` prints it.")],
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """End one grant and all its tokens. The user signs in again when the client is used next."""
    api = admin_client(config, admin, token_file)
    if not yes:
        ask("End this grant?")
    api.call("DELETE", f"{_PATH}/{segment(grant)}")
    if as_json:
        print_json({"ended": grant})
    done(f"{grant} is ended; what the provider granted goes on there")


def print_grants(rows: list[GrantView]) -> None:
    print_table(
        ("grant", "user", "client", "server", "state", "began", "ends"),
        [
            (
                row.grant,
                row.email or row.user,
                row.client_name or row.client,
                row.server,
                row.state,
                moment(row.created_at),
                moment(row.expires_at),
            )
            for row in rows
        ],
        empty="no grant",
    )

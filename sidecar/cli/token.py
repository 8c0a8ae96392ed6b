"""`dcr-sidecar initial-access-token`: who may register where registration is by token (RFC 7591 3)."""

from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from sidecar.cli.admin_client import AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import JsonOption, PoolOption, moment, print_json, print_table, several
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.output import done, warn
from sidecar.settings.fields import Seconds

_PATH = "/admin/initial-access-tokens"

app = typer.Typer(
    name="initial-access-token",
    help="Who may register where `registration.dcr` is `token`. Asks the running sidecar.",
    no_args_is_help=True,
)


def _seconds(text: str) -> int:
    try:
        return TypeAdapter(Seconds).validate_python(text)
    except ValidationError:
        raise typer.BadParameter("must be seconds, or a number with s, m, h or d, such as 7d") from None


@app.command("create")
def create(
    pool: PoolOption,
    *,
    label: Annotated[str, typer.Option(help="For whom it is; the audit trail repeats it.")] = "",
    uses: Annotated[int, typer.Option(help="How many clients may register with it.")] = 1,
    expires: Annotated[
        int, typer.Option(parser=_seconds, metavar="DURATION", help="Seconds, or a number with s, m, h or d.")
    ] = "7d",  # type: ignore[assignment] # typer hands it to the parser
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Make a token and print it. Nobody can show it again."""
    body = {"pool": pool, "label": label, "uses": uses, "expires_in": expires}
    made = admin_client(config, admin, token_file).call("POST", _PATH, body=body)
    if as_json:
        print_json(made)
    else:
        typer.echo(made["token"])
    clients = several(made["uses"], "client")
    done(f"{made['id']} lets {clients} register in {made['pool']} until {moment(made['expires_at'])}")
    done("it is shown only now; the client sends it to /register as `Authorization: Bearer`")
    if not made["needed"]:
        warn("`registration.dcr` is not `token`, so registering takes no token yet")


@app.command("list")
def list_tokens(
    *,
    pool: PoolOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print the tokens that are not over, used up ones too."""
    answer = admin_client(config, admin, token_file).call("GET", _PATH, query={"pool": pool} if pool else {})
    if as_json:
        print_json(answer)
        return
    rows = [
        (row["id"], f"{row['left']} of {row['uses']}", moment(row["expires_at"]), row["pool"], row["label"])
        for row in answer["tokens"]
    ]
    print_table(("id", "left", "until", "pool", "label"), rows, empty="no initial access tokens")


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` says it; not the token.")],
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """End a token. Clients that registered with it stay."""
    admin_client(config, admin, token_file).call("DELETE", f"{_PATH}/{segment(token_id)}")
    if as_json:
        print_json({"revoked": token_id})
    done(f"{token_id} is revoked; who registered with it stays")

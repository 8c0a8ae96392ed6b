"""`dcr-sidecar user`: who has signed in, and the end of everything that one person has. Asks the running sidecar."""

from typing import Annotated

import typer

from sidecar.admin.views import Denial, Offboarded, Readmitted, UserRow, UserRows, UserView
from sidecar.cli.admin_client import AdminClient, AdminError, AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import (
    DryRunOption,
    JsonOption,
    PoolOption,
    YesOption,
    moment,
    print_json,
    print_members,
    print_table,
    several,
)
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.ending import Ending, end
from sidecar.cli.grant import print_grants
from sidecar.cli.output import done

app = typer.Typer(name="user", help="People who signed in: find them, see them, offboard them.", no_args_is_help=True)

_User = Annotated[
    str,
    typer.Argument(metavar="USER", help="The provider's stable id, as `user list` prints it, or an email address."),
]


@app.command("list")
def list_users(
    pool: PoolOption,
    *,
    find: Annotated[str, typer.Option("--find", help="A part of id, email address or name.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print who has grants in a pool."""
    rows = _found(admin_client(config, admin, token_file), pool, find)
    if as_json:
        print_json({"users": rows})
        return
    print_table(
        ("user", "email", "name", "grants", "last signed in"),
        [(row.user, row.email, row.user_name, str(row.grants), moment(row.last_signed_in_at)) for row in rows],
        empty="nobody",
    )


@app.command("show")
def show(
    pool: PoolOption,
    user: _User,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Print what one person has, and whether signing in is refused."""
    api = admin_client(config, admin, token_file)
    shown = UserView.model_validate(api.call("GET", _path(pool, _subject(api, pool, user))))
    if as_json:
        print_json(shown)
        return
    print_members((("user", shown.user), ("pool", shown.pool), ("denied", _denial(shown.denial))))
    print_grants(list(shown.grants))
    if not shown.complete:
        done(f"and more; `grant list --pool {pool} --user` prints all")


@app.command("offboard")
def offboard(
    pool: PoolOption,
    user: _User,
    *,
    bar: Annotated[bool, typer.Option("--bar", help="Refuse signing in again, until `user readmit`.")] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """End everything that one person has in a pool, at every server and with every client."""
    api = admin_client(config, admin, token_file)
    subject = _subject(api, pool, user)
    what = Ending(
        Offboarded,
        _path(pool, subject),
        fallout=lambda _would: f"{subject} in {pool}",
        question=f"End {{}}{', and refuse signing in again' if bar else ''}?",
        told=lambda ended: f"{several(ended.grants, 'grant')} of {subject} ended; {_denial(ended.denial)}",
        meanwhile="what is left of it works until then",
        query={"bar": "true" if bar else "false"},
    )
    ended = end(api, what, dry_run=dry_run, yes=yes, as_json=as_json)
    if ended is not None:
        done(f"what remains: {ended.remains}")


@app.command("readmit")
def readmit(
    pool: PoolOption,
    user: _User,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Let a person sign in again who was barred. What was ended stays ended."""
    api = admin_client(config, admin, token_file)
    answer = Readmitted.model_validate(api.call("POST", f"{_path(pool, user)}/readmit"))
    if as_json:
        print_json(answer)
    done(f"{user} may sign in again" if answer.readmitted else f"{user} was not denied")


def _path(pool: str, user: str) -> str:
    return f"/admin/users/{segment(pool)}/{segment(user)}"


def _found(api: AdminClient, pool: str, find: str) -> list[UserRow]:
    """One row a user, of all pages."""
    found: dict[str, UserRow] = {}
    for page in api.pages(f"/admin/users/{segment(pool)}", {"find": find}):
        for row in UserRows.model_validate(page).users:
            before = found.get(row.user)
            latest = row if before is None or row.last_signed_in_at > before.last_signed_in_at else before
            found[row.user] = latest.model_copy(update={"grants": row.grants + (before.grants if before else 0)})
    return sorted(found.values(), key=lambda row: (row.email, row.user))


def _subject(api: AdminClient, pool: str, user: str) -> str:
    """Whom an email address stands for: somebody who has grants under it. Raises AdminError when that is not one."""
    if "@" not in user:
        return user
    matching = [
        row for row in _found(api, pool, user) if user.casefold() in {row.email.casefold(), row.user.casefold()}
    ]
    if len(matching) > 1:
        several_ids = ", ".join(row.user for row in matching)
        raise AdminError(f"{user} is the address of more than one user; name one by id: {several_ids}")
    return matching[0].user if matching else user


def _denial(denial: Denial) -> str:
    if denial.barred:
        return "signing in is refused until `user readmit`"
    return f"what began until {moment(denial.until)} is over; signing in again is possible" if denial.denied else ""

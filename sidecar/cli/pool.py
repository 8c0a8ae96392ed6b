"""`dcr-sidecar pool`: make, see, change and end client pools. Asks the running sidecar."""

from typing import Annotated

import typer

from sidecar.admin.pool_views import PoolEnd, PoolRow, PoolRows, PoolView, RegistrationView
from sidecar.cli.admin_client import AdminError, AdminOption, TokenFileOption, admin_client, segment
from sidecar.cli.answers import (
    DryRunOption,
    JsonOption,
    YesOption,
    ask,
    moment,
    print_json,
    print_members,
    print_table,
    several,
)
from sidecar.cli.configuration import ConfigOption
from sidecar.cli.output import done, warn
from sidecar.cli.pool_options import (
    AuthOption,
    CaOption,
    ClientIdOption,
    EndpointOption,
    InitialTokenOption,
    IssuersOption,
    NameArgument,
    NotBeforeOption,
    ParamOption,
    ProxyOption,
    ScopesOption,
    SecretOption,
    members,
)

app = typer.Typer(name="pool", help="Client pools: make, see, change and end them.", no_args_is_help=True)

_ALL = "/admin/pools"
_DAY = 86400


@app.command("create")
def create(
    name: NameArgument,
    provider: Annotated[str, typer.Option("--provider", help="A preset, or `oidc` or `oauth2`.")],
    *,
    identifier: Annotated[
        str, typer.Option("--id", help="Part of every client id, and never used twice. By default NAME-1.")
    ] = "",
    issuer: Annotated[str | None, typer.Option("--issuer", help="The IdP's issuer, byte for byte.")] = None,
    client_id: ClientIdOption = None,
    client_secret_file: SecretOption = None,
    allowed_issuer: IssuersOption = None,
    initial_access_token_file: InitialTokenOption = None,
    scopes: ScopesOption = None,
    endpoint: EndpointOption = None,
    param: ParamOption = None,
    token_auth: AuthOption = None,
    ca_file: CaOption = None,
    proxy: ProxyOption = None,
    clients_not_before: NotBeforeOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Make a pool, and print what to enter at the provider."""
    given = {"issuer": issuer, "client_id": client_id, "token_auth": token_auth, "ca_file": ca_file, "proxy": proxy}
    found = members(
        {**given, "clients_not_before": clients_not_before},
        scopes=scopes,
        endpoints=endpoint,
        params=param,
        secret_file=client_secret_file,
        issuers=allowed_issuer,
        initial_token_file=initial_access_token_file,
    )
    body = {"name": name, "id": identifier or f"{name}-1", "provider": provider, **found}
    made = PoolView.model_validate(admin_client(config, admin, token_file).call("POST", _ALL, body=body))
    if as_json:
        print_json(made)
        return
    _print_pool(made)
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
    print_table(columns, [_cells(row) for row in found.pools], empty="no pools")


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
    print_json(found) if as_json else _print_pool(found)


@app.command("update")
def update(
    name: NameArgument,
    *,
    client_id: ClientIdOption = None,
    client_secret_file: SecretOption = None,
    allowed_issuer: IssuersOption = None,
    initial_access_token_file: InitialTokenOption = None,
    overlap_days: Annotated[
        int, typer.Option("--overlap-days", min=0, max=90, help="How long the former secret goes on beside a new one.")
    ] = 7,
    scopes: ScopesOption = None,
    endpoint: EndpointOption = None,
    param: ParamOption = None,
    token_auth: AuthOption = None,
    ca_file: CaOption = None,
    proxy: ProxyOption = None,
    clients_not_before: NotBeforeOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    admin: AdminOption = "",
    token_file: TokenFileOption = None,
) -> None:
    """Change what is named. Registered clients and people who signed in notice nothing.

    Name, id, provider and issuer stay: another of them is another pool.
    """
    given = {"client_id": client_id, "token_auth": token_auth, "ca_file": ca_file, "proxy": proxy}
    found = members(
        {**given, "clients_not_before": clients_not_before},
        scopes=scopes,
        endpoints=endpoint,
        params=param,
        secret_file=client_secret_file,
        issuers=allowed_issuer,
        initial_token_file=initial_access_token_file,
    )
    if not found:
        raise AdminError("nothing is to be changed; name an option")
    api = admin_client(config, admin, token_file)
    stands = PoolView.model_validate(api.call("GET", _path(name)))
    body = {**found, "overlap": overlap_days * _DAY, **({"version": stands.version} if stands.version else {})}
    changed = PoolView.model_validate(api.call("PATCH", _path(name), body=body))
    if as_json:
        print_json(changed)
        return
    _print_pool(changed)
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
    done(f"would end {_fallout(would)}")
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


def _fallout(end: PoolEnd) -> str:
    grants = several(end.grants, "live grant", least=not end.complete)
    users = several(end.users, "user", least=not end.complete)
    return f"{several(end.clients, 'client')}, and {grants} of {users}"


def _path(name: str) -> str:
    return f"{_ALL}/{segment(name)}"


def _cells(row: PoolRow) -> tuple[str, ...]:
    servers = ", ".join(row.servers) or "none"
    return row.pool, row.provider, row.source, row.state, servers, str(row.clients), str(row.grants)


def _registration(own: RegistrationView) -> str:
    end = f", its secret until {moment(own.secret_expires_at)}" if own.secret_expires_at else ""
    where = f" at {own.issuer}" if own.issuer else ""
    only = f"; only at {', '.join(own.allowed_issuers)}" if own.allowed_issuers else ""
    return f"{own.state}{where}{end}{f': {own.detail}' if own.detail else ''}{only}"


def _print_pool(pool: PoolView) -> None:
    former = [f"{each.client_id} until {moment(each.until) if each.until else 'for ever'}" for each in pool.former]
    print_members(
        (
            ("pool", pool.pool),
            ("id", pool.id),
            ("lives in", pool.source),
            ("state", f"{pool.state}{f': {pool.problem}' if pool.problem else ''}"),
            ("provider", pool.provider),
            ("issuer", pool.issuer),
            ("authorization endpoint", pool.authorization_endpoint),
            ("token endpoint", pool.token_endpoint),
            ("revocation endpoint", pool.revocation_endpoint),
            ("userinfo endpoint", pool.userinfo_endpoint),
            ("JWKS", pool.jwks_uri),
            ("client id", pool.client_id),
            ("registers itself", _registration(pool.registration) if pool.registration else ""),
            ("former credentials", ", ".join(former)),
            ("token auth", pool.token_auth),
            ("parameters", ", ".join(f"{name}={value}" for name, value in pool.authorize_params.items())),
            ("CA file", pool.ca_file),
            ("proxy", pool.proxy),
            ("clients not before", moment(pool.clients_not_before) if pool.clients_not_before else ""),
            ("servers", ", ".join(pool.servers) or "none"),
            ("clients", str(pool.clients)),
            ("grants", str(pool.grants)),
            ("changed", moment(pool.changed_at) if pool.changed_at else ""),
            ("enter at the provider:", " "),
            ("  callback URL", "  ".join(pool.callback_urls) or "none yet: no server uses it"),
            ("  scopes", " ".join(pool.scopes_to_allow)),
        )
    )

"""Pools as people read them on a terminal: a row, all of one, and what deleting one would end."""

from sidecar.admin.pool_views import FormerView, PoolEnd, PoolRow, PoolView, RegistrationView
from sidecar.cli.answers import moment, print_members, several

_SHOWN = 5
"""Certificate authorities, of what may be a system's whole bundle."""


def pool_cells(row: PoolRow) -> tuple[str, ...]:
    servers = ", ".join(row.servers) or "none"
    return row.pool, row.provider, row.source, row.state, servers, str(row.clients), str(row.grants)


def _registration(own: RegistrationView) -> str:
    end = f", its secret until {moment(own.secret_expires_at)}" if own.secret_expires_at else ""
    where = f" at {own.issuer}" if own.issuer else ""
    only = f"; only at {', '.join(own.allowed_issuers)}" if own.allowed_issuers else ""
    return f"{own.state}{where}{end}{f': {own.detail}' if own.detail else ''}{only}"


def _former(former: FormerView, *, known: bool) -> str:
    what = f"a former secret of {former.client_id}" if known else former.client_id
    return f"{what} until {moment(former.until)}" if former.until else f"{what} for good"


def print_pool(pool: PoolView) -> None:
    before = [pool.client_id, *(each.client_id for each in pool.former)]
    former = [_former(each, known=each.client_id in before[: at + 1]) for at, each in enumerate(pool.former)]
    trusted = [f"{each.subject} until {moment(each.until)}" for each in pool.ca[:_SHOWN]]
    trusted += [f"{len(pool.ca) - _SHOWN} more"] if len(pool.ca) > _SHOWN else []
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
            ("goes on, too", ", ".join(former)),
            ("token auth", pool.token_auth),
            ("parameters", ", ".join(f"{name}={value}" for name, value in pool.authorize_params.items())),
            ("trusts", ", ".join(trusted)),
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


def fallout(end: PoolEnd) -> str:
    grants = several(end.grants, "live grant", least=not end.complete)
    users = several(end.users, "user", least=not end.complete)
    return f"{several(end.clients, 'client')}, and {grants} of {users}"

"""Pools as operators are shown them: the answers of /admin/pools. No secret has a place here."""

from typing import Literal

from sidecar.admin.views import View

Source = Literal["configuration", "store"]
State = Literal["live", "waiting", "refused", "unreadable", "deleting"]


class FormerView(View):
    client_id: str
    until: int
    """When it ends to be used; 0: never."""


class PoolRow(View):
    pool: str
    id: str
    provider: str
    source: Source
    """Where it lives: one of the configuration is changed there, and nowhere else."""
    state: State
    """`waiting`: it has no credentials yet. `refused`: it must not be used, see `problem`. `unreadable`: with these
    keys. `deleting`: it is over, and what was made under it is being ended."""
    problem: str
    client_id: str
    """At the provider."""
    servers: tuple[str, ...]
    """Those that use it."""
    clients: int
    """Registry entries."""
    grants: int
    """Listed, some of which may be over already."""
    version: int
    """What a change names, so that it cannot undo another; 0 for the configuration's."""


class PoolRows(View):
    pools: tuple[PoolRow, ...]


class PoolView(PoolRow):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    scopes: tuple[str, ...]
    authorize_params: dict[str, str]
    token_auth: str
    ca_file: str
    proxy: str
    """Without its password."""
    clients_not_before: int
    former: tuple[FormerView, ...]
    """What it had before, and for whom it goes on."""
    callback_urls: tuple[str, ...]
    """What to enter at the provider: where it sends people back to."""
    scopes_to_allow: tuple[str, ...]
    """What to allow at the provider: what is asked for there."""
    created_at: int
    changed_at: int


class PoolEnd(View):
    """What deleting a pool would end, or has ended."""

    pool: str
    id: str
    """Never to be used again: whatever had to do with it stays refused."""
    dry_run: bool
    version: int
    """Of a dry run: what confirms the deletion."""
    clients: int
    users: int
    """0 when it was done: see the audit trail."""
    grants: int
    servers: tuple[str, ...]
    """They lose `registration_endpoint`, and with it whoever signs in there."""
    complete: bool
    """False: in a dry run, there are more grants than were looked at; else, the rest is still being ended."""

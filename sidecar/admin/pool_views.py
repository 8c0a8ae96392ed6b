"""Pools as operators are shown them: the answers of /admin/pools. No secret has a place here."""

from typing import Literal

from sidecar.admin.views import View

Source = Literal["configuration", "store"]
State = Literal["live", "waiting", "refused", "unreadable", "deleting"]

RegistrationState = Literal[
    "registered", "waiting", "unavailable", "refused", "not_offered", "not_allowed", "unreadable"
]


class FormerView(View):
    client_id: str
    """At the provider. The pool's present one: then only its secret is a former one."""
    until: int
    """When it ends to be used; 0: never."""


class AuthorityView(View):
    subject: str
    until: int
    sha256: str
    """Of the certificate."""


class PoolRow(View):
    pool: str
    id: str
    provider: str
    source: Source
    """Where it lives: one of the configuration is changed there, and nowhere else."""
    state: State
    """`waiting`: it has no client at the provider yet, see `problem`. `refused`: it must not be used, see `problem`.
    `unreadable`: with these keys. `deleting`: it is over, and what was made under it is being ended."""
    problem: str
    client_id: str
    """At the provider; of a pool that registers itself, what it is registered as."""
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


class RegistrationView(View):
    """How it stands with the client that the pool registers for itself."""

    state: RegistrationState
    """`waiting`: nobody has tried yet. `unavailable`: tried in vain, and tried again. `refused`, `not_offered`,
    `not_allowed`: the provider does not do it, has no such thing, or is none that `allowed_issuers` names.
    `unreadable`: with these keys."""
    detail: str
    issuer: str
    client_id: str
    """With which the pool is served; empty while there is none."""
    secret_expires_at: int
    """0: never, or there is no secret."""
    allowed_issuers: tuple[str, ...]


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
    ca: tuple[AuthorityView, ...]
    """The authorities that are trusted at the provider; none: the public ones."""
    proxy: str
    """Without the user and password in it."""
    clients_not_before: int
    registration: RegistrationView | None
    """None: its client was entered by hand."""
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

"""What operators are shown: the answers of the admin API, from which its document is made and which the commands read.

Owns form only. Times are Unix seconds; 0 says never, or unknown. No token, secret or key material has a place here.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from sidecar.sealing import KeyState


class View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class KeyView(View):
    id: int
    state: KeyState
    created_at: int
    clients: int
    """Registered clients that were made with it and would be unknown without it."""


class KeysView(View):
    keys: tuple[KeyView, ...]
    clients_read: int
    """How many clients were looked at."""
    complete: bool
    """False: there are more clients than were looked at, so each count is a least one."""


class ClientRow(View):
    """One client, or what many registrations of one program have in common."""

    client: str
    """The id; of a group the id that was used last."""
    kind: Literal["dcr", "cimd", "static"]
    pool: str
    name: str
    """As it calls itself, unverified."""
    redirect_uris: tuple[str, ...]
    auth_method: str
    count: int
    """How many registrations look the same."""
    first_registered_at: int
    last_registered_at: int
    last_used_at: int


class ClientRows(View):
    clients: tuple[ClientRow, ...]
    after: str
    """Give it as `after` for more; empty when this was the last. A group is of one page and may come again."""


class ClientView(View):
    client: str
    kind: Literal["dcr", "cimd", "static"]
    pool: str
    """Empty: of a pool that is not configured (any more)."""
    issuer: str
    """Empty for clients that do not belong to one."""
    state: Literal["good", "ending", "ended", "unknown"]
    """`ending`: deleted, and its grants are being ended. `unknown`: an entry is left, but the id opens no more."""
    name: str
    redirect_uris: tuple[str, ...]
    auth_method: str
    changed: bool
    """Whether it replaced its registration (RFC 7592)."""
    key: int | None
    """Which key made the id; none for ids that we did not make."""
    registered_at: int
    last_used_at: int
    grants: int
    """Listed for it, some of which may be over already."""
    metadata: dict[str, object]


class Fallout(View):
    """What deleting would end, or has ended."""

    dry_run: bool
    grants: int
    users: int
    """0 when it was done: see the audit trail."""
    complete: bool
    """False: in a dry run, there are more grants than were looked at; else, the rest is still being ended."""


class GrantView(View):
    grant: str
    client: str
    client_name: str
    server: str
    pool: str
    user: str
    """The provider's stable id of the user."""
    email: str
    user_name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    state: Literal["code", "live"]
    """`code`: the client has not fetched its tokens yet."""
    reference: str
    """Of the sign-in, as in the audit trail."""


class GrantRows(View):
    grants: tuple[GrantView, ...]
    after: str
    """Give it as `after` for more; empty when this was the last."""


class Denial(View):
    denied: bool
    barred: bool
    """Whether signing in again is refused, too."""
    until: int
    """What began before this is over, roughly told as a time; 0 unless that is all."""


class UserRow(View):
    pool: str
    user: str
    """The provider's stable id."""
    email: str
    user_name: str
    grants: int
    last_signed_in_at: int


class UserRows(View):
    users: tuple[UserRow, ...]
    after: str
    """Give it as `after` for more; empty when this was the last. A user may come again in the next page."""


class UserView(View):
    pool: str
    user: str
    denial: Denial
    grants: tuple[GrantView, ...]
    complete: bool
    """False: there are more grants; list them by user."""


class Offboarded(View):
    pool: str
    user: str
    dry_run: bool
    denial: Denial
    grants: int
    """Ended by this call, or those that would be."""
    complete: bool
    """False while the rest is still being ended, which goes on by itself."""
    remains: str
    """What is left at the identity provider, for the operator to do there."""


class Readmitted(View):
    readmitted: bool
    """False: there was no denial."""

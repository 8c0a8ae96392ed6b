"""What operators watch and no auditor asks for."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestServed(Event):
    """One per HTTP request. On the check's listener only for what failed: a decision is an event of its own."""

    name: ClassVar[str] = "request"
    audit: ClassVar[bool] = False
    listener: str
    method: str
    route: str
    """The route's name, never the path."""
    status: int
    seconds: float
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedError(Event):
    """A defect of ours: an exception that nothing below the edge knows."""

    name: ClassVar[str] = "unexpected_error"
    audit: ClassVar[bool] = False
    kind: str
    """The exception's class. Not its message: that may hold a value."""
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFault(Event):
    """The store has something that we cannot read, or fewer copies of a write than were asked for."""

    name: ClassVar[str] = "store_fault"
    audit: ClassVar[bool] = False
    reason: str
    """From the store adapter's fixed set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCalled(Event):
    name: ClassVar[str] = "upstream_called"
    audit: ClassVar[bool] = False
    provider: str
    operation: str
    """`discovery`, `jwks`, `exchange`, `refresh`, `revoke`, `userinfo` or `origin_metadata`; of our own registration
    `challenge`, `register`, `registration_read`, `registration_update` or `registration_delete`; of a client's
    document, where the provider is `client`, `client_document` or `client_keys`."""
    outcome: str
    """`ok`, `refused`, `misconfigured`, `unavailable`, `unknown` or `malformed`."""
    seconds: float
    detail: str = ""
    pool: str = ""
    """Empty for what is no pool's: the MCP server's metadata, a client's document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerCredentials(Event):
    """A call to an IdP was made with what the pool had before, or could not be made for lack of it."""

    name: ClassVar[str] = "former_credentials"
    audit: ClassVar[bool] = False
    pool: str
    upstream_client: str
    """The client id at the IdP."""
    operation: str
    """`exchange`, `refresh` or `revoke`."""
    what: str
    """`client`: as a former client, for what was signed in with it. `secret`: the IdP takes the former secret and not
    the new one. `gone`: signed in with a client that the pool does not have any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolNotServed(Event):
    """The store has a pool that must not be used, so that its servers are as without one."""

    name: ClassVar[str] = "pool_not_served"
    audit: ClassVar[bool] = False
    pool: str
    reason: str
    """`unreadable`: with these keys, or by this version. `needs_allow`: anybody could sign in at one of its servers.
    `id_in_configuration`: another pool has its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushChannel(Event):
    """News of ended grants from other replicas: heard, or not. Without it a revocation takes up to two seconds."""

    name: ClassVar[str] = "push_channel"
    audit: ClassVar[bool] = False
    up: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsCounted(Event):
    """What there is in the pools that are served, looked at now and then."""

    name: ClassVar[str] = "pools_counted"
    audit: ClassVar[bool] = False
    counts: tuple[tuple[str, int, int], ...]
    """Pool, its registered clients, its grants."""

"""What happened, once: a frozen record per thing. Sinks (`telemetry`) make an audit line and a metric of it.

Fields are ids and outcomes, never tokens, codes or secrets. `outcome` and `reason` come from fixed sets, so that they
may label a metric; free text is called `detail` and reaches the log only.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar, Literal

reference: ContextVar[str] = ContextVar("reference", default="")
"""The reference id of what is being done: the request's own, or the sign-in's once it is known. The sinks read it."""

sign_in: ContextVar[str] = ContextVar("sign_in", default="")
"""The reference of the sign-in behind the token that is being used, once it is known. The sinks read it too."""

EndReason = Literal[
    "revoked",
    "code_replayed",
    "code_burnt",
    "refresh_reused",
    "lost_write",
    "upstream_refused",
    "unknown_outcome",
    "origin_refused",
    "not_allowed",
    "other_user",
    "client_deleted",
]
"""Why a grant ended before its time. `not_allowed`: the server's rule does not name the user any more. `other_user`:
the IdP's answer to a refresh was about somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `audit` marks those that belong into the audit trail."""

    name: ClassVar[str] = "event"
    audit: ClassVar[bool] = True


Recorder = Callable[[Event], None]


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
class ClientRegistered(Event):
    name: ClassVar[str] = "client_registered"
    issuer: str
    pool: str
    client: str
    client_name: str
    redirect_hosts: tuple[str, ...]
    auth_method: str
    source: str = ""
    stored: bool = False
    """Whether the id is of the kind that only the store can open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUpdated(Event):
    name: ClassVar[str] = "client_updated"
    issuer: str
    client: str
    client_name: str
    redirect_hosts: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDeleted(Event):
    name: ClassVar[str] = "client_deleted"
    issuer: str
    client: str
    client_name: str
    grants: int
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRefused(Event):
    name: ClassVar[str] = "registration_refused"
    issuer: str
    error: str
    detail: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAsked(Event):
    name: ClassVar[str] = "consent_asked"
    audit: ClassVar[bool] = False
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRefused(Event):
    """A request to /authorize, an approval or a return from the IdP that did not go on."""

    name: ClassVar[str] = "authorization_refused"
    issuer: str
    step: str
    """`authorize`, `approve` or `callback`."""
    error: str
    detail: str
    client: str = ""
    server: str = ""
    user: str = ""
    """Empty until the IdP has said who it is."""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    name: ClassVar[str] = "consent_given"
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDenied(Event):
    name: ClassVar[str] = "consent_denied"
    issuer: str
    client: str
    client_name: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """The IdP said who it is, and a grant was made."""

    name: ClassVar[str] = "signed_in"
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str
    user: str
    email: str
    grant: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(Event):
    name: ClassVar[str] = "token_issued"
    issuer: str
    client: str
    client_name: str
    server: str
    user: str
    grant: str
    flow: str
    """`authorization_code`, `refresh_token` or `refresh_grace`."""
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """A request to /token that got an error."""

    name: ClassVar[str] = "token_refused"
    issuer: str
    flow: str
    error: str
    detail: str
    client: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantEnded(Event):
    name: ClassVar[str] = "grant_ended"
    grant: str
    reason: EndReason
    client: str = ""
    user: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRefused(Event):
    """The MCP server answered 401 to an upstream token."""

    name: ClassVar[str] = "origin_refused"
    grant: str
    client: str
    user: str
    server: str
    outcome: str
    """`marked`: the token is renewed before its next use. `ended`: the grant was ended. `stale`: known already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenRevoked(Event):
    name: ClassVar[str] = "access_token_revoked"
    grant: str
    client: str
    user: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationRefused(Event):
    """A request to /revoke that got an error. A token that is dead or another's gets none, and is no event."""

    name: ClassVar[str] = "revocation_refused"
    issuer: str
    error: str
    detail: str
    client: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecided(Event):
    """One ext_authz decision. The hot path's only event."""

    name: ClassVar[str] = "call_decided"
    audit: ClassVar[bool] = False
    server: str
    outcome: str
    """`allowed`, `preflight`, `relayed`, or a refusal: `no_token`, `invalid_token`, `insufficient_scope`, `bad_origin`,
    `not_found`, `no_pool`, `unavailable`."""
    seconds: float
    client: str = ""
    client_name: str = ""
    user: str = ""
    grant: str = ""
    method: str = ""
    """The MCP method header where the client sent one; never a label."""
    detail: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCalled(Event):
    name: ClassVar[str] = "upstream_called"
    audit: ClassVar[bool] = False
    provider: str
    operation: str
    """`discovery`, `jwks`, `exchange`, `refresh`, `revoke`, `userinfo` or `origin_metadata`."""
    outcome: str
    """`ok`, `refused`, `misconfigured`, `unavailable`, `unknown` or `malformed`."""
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushChannel(Event):
    """News of ended grants from other replicas: heard, or not. Without it a revocation takes up to two seconds."""

    name: ClassVar[str] = "push_channel"
    audit: ClassVar[bool] = False
    up: bool
    detail: str = ""

"""What is done with a grant: its tokens, its calls, its end."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from sidecar.events.base import Event

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
    "user_offboarded",
    "pool_deleted",
    "operator",
]
"""Why a grant ended before its time. `not_allowed`: the server's rule does not name the user any more. `other_user`:
the IdP's answer to a refresh was about somebody else."""


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
class CredentialPassed(Event):
    """A request went to the MCP server with that server's own credential. Whose it is, only that server knows."""

    name: ClassVar[str] = "credential_passed"
    server: str
    credential: str
    """The configured prefix or header that it was recognised by, never the value."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDecided(Event):
    """One ext_authz decision. The hot path's only event."""

    name: ClassVar[str] = "call_decided"
    audit: ClassVar[bool] = False
    server: str
    outcome: str
    """`allowed`, `passed`, `preflight`, `relayed`, or a refusal: `no_token`, `invalid_token`, `insufficient_scope`,
    `ambiguous`, `bad_origin`, `not_found`, `no_pool`, `unavailable`."""
    seconds: float
    client: str = ""
    client_name: str = ""
    user: str = ""
    grant: str = ""
    method: str = ""
    """The MCP method header where the client sent one; never a label."""
    detail: str = ""
    cached: bool = False

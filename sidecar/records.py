"""Our values: frozen records of what was configured, registered, approved and granted.

Owns no I/O and no encoding. Times are Unix seconds, lifetimes are seconds. Secrets are kept out of `repr`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

AuthMethod = Literal["none", "client_secret_post", "client_secret_basic"]
ApplicationType = Literal["", "native", "web"]


class ClientKind(StrEnum):
    DCR = "dcr"
    CIMD = "cimd"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Client:
    """An MCP client as policy needs it, whichever way it came to be (RFC 7591 2)."""

    id: str
    kind: ClientKind
    issuer: str
    pool_id: str
    redirect_uris: tuple[str, ...]
    auth_method: AuthMethod
    application_type: ApplicationType
    refresh: bool
    """Whether it registered the `refresh_token` grant type."""
    issued_at: int
    name: str = ""
    """Self-declared, unverified, may be empty."""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """One upstream OAuth client, as configured. Which quirks its provider has is `upstream.quirks`' business."""

    name: str
    id: str
    """Part of every client id; a new id ends all clients of the old one."""
    provider: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    issuer: str = ""
    """The IdP's issuer, byte for byte; empty when the preset has none (plain OAuth 2)."""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    revocation_endpoint: str = ""
    userinfo_endpoint: str = ""
    jwks_uri: str = ""
    authorize_params: tuple[tuple[str, str], ...] = ()
    token_auth: str = ""
    """Overrides the preset's client authentication: `basic`, `basic_raw`, `post` or `none`."""
    ca_file: str = ""
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in, as the IdP said it."""

    subject: str
    """Stable and unique within the pool's provider."""
    name: str = ""
    email: str = ""
    email_verified: bool = False
    groups: tuple[str, ...] = ()
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamTokens:
    """What the IdP gave us. Never leaves the process except sealed, or as the credential of a forwarded request."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False, default="")
    expires_at: int = 0
    """0: the IdP states no end."""
    scopes: tuple[str, ...] = ()
    """What the IdP says it granted; what we asked for when it says nothing."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked authorization request: the client is known and the redirect URI is its own (RFC 6749 4.1.1)."""

    issuer: str
    client_id: str
    client_name: str
    redirect_uri: str
    redirect_uri_sent: bool
    server: str
    resource: str
    scopes: tuple[str, ...]
    state: str | None
    code_challenge: str
    reference: str
    """Names this sign-in on pages, in the audit trail and in the grant."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One authorization in flight, from approval to the code."""

    request: AuthorizationRequest
    pool_id: str
    upstream_verifier: str = field(repr=False)
    nonce: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user approved for one client at one server, once. Immutable; what changes is the store's grant state."""

    id: str
    """32 hexadecimal characters."""
    issuer: str
    pool_id: str
    client_id: str
    client_name: str
    server: str
    resource: str
    scopes: tuple[str, ...]
    identity: Identity
    redirect_uri: str
    code_challenge: str
    refreshable: bool
    """Whether the client may use refresh tokens."""
    created_at: int
    expires_at: int
    """Absolute end; never later than that of an upstream token that cannot be refreshed."""
    reference: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds."""

    access: int = 3600
    """What clients are told as `expires_in`."""
    leeway: int = 30
    """How much longer an access token is accepted: for answers on their way and replicas whose clocks differ. A client
    that gets a 401 before the promised time takes it for a revocation and signs its user in all over."""
    code: int = 60
    refresh_idle: int = 30 * 86400
    grant: int = 90 * 86400
    grace: int = 60
    double_submit: int = 1
    transaction: int = 600

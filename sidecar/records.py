"""Our values: frozen records of what was configured, registered, approved and granted.

Owns no I/O and no encoding. Times are Unix seconds, lifetimes are seconds. Secrets are kept out of `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

AuthMethod = Literal["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]
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
    auth_methods: tuple[AuthMethod, ...]
    """How it may authenticate: one way that it registered, or any that its document or the operator lists."""
    application_type: ApplicationType
    refresh: bool
    """Whether it registered the `refresh_token` grant type."""
    issued_at: int
    name: str = ""
    """Self-declared, unverified, may be empty."""
    uri: str = ""
    jwks_uri: str = ""
    jwks: Mapping[str, object] | None = None
    """Its public keys, here or at `jwks_uri` (RFC 7517), for `private_key_jwt`."""
    scopes: tuple[str, ...] | None = None
    """What it may ask for at most. None: whatever the server has."""


@dataclass(frozen=True, slots=True)
class StaticClient:
    """A client as the operator configured it."""

    id: str
    pool: str
    """A pool's name."""
    title: str
    """What people read on the consent page."""
    redirect_uris: tuple[str, ...]
    secret: str = field(repr=False, default="")
    """Empty: a public client."""
    uri: str = ""
    scopes: tuple[str, ...] = ()
    """Empty: whatever the server has."""


@dataclass(frozen=True, slots=True)
class UpstreamCredentials:
    """What a pool had at its IdP before.

    For grants that were made with that client, and for the while in which the IdP does not take the new secret yet.
    """

    client_id: str
    client_secret: str = field(repr=False)
    until: int = 0
    """Unix seconds from which on it is not used any more; 0: no end."""


@dataclass(frozen=True, slots=True)
class SelfRegistration:
    """How a pool without a client id gets one by itself (RFC 7591)."""

    allowed_issuers: tuple[str, ...] = ()
    """The authorization servers that it may register with; empty: the pool's own issuer only."""
    initial_access_token: str = field(repr=False, default="")


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
    ca: str = field(repr=False, default="")
    """PEM: the authorities that are trusted at its provider; empty: the public ones."""
    proxy: str = field(repr=False, default="")
    """May hold the proxy's own password."""
    clients_not_before: int = 0
    """Clients that registered themselves earlier (Unix seconds) are unknown."""
    former: tuple[UpstreamCredentials, ...] = ()
    """What it had before `client_id` and `client_secret`, the latest first."""
    registration: SelfRegistration | None = None
    """None: nothing beyond the default, which is to register at its own issuer when it has no `client_id`."""


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
    upstream_client: str = ""
    """The client at the IdP that the browser was sent there with; empty: the pool's present one."""


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
    upstream_client: str = ""
    """The client at the IdP that its upstream tokens belong to; empty: the pool's present one."""


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

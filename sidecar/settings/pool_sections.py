"""The shape of a pool in the configuration file. What needs more than one key to judge is `pools`'."""

from typing import Annotated

from pydantic import Field, SecretStr

from sidecar.pools.fields import Scopes, TokenAuth, UpstreamUrl
from sidecar.settings.fields import Moment, Name, Section


class EndpointsSection(Section):
    authorize: UpstreamUrl | None = None
    token: UpstreamUrl | None = None
    revoke: UpstreamUrl | None = None
    userinfo: UpstreamUrl | None = None
    jwks: UpstreamUrl | None = None


class UpstreamTlsSection(Section):
    ca_file: str = ""
    """PEM: the authorities that are trusted at the IdP, instead of the public ones."""


class FormerSection(Section):
    """A client id or secret that the pool had before."""

    client_id: str = ""
    """By default the present one: then only the secret was changed."""
    client_secret: SecretStr | None = None
    client_secret_file: str = ""
    until: Moment = 0
    """When it ends to be used: a time with its zone, or Unix seconds. By default never."""


class SelfRegistrationSection(Section):
    """How a pool without a client id gets one (RFC 7591)."""

    allowed_issuers: tuple[UpstreamUrl, ...] = ()
    """The authorization servers that it may register with; by default the pool's own issuer only."""
    initial_access_token: SecretStr | None = None
    """What the IdP wants to see for it, where it does."""
    initial_access_token_file: str = ""


class PoolSection(Section):
    name: Name
    id: Name
    """Part of every client id: a new id ends all clients of the old one."""
    provider: str
    """A preset, or `oidc` or `oauth2` with what they need."""
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """Without one the sidecar registers itself at the IdP, where that takes registrations."""
    client_secret: SecretStr | None = None
    client_secret_file: str = ""
    registration: SelfRegistrationSection = SelfRegistrationSection()
    scopes: Scopes = ()
    issuer: UpstreamUrl | None = None
    """The IdP's issuer, byte for byte as its discovery document says it."""
    endpoints: EndpointsSection = EndpointsSection()
    authorize_params: dict[str, str] = Field(default={})
    token_auth: TokenAuth = ""
    tls: UpstreamTlsSection = UpstreamTlsSection()
    proxy: SecretStr | None = None
    """An egress proxy: http://host:port, with its user and password if it wants them."""
    proxy_file: str = ""
    clients_not_before: Moment = 0
    """Clients that registered themselves earlier are unknown: a time with its zone, or Unix seconds."""
    former: tuple[FormerSection, ...] = ()
    """What the pool had before, the latest first: it goes on for the grants that were made with it."""

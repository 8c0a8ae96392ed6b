"""The shape of the configuration file: one pydantic model a section. Kinds of values are `fields`'.

Unknown keys are refused. What needs more than one key to judge is `resolve`'s, how it is said is `messages`'.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from sidecar.pools.fields import Scopes
from sidecar.records import Lifetimes
from sidecar.settings import header_credentials, urls
from sidecar.settings.binds import DEFAULTS
from sidecar.settings.fields import (
    Address,
    Name,
    PublicUrl,
    Seconds,
    Section,
    Switch,
    host_name,
    host_pattern,
    network,
    redirect_hosts,
    some,
    static_client_id,
)
from sidecar.settings.pool_sections import PoolSection


class KeysSection(Section):
    file: str = "keys.json"
    """Made by `dcr-sidecar keys generate`."""


class StoreSection(Section):
    url: SecretStr | None = None
    """redis://, rediss://, redis+sentinel://, redis+cluster:// or embedded:./data"""
    url_file: str = ""
    """A file that holds the URL, when there is a password in it."""
    prefix: Name = "dcr"
    wait_replicas: int = Field(default=0, ge=0, le=5)
    """How many Redis replicas must have a write that consumes, rotates or revokes before it is answered."""
    timeout_ms: int | None = Field(default=None, ge=10, le=3000)
    """How long to wait: 250, or 1000 for `embedded:`."""


class ScopesSection(Section):
    base: Scopes = ()
    """What a token must carry; published in the metadata and challenged when missing."""
    optional: Scopes = ()
    """What a client may ask for on top."""
    implies: dict[str, Scopes] = Field(default={})
    """Which narrower scopes a broad one stands for."""


class AllowSection(Section):
    """Who may sign in: a user that any one of these names."""

    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: dict[str, str] = Field(default={})


class InjectSection(Section):
    mode: Literal["upstream", "identity"] = "upstream"
    """What the MCP server gets: the user's upstream access token, or our signed assertion and identity headers."""
    header: Annotated[str, AfterValidator(urls.header_name)] | None = None
    """By default `authorization` for the upstream token, `x-dcr-assertion` for the assertion."""
    prefix: Annotated[str, AfterValidator(urls.header_text)] | None = None
    """By default `Bearer `, or nothing in `x-dcr-assertion`."""


class HeaderCredentialsSection(Section):
    """Credentials of the MCP server's own that pass to it as they are."""

    prefixes: tuple[Annotated[str, AfterValidator(header_credentials.prefix)], ...] = ()
    """How bearer tokens begin that pass: `ghp_`."""
    headers: tuple[Annotated[str, AfterValidator(header_credentials.header)], ...] = ()
    """Headers that pass: `x-api-key`."""


class ServerSection(Section):
    name: Name
    resource: PublicUrl
    """The URL that users give to their MCP client."""
    origin: Annotated[str, AfterValidator(urls.server_origin)]
    """Where the MCP server listens, behind Envoy."""
    pool: str = ""
    issuer: PublicUrl | None = None
    """Our authorization-server identity; by default the origin of the resource."""
    scopes: ScopesSection = ScopesSection()
    allow: AllowSection = AllowSection()
    allowed_origins: tuple[Annotated[str, AfterValidator(urls.browser_origin)], ...] = ()
    inject: InjectSection = InjectSection()
    header_credentials: HeaderCredentialsSection = HeaderCredentialsSection()
    without_pool: Literal["deny", "relay"] = "deny"


class RedirectsSection(Section):
    hosts: Annotated[tuple[str, ...], BeforeValidator(redirect_hosts)] = ()
    """https redirects: `host`, `*.domain`, a URL, a URL that ends in `/*`; `known` for those of hosted clients; empty
    for any."""
    schemes: tuple[str, ...] | None = None
    """Private-use URIs by their beginning, such as `cursor://`; absent for those of known editors."""


class DocumentsSection(Section):
    """Clients whose id is the URL of a document (client id metadata documents)."""

    hosts: tuple[Annotated[str, AfterValidator(host_pattern)], ...] = ()
    """Whose documents are taken: `host` or `*.domain`; empty for any."""
    denied_hosts: tuple[Annotated[str, AfterValidator(host_pattern)], ...] = ()
    """Never these, whatever `hosts` says."""
    internal_hosts: tuple[Annotated[str, AfterValidator(host_name)], ...] = ()
    """Names that may resolve to private addresses: the organisation's own clients."""
    ca_file: str = ""
    """For `internal_hosts`: a private CA."""


class ClientScopesSection(Section):
    """What a client of each kind may ask for at most; empty for all that a server has."""

    dcr: Scopes = ()
    cimd: Scopes = ()


class RegistrationSection(Section):
    dcr: Annotated[Literal["open", "token", "off"], Switch] = "open"
    """`token`: who registers needs an initial access token."""
    cimd: Annotated[Literal["on", "off"], Switch] = "on"
    documents: DocumentsSection = DocumentsSection()
    redirects: RedirectsSection = RedirectsSection()
    scopes: ClientScopesSection = ClientScopesSection()


_LIFETIMES = Lifetimes()


class LifetimesSection(Section):
    access: Seconds = Field(default=_LIFETIMES.access, gt=600, le=3600)
    """Some clients refresh 5 minutes ahead, so shorter ones would loop."""
    code: Seconds = Field(default=_LIFETIMES.code, ge=10, le=600)
    refresh_idle: Seconds = Field(default=_LIFETIMES.refresh_idle, ge=3600, le=366 * 86400)
    grant: Seconds = Field(default=_LIFETIMES.grant, ge=3600, le=3660 * 86400)
    grace: Seconds = Field(default=_LIFETIMES.grace, ge=0, le=300)
    transaction: Seconds = Field(default=_LIFETIMES.transaction, ge=60, le=600)


class BudgetSection(Section):
    """What is left out keeps its default."""

    per_hour: int | None = Field(default=None, ge=0, le=1_000_000)
    """0: no limit."""
    burst: int | None = Field(default=None, ge=1, le=100_000)
    """How many at once."""


class RangeSection(Section):
    """Addresses that many people come from, which share a budget: a hosted client's, an office's."""

    name: Name
    cidrs: Annotated[tuple[Annotated[str, AfterValidator(network)], ...], AfterValidator(some)]
    registrations: BudgetSection = BudgetSection()
    """For each pool, instead of what holds for single addresses and for the pool."""
    sign_ins: BudgetSection = BudgetSection()


class LimitsSection(Section):
    registrations: BudgetSection = BudgetSection()
    """From one address (IPv6: one /64)."""
    pool_registrations: BudgetSection = BudgetSection()
    """For one pool, from all addresses outside the ranges."""
    sign_ins: BudgetSection = BudgetSection()
    """Answers to the consent page from one address."""
    failed_authentications: BudgetSection = BudgetSection()
    """Of one client from one address."""
    documents: BudgetSection = BudgetSection()
    """Fetches of client documents on the account of one address."""
    ranges: tuple[RangeSection, ...] = ()


class ListenersSection(Section):
    oauth: Address = DEFAULTS["listeners.oauth"]
    check: Address = DEFAULTS["listeners.check"]
    admin: Address = DEFAULTS["listeners.admin"]
    ops: Address = DEFAULTS["listeners.ops"]
    check_secret: SecretStr | None = None
    """What Envoy sends with every check; needed when the check listener leaves this machine."""
    check_secret_file: str = ""


class AdminSection(Section):
    token: SecretStr | None = None
    token_file: str = ""


class LogSection(Section):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class EnvoyTlsSection(Section):
    cert_file: str = ""
    key_file: str = ""


class EnvoySection(Section):
    listen: Address = DEFAULTS["envoy.listen"]
    admin: Address = DEFAULTS["envoy.admin"]
    trusted_hops: int = Field(default=0, ge=0, le=10)
    """Proxies in front of Envoy whose word on the client's address is taken."""
    tls: EnvoyTlsSection = EnvoyTlsSection()
    stream_seconds: Seconds | None = Field(default=None, ge=60)
    """When Envoy cuts a stream; by default the life of an access token."""


class ClientSection(Section):
    """A client that does not register itself."""

    name: Name
    pool: str
    client_id: Annotated[str, AfterValidator(static_client_id)] = ""
    """By default the name."""
    title: str = Field(default="", max_length=128)
    """What people read when they are asked; by default the name."""
    uri: PublicUrl | None = None
    redirect_uris: Annotated[tuple[str, ...], AfterValidator(some)]
    client_secret: SecretStr | None = None
    client_secret_file: str = ""
    """Without a secret it is a public client."""
    scopes: Scopes = ()
    """What it may ask for at most; empty for all that a server has."""


class Configuration(Section):
    servers: tuple[ServerSection, ...]
    pools: tuple[PoolSection, ...] = ()
    clients: tuple[ClientSection, ...] = ()
    keys: KeysSection = KeysSection()
    store: StoreSection = StoreSection()
    registration: RegistrationSection = RegistrationSection()
    lifetimes: LifetimesSection = LifetimesSection()
    limits: LimitsSection = LimitsSection()
    listeners: ListenersSection = ListenersSection()
    admin: AdminSection = AdminSection()
    log: LogSection = LogSection()
    envoy: EnvoySection = EnvoySection()
    replicas: int = Field(default=1, ge=1)
    """How many sidecars run with this configuration."""


def json_schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Configuration.model_json_schema()}

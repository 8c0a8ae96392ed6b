"""`Settings`: what a configuration means. Frozen plain values; whoever needs one of them gets it as an argument."""

from dataclasses import dataclass, field
from typing import Literal

from sidecar.budgets import Budgets
from sidecar.directory import Directory
from sidecar.oauth.policy import DocumentPolicy, RegistrationPolicy
from sidecar.pools.registered import AGAIN_SECONDS
from sidecar.records import Lifetimes
from sidecar.sealing import Keyring
from sidecar.settings.binds import Bind


@dataclass(frozen=True, slots=True)
class Listeners:
    oauth: Bind
    check: Bind
    admin: Bind
    ops: Bind
    check_secret: str = field(repr=False, default="")
    """What Envoy must send with every check; empty when only this machine reaches the check listener."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    url: str = field(repr=False)
    """May hold a password. `embedded:` paths are absolute here."""
    prefix: str = "dcr"
    wait_replicas: int = 0
    timeout_ms: int = 250


@dataclass(frozen=True, slots=True)
class LogSettings:
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class EnvoySettings:
    """What `envoy-config` needs and nothing else knows."""

    listen: Bind
    admin: Bind
    trusted_hops: int = 0
    """Proxies in front of Envoy whose word on the client's address is taken."""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    stream_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Outline:
    """The part that is no secret and reads none. A secret that is configured is a placeholder here."""

    directory: Directory
    listeners: Listeners
    envoy: EnvoySettings


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """How client id metadata documents are fetched, and whose are taken."""

    policy: DocumentPolicy = field(default_factory=DocumentPolicy)
    scopes: tuple[str, ...] = ()
    """What their clients may ask for at most; empty for all that a server has."""
    internal_hosts: frozenset[str] = frozenset()
    ca: str = field(repr=False, default="")
    """PEM: the authorities that are trusted there; empty: the public ones."""


@dataclass(frozen=True, slots=True)
class Settings:
    listeners: Listeners
    keyring: Keyring = field(repr=False)
    directory: Directory
    store: StoreSettings
    registration: RegistrationPolicy
    dcr: Literal["open", "token", "off"]
    lifetimes: Lifetimes
    log: LogSettings
    envoy: EnvoySettings
    documents: DocumentSettings = field(default_factory=DocumentSettings)
    limits: Budgets = field(default_factory=Budgets)
    admin_token: str = field(repr=False, default="")
    """Empty: the admin API is off."""
    keys_file: str = ""
    """Where the keyring was read from: for messages and for `doctor`."""
    warnings: tuple[str, ...] = ()
    """What is allowed but probably not meant."""
    registration_pause: int = AGAIN_SECONDS
    """Seconds between registering a pool at its IdP and doing so again. No key sets it."""

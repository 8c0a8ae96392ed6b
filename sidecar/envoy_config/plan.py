"""What Envoy needs to know, checked once. Owns no Envoy vocabulary."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from sidecar.directory import Directory, Server

CHECK_SECRET_ENV = "DCR_SIDECAR_CHECK_SECRET"  # noqa: S105 - a variable's name
_UNSPECIFIED: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - turned into an address to call


class Bindable(Protocol):
    """Where a listener waits, as the settings say it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def unix(self) -> str: ...


class EnvoyValues(Protocol):
    """The `envoy` section of the settings."""

    @property
    def listen(self) -> Bindable: ...
    @property
    def admin(self) -> Bindable: ...
    @property
    def trusted_hops(self) -> int: ...
    @property
    def tls_cert_file(self) -> str: ...
    @property
    def tls_key_file(self) -> str: ...
    @property
    def stream_seconds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP host and port, or a Unix socket's path."""

    host: str = ""
    port: int = 0
    unix: str = ""

    @property
    def private(self) -> bool:
        """Whether only this machine reaches it."""
        return bool(self.unix) or self.host == "localhost" or (is_ip(self.host) and _is_loopback(self.host))

    def reachable(self) -> "Address":
        """Where to call a listener that binds here: one that binds every address is called on loopback."""
        return Address(_UNSPECIFIED.get(self.host, self.host), self.port, self.unix)


@dataclass(frozen=True, slots=True)
class EnvoyPlan:
    """Everything the configuration depends on. Holds paths and names of secrets, never a secret."""

    directory: Directory
    oauth: Address = Address("127.0.0.1", 9400)
    check: Address = Address("127.0.0.1", 9401)
    listen: Address = Address("127.0.0.1", 8080)
    admin: Address | None = None
    trusted_hops: int = 0
    """How many proxies in front append to X-Forwarded-For and can be believed."""
    tls_cert: str = ""
    tls_key: str = ""
    stream_seconds: int = 3600
    """The longest MCP stream. The access token's lifetime, so a stream does not outlive its token by more than that."""
    check_secret: bool = False
    """Whether Envoy proves itself to the check with the secret that `check_secret_env` holds in Envoy's environment."""
    check_secret_env: str = CHECK_SECRET_ENV
    origin_ca_file: str = "/etc/ssl/certs/ca-certificates.crt"
    """Roots that https origins are verified against, on the machine that runs Envoy."""
    max_connections: int = 20_000

    def __post_init__(self) -> None:
        if self.admin is not None and not self.admin.private:
            raise ValueError("envoy.admin: bind it to loopback or a unix socket; it can stop Envoy and dump its memory")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("envoy.tls: give both a certificate file and a key file, or neither")
        if self.trusted_hops < 0 or self.stream_seconds < 1:
            raise ValueError("envoy: trusted_hops must be >= 0 and stream_seconds >= 1")
        if not (self.check.private or self.check_secret):
            raise ValueError("listeners.check: its answers hold upstream tokens; off this machine it needs a secret")
        for server in self.directory.servers:
            _refuse_odd_origin(server)

    @property
    def inject_headers(self) -> tuple[str, ...]:
        """Headers that carry credentials to MCP servers, lower case, in configured order, each once."""
        return tuple(dict.fromkeys(server.inject.header.lower() for server in self.directory.servers))

    @property
    def credential_headers(self) -> tuple[str, ...]:
        """Headers that carry MCP servers' own credentials: the check must see them to know what passes."""
        found = (server.header_credentials for server in self.directory.servers)
        return tuple(dict.fromkeys(name for own in found if own is not None for name in own.headers))


def plan_from(
    directory: Directory, *, oauth: Bindable, check: Bindable, envoy: EnvoyValues, check_secret: bool
) -> EnvoyPlan:
    """The plan for resolved settings. Of the check's secret it needs to know only whether there is one."""
    return EnvoyPlan(
        directory,
        oauth=_address(oauth),
        check=_address(check),
        listen=_address(envoy.listen),
        admin=_address(envoy.admin),
        trusted_hops=envoy.trusted_hops,
        tls_cert=envoy.tls_cert_file,
        tls_key=envoy.tls_key_file,
        stream_seconds=envoy.stream_seconds,
        check_secret=check_secret,
    )


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_relayed(server: Server) -> bool:
    """Whether this server's traffic and documents pass unchecked. A pool that is named but gone means deny."""
    return not server.pool and server.without_pool == "relay"


def _address(bind: Bindable) -> Address:
    return Address(bind.host, bind.port, bind.unix)


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _refuse_odd_origin(server: Server) -> None:
    parts = urlsplit(server.origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"servers.{server.name}.origin: {server.origin!r} is not an http or https URL")
    if parts.path.rstrip("/") or parts.query or parts.username is not None:
        # Envoy forwards the request's own path: a path here would have to be rewritten behind the check's back.
        raise ValueError(f"servers.{server.name}.origin: only scheme, host and port; the resource's path is forwarded")

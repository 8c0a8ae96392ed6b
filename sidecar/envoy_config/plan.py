"""What Envoy needs to know, checked once. Owns no Envoy vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.directory import Directory, Server

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_UNSPECIFIED: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - turned into an address to call


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP host and port, or a Unix socket's path."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_loopback(self) -> bool:
        return bool(self.path) or self.host in _LOOPBACK

    def reachable(self) -> "Address":
        """Where to call a listener that binds here: one that binds every address is called on loopback."""
        return Address(_UNSPECIFIED.get(self.host, self.host), self.port, self.path)


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
    check_secret_header: str = ""
    check_secret_env: str = "DCR_SIDECAR_CHECK_SECRET"  # noqa: S105 - a variable's name
    """Envoy reads the check's secret from its own environment when a header name is given."""
    origin_ca_file: str = "/etc/ssl/certs/ca-certificates.crt"
    """Roots that https origins are verified against, on the machine that runs Envoy."""
    max_connections: int = 20_000

    def __post_init__(self) -> None:
        if self.admin is not None and not self.admin.is_loopback:
            raise ValueError("envoy.admin: bind it to loopback or a unix socket; it can stop Envoy and dump its memory")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("envoy.tls: give both a certificate file and a key file, or neither")
        if self.trusted_hops < 0 or self.stream_seconds < 1:
            raise ValueError("envoy: trusted_hops must be >= 0 and stream_seconds >= 1")
        for server in self.directory.servers:
            _refuse_odd_origin(server)

    @property
    def inject_headers(self) -> tuple[str, ...]:
        """Headers that carry credentials to MCP servers, lower case, in configured order, each once."""
        return tuple(dict.fromkeys(server.inject.header.lower() for server in self.directory.servers))


def is_relayed(server: Server) -> bool:
    """Whether this server's traffic and documents pass unchecked. A pool that is named but gone means deny."""
    return not server.pool and server.without_pool == "relay"


def _refuse_odd_origin(server: Server) -> None:
    parts = urlsplit(server.origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"servers.{server.name}.origin: {server.origin!r} is not an http or https URL")
    if parts.path.rstrip("/") or parts.query or parts.username is not None:
        # Envoy forwards the request's own path: a path here would have to be rewritten behind the check's back.
        raise ValueError(f"servers.{server.name}.origin: only scheme, host and port; the resource's path is forwarded")

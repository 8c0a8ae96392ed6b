"""How our metric families are named and labelled. Owns no metric.

Labels come from fixed sets or from the configuration, never from a request: a value that is not in its set counts as
`other`, so that no caller can make series. Empty means that what the label names was not known yet. Series that alerts
ask for begin at 0 with the process: `increase` does not see a first 1 that nothing stood before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sidecar.directory import Directory
from sidecar.events import Event

PREFIX = "dcr_sidecar_"
OTHER = "other"
Counts = Mapping[type[Event], Callable[[Any], None]]
"""What each kind of event changes."""

_ERRORS = frozenset(
    {
        "access_denied",
        "insufficient_scope",
        "invalid_client",
        "invalid_client_metadata",
        "invalid_grant",
        "invalid_origin",
        "invalid_redirect_uri",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "invalid_token",
        "not_found",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)


@dataclass(frozen=True, slots=True)
class Families:
    """Makes families on one registry."""

    registry: CollectorRegistry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, text, labels, registry=self.registry, buckets=buckets)


class Names:
    """What the configuration calls things, and the pool behind each."""

    def __init__(self, served: Directory) -> None:
        self._issuers = {issuer.url: issuer.pool for issuer in served.issuers}
        self.servers = {server.name: server.pool for server in served.servers}
        """Those that are configured, and their pools."""
        self.providers = {pool.name: pool.provider for pool in served.pools.values()}
        """Those of the configured pools."""

    def of_issuer(self, url: str) -> str:
        """The pool."""
        return self._issuers.get(url, OTHER)

    def of_server(self, name: str) -> str:
        """The pool."""
        return self.servers.get(name, OTHER) if name else ""

    def server(self, name: str) -> str:
        return name if not name or name in self.servers else OTHER


def among(value: str, allowed: frozenset[str]) -> str:
    return value if value in allowed else OTHER


def error(code: str) -> str:
    return among(code, _ERRORS)

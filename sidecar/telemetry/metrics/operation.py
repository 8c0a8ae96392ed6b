"""The sidecar itself: its requests, its operators, its defects, what it holds, and which build with which keys runs."""

from prometheus_client import ProcessCollector

from sidecar import __version__, events
from sidecar.sealing import Keyring
from sidecar.telemetry.metrics.families import Counts, Families, among, error

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class Operation:
    def __init__(self, families: Families) -> None:
        counter = families.counter
        self._families = families
        self.requests = counter("requests", "HTTP requests answered.", "listener", "route", "method", "status")
        self.errors = counter("request_errors", "OAuth errors answered.", "listener", "route", "error")
        self.seconds = families.histogram("request_seconds", "Time to answer.", _SECONDS, "listener", "route")
        self.operators = counter("operator_changes", "What operators did, and who was taken for none.", "what")
        self.operators.labels("refused")
        self.defects = counter("unexpected_errors", "Exceptions that nothing handled.")
        self.not_served = counter("pools_not_served", "Stored pools found unfit for use.", "pool", "reason")
        self.clients = families.gauge("clients", "Registered clients that the store knows of.", "pool")
        self.grants = families.gauge("grants", "Grants that are listed and not over.", "pool")
        families.gauge("build_info", "The running version.", "version").labels(__version__).set(1)

    def describe(self, keyring: Keyring) -> None:
        """What does not change while the process runs, and the process."""
        keys = self._families.gauge(
            "key_created_timestamp_seconds", "When each key of the key file was made.", "key", "state"
        )
        for key in keyring.keys:
            keys.labels(str(key.id), key.state).set(key.created_at)
        ProcessCollector(registry=self._families.registry)

    def counting(self) -> Counts:
        def did(what: str) -> None:
            self.operators.labels(what).inc()

        return {
            events.RequestServed: self._request,
            events.UnexpectedError: lambda _: self.defects.inc(),
            events.InitialAccessTokenCreated: lambda _: did("token_created"),
            events.InitialAccessTokenRevoked: lambda _: did("token_revoked"),
            events.OperatorRefused: lambda _: did("refused"),
            events.UserOffboarded: lambda _: did("user_offboarded"),
            events.UserReadmitted: lambda _: did("user_readmitted"),
            events.ClientReadmitted: lambda _: did("client_readmitted"),
            events.PoolCreated: lambda _: did("pool_created"),
            events.PoolUpdated: lambda _: did("pool_updated"),
            events.PoolDeleted: lambda _: did("pool_deleted"),
            events.PoolNotServed: lambda e: self.not_served.labels(e.pool, e.reason).inc(),
            events.PoolsCounted: self._counted,
        }

    def _request(self, event: events.RequestServed) -> None:
        method = among(event.method, _METHODS)
        self.requests.labels(event.listener, event.route, method, str(event.status)).inc()
        self.seconds.labels(event.listener, event.route).observe(event.seconds)
        if event.error:
            self.errors.labels(event.listener, event.route, error(event.error)).inc()

    def _counted(self, event: events.PoolsCounted) -> None:
        """A pool that is gone leaves no number behind."""
        self.clients.clear()
        self.grants.clear()
        for pool, clients, grants in event.counts:
            self.clients.labels(pool).set(clients)
            self.grants.labels(pool).set(grants)

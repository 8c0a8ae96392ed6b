"""What we depend on: identity providers, the store, and the channel by which replicas hear of each other's ends."""

from itertools import product

from prometheus_client import Counter, Histogram

from sidecar import events
from sidecar.telemetry.metrics.families import Counts, Families, Names

_OPERATIONS = ("discovery", "jwks", "exchange", "refresh", "revoke", "userinfo")
_OUTCOMES = ("ok", "refused", "misconfigured", "unavailable", "unknown", "malformed")
_UPSTREAM_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5)
_STORE_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
"""Up to the two seconds after which nothing is remembered anyway."""
_Pair = tuple[Counter, Histogram]


class FarEnds:
    def __init__(self, families: Families, names: Names) -> None:
        self.upstream = families.counter(
            "upstream_calls", "Calls to identity providers.", "pool", "provider", "operation", "outcome"
        )
        self.upstream_seconds = families.histogram(
            "upstream_call_seconds", "Time they took.", _UPSTREAM_SECONDS, "provider", "operation"
        )
        self.former = families.counter(
            "former_credentials", "Calls that needed what a pool had before.", "pool", "what"
        )
        self.store = families.counter("store_calls", "Calls to the store.", "operation", "outcome")
        self.store_seconds = families.histogram("store_call_seconds", "Time they took.", _STORE_SECONDS, "kind")
        self.store_faults = families.counter("store_faults", "Unreadable records and missing copies.", "reason")
        self.channel = families.gauge("push_channel_up", "1 while ends of grants on other replicas are heard at once.")
        self.lag = families.histogram(
            "push_lag_seconds", "From saying something through the store to hearing it.", _LAG_SECONDS
        )
        self.registrations = families.counter(
            "upstream_registrations", "What came of registering at identity providers ourselves.", "pool", "outcome"
        )
        self._begin(names)
        self._store_children: dict[tuple[str, str, str], _Pair] = {}

    def _begin(self, names: Names) -> None:
        for pool, provider in names.providers.items():
            for operation, outcome in product(_OPERATIONS, _OUTCOMES):
                self.upstream.labels(pool, provider, operation, outcome)
                self.upstream_seconds.labels(provider, operation)
            for what in ("client", "secret", "gone"):
                self.former.labels(pool, what)

    def counting(self) -> Counts:
        return {
            events.UpstreamCalled: self._upstream,
            events.FormerCredentials: lambda e: self.former.labels(e.pool, e.what).inc(),
            events.UpstreamRegistered: self._registration,
            events.UpstreamRegistrationFailed: self._registration,
            events.UpstreamRegistrationLost: self._registration,
            events.UpstreamRegistrationDeleted: lambda e: self.registrations.labels(e.pool, "deleted").inc(),
            events.StoreFault: lambda e: self.store_faults.labels(e.reason).inc(),
            events.ClientUnreadable: lambda _: self.store_faults.labels("client_changed").inc(),
            events.PushChannel: lambda e: self.channel.set(e.up),
        }

    def _registration(
        self, event: events.UpstreamRegistered | events.UpstreamRegistrationFailed | events.UpstreamRegistrationLost
    ) -> None:
        self.registrations.labels(event.pool, event.outcome).inc()

    def store_called(self, kind: str, operation: str, outcome: str, seconds: float) -> None:
        """For the store itself: an event per call would cost every request more than it tells."""
        key = kind, operation, outcome
        found = self._store_children.get(key)
        if found is None:
            found = self._store_children[key] = self.store.labels(operation, outcome), self.store_seconds.labels(kind)
        calls, times = found
        calls.inc()
        times.observe(seconds)

    def heard_ourselves(self, seconds: float) -> None:
        self.lag.observe(seconds)

    def _upstream(self, event: events.UpstreamCalled) -> None:
        self.upstream.labels(event.pool, event.provider, event.operation, event.outcome).inc()
        self.upstream_seconds.labels(event.provider, event.operation).observe(event.seconds)

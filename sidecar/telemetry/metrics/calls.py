"""MCP requests: what was decided, how fast, and what the MCP server made of the credential that it got."""

from prometheus_client import Counter, Histogram

from sidecar import events
from sidecar.telemetry.metrics.families import Counts, Families, Names

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
"""A remembered answer, the store's 250 ms, an upstream refresh, and Envoy's 5 s are all told apart."""
_Pair = tuple[Counter, Histogram]


class Calls:
    def __init__(self, families: Families, names: Names) -> None:
        self._names = names
        self.calls = families.counter("calls", "Decisions about MCP requests.", "pool", "server", "outcome", "cached")
        self.seconds = families.histogram("call_seconds", "Time to decide about an MCP request.", _SECONDS, "outcome")
        self.passed = families.counter(
            "credentials_passed", "Calls with an MCP server's own credential.", "server", "credential"
        )
        self.origin_refusals = families.counter(
            "origin_refusals", "Upstream tokens that an MCP server refused.", "pool", "server", "outcome"
        )
        # The hot path: finding a labelled child costs more than counting.
        self._children: dict[tuple[str, str, bool], _Pair] = {}

    def counting(self) -> Counts:
        return {
            events.CallDecided: self._decided,
            events.CredentialPassed: lambda e: self.passed.labels(e.server, e.credential).inc(),
            events.OriginRefused: lambda e: self.origin_refusals.labels(
                self._names.of_server(e.server), self._names.server(e.server), e.outcome
            ).inc(),
        }

    def _decided(self, event: events.CallDecided) -> None:
        key = self._names.server(event.server), event.outcome, event.cached
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = self._child(*key)
        calls, seconds = found
        calls.inc()
        seconds.observe(event.seconds)

    def _child(self, server: str, outcome: str, cached: bool) -> _Pair:  # noqa: FBT001
        pool = self._names.of_server(server)
        return self.calls.labels(pool, server, outcome, "yes" if cached else "no"), self.seconds.labels(outcome)

"""Prometheus metrics of events, on a registry per app.

Labels come from fixed sets or from configuration, never from a request: a value that is not in its set counts as
`other`, so that no caller can make series.
"""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sidecar import __version__, events
from sidecar.events import Event

PREFIX = "dcr_sidecar_"
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_Counts = Mapping[type[Event], Callable[[Any], None]]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
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


def _among(value: str, allowed: frozenset[str]) -> str:
    return value if value in allowed else "other"


def _error(code: str) -> str:
    return _among(code, _ERRORS)


class Metrics:
    """Counts events on one registry, which whoever builds it owns: many can live in one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(PREFIX + name, text, labels, registry=registry, buckets=buckets)

        self.requests = counter("requests", "HTTP requests answered.", "listener", "route", "method", "status")
        self.errors = counter("request_errors", "OAuth errors answered.", "listener", "route", "error")
        self.request_seconds = histogram("request_seconds", "Time to answer.", _SLOW, "listener", "route")
        self.registrations = counter("registrations", "Registrations and their changes, by outcome.", "outcome", "kind")
        self.consents = counter("consents", "Consent pages and answers.", "outcome")
        self.refusals = counter("authorizations_refused", "Sign-ins that did not go on.", "step", "error")
        self.sign_ins = counter("sign_ins", "Grants made.", "server", "pool")
        self.tokens = counter("tokens", "Answers of the token endpoint.", "flow", "outcome")
        self.grants_ended = counter("grants_ended", "Grants ended before their time.", "reason")
        self.origin_refusals = counter("origin_refusals", "Upstream tokens that an MCP server refused.", "outcome")
        self.revocations = counter("access_tokens_revoked", "Access tokens revoked alone.")
        self.revocations_refused = counter("revocations_refused", "Errors of the revocation endpoint.", "error")
        self.calls = counter("calls", "Decisions about MCP requests.", "server", "outcome", "cached")
        self.call_seconds = histogram("call_seconds", "Time to decide about an MCP request.", _FAST, "outcome")
        self.upstream = counter("upstream_calls", "Calls to identity providers.", "provider", "operation", "outcome")
        self.upstream_seconds = histogram("upstream_call_seconds", "Time they took.", _SLOW, "provider", "operation")
        self.store_faults = counter("store_faults", "Unreadable records and missing copies.", "reason")
        self.push_channel = Gauge(
            PREFIX + "push_channel_up", "1 while ends of grants on other replicas are heard at once.", registry=registry
        )
        self.defects = counter("unexpected_errors", "Exceptions that nothing handled.")
        build = Gauge(PREFIX + "build_info", "The running version.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self._counts: _Counts = {
            events.RequestServed: self._request,
            events.ClientRegistered: lambda e: self.registrations.labels(
                "registered", "stored" if e.stored else "sealed"
            ).inc(),
            events.RegistrationRefused: lambda e: self.registrations.labels(_error(e.error), "").inc(),
            events.ClientUpdated: lambda _: self.registrations.labels("updated", "").inc(),
            events.ClientDeleted: lambda _: self.registrations.labels("deleted", "").inc(),
            events.ConsentAsked: lambda _: self.consents.labels("asked").inc(),
            events.ConsentGiven: lambda _: self.consents.labels("given").inc(),
            events.ConsentDenied: lambda _: self.consents.labels("denied").inc(),
            events.AuthorizationRefused: lambda e: self.refusals.labels(e.step, _error(e.error)).inc(),
            events.SignedIn: lambda e: self.sign_ins.labels(e.server, e.pool).inc(),
            events.TokenIssued: lambda e: self.tokens.labels(e.flow, "issued").inc(),
            events.TokenRefused: lambda e: self.tokens.labels(_flow(e.flow), _error(e.error)).inc(),
            events.GrantEnded: lambda e: self.grants_ended.labels(e.reason).inc(),
            events.OriginRefused: lambda e: self.origin_refusals.labels(e.outcome).inc(),
            events.RevocationRefused: lambda e: self.revocations_refused.labels(_error(e.error)).inc(),
            events.AccessTokenRevoked: lambda _: self.revocations.inc(),
            events.CallDecided: self._call,
            events.UpstreamCalled: self._upstream,
            events.StoreFault: lambda e: self.store_faults.labels(e.reason).inc(),
            events.PushChannel: lambda e: self.push_channel.set(e.up),
            events.UnexpectedError: lambda _: self.defects.inc(),
        }

    def __call__(self, event: Event) -> None:
        count = self._counts.get(type(event))
        if count is not None:
            count(event)

    def _request(self, event: events.RequestServed) -> None:
        method = _among(event.method, _METHODS)
        self.requests.labels(event.listener, event.route, method, str(event.status)).inc()
        self.request_seconds.labels(event.listener, event.route).observe(event.seconds)
        if event.error:
            self.errors.labels(event.listener, event.route, _error(event.error)).inc()

    def _call(self, event: events.CallDecided) -> None:
        self.calls.labels(event.server, event.outcome, "yes" if event.cached else "no").inc()
        self.call_seconds.labels(event.outcome).observe(event.seconds)

    def _upstream(self, event: events.UpstreamCalled) -> None:
        self.upstream.labels(event.provider, event.operation, event.outcome).inc()
        self.upstream_seconds.labels(event.provider, event.operation).observe(event.seconds)


def _flow(flow: str) -> str:
    return _among(flow, frozenset({"authorization_code", "refresh_token", "refresh_grace"}))

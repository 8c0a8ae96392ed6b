"""The way to a token, step by step, and the ways to lose one. Each step has one counter, which says how it went."""

from typing import get_args

from sidecar import events
from sidecar.events import EndReason
from sidecar.telemetry.metrics.families import Counts, Families, Names, among, error

_FLOWS = frozenset({"authorization_code", "refresh_token", "refresh_grace"})


class Funnel:
    def __init__(self, families: Families, names: Names) -> None:
        counter = families.counter
        self._names = names
        self.registrations = counter(
            "registrations", "Registrations and their changes, by outcome.", "pool", "outcome", "kind"
        )
        self.authorizations = counter(
            "authorizations", "Requests to /authorize: consent asked, or the error.", "pool", "server", "outcome"
        )
        self.consents = counter(
            "consents", "Answers to the consent page: given, denied, or the error.", "pool", "server", "outcome"
        )
        self.callbacks = counter(
            "callbacks", "Returns from the identity provider: signed in, or the error.", "pool", "server", "outcome"
        )
        self.tokens = counter("tokens", "Answers of the token endpoint.", "pool", "server", "flow", "outcome")
        self.grants_ended = counter(
            "grants_ended", "Grants ended before their time, by reason.", "pool", "server", "reason"
        )
        self.revocations = counter("access_tokens_revoked", "Access tokens revoked alone.", "pool", "server")
        self.revocations_refused = counter("revocations_refused", "Errors of the revocation endpoint.", "pool", "error")

        for server, pool in names.servers.items():
            self.consents.labels(pool, server, "given")
            self.callbacks.labels(pool, server, "signed_in")
            for flow in sorted(_FLOWS):
                self.tokens.labels(pool, server, flow, "issued")
            for reason in get_args(EndReason):
                self.grants_ended.labels(pool, server, reason)

    def counting(self) -> Counts:
        names, of_server = self._names, self._names.of_server
        return {
            events.ClientRegistered: self._registered,
            events.RegistrationRefused: lambda e: self.registrations.labels(
                names.of_issuer(e.issuer), error(e.error), ""
            ).inc(),
            events.ClientUpdated: lambda e: self.registrations.labels(names.of_issuer(e.issuer), "updated", "").inc(),
            events.ClientDeleted: lambda e: self.registrations.labels(names.of_issuer(e.issuer), "deleted", "").inc(),
            events.ConsentAsked: lambda e: self.authorizations.labels(*self._where(e), "asked").inc(),
            events.ConsentGiven: lambda e: self.consents.labels(*self._where(e), "given").inc(),
            events.ConsentDenied: lambda e: self.consents.labels(*self._where(e), "denied").inc(),
            events.AuthorizationRefused: self._refused,
            events.SignedIn: lambda e: self.callbacks.labels(*self._where(e), "signed_in").inc(),
            events.TokenIssued: lambda e: self.tokens.labels(*self._where(e), e.flow, "issued").inc(),
            events.TokenRefused: lambda e: self.tokens.labels(
                names.of_issuer(e.issuer), "", among(e.flow, _FLOWS), error(e.error)
            ).inc(),
            events.GrantEnded: lambda e: self.grants_ended.labels(
                of_server(e.server), names.server(e.server), e.reason
            ).inc(),
            events.AccessTokenRevoked: lambda e: self.revocations.labels(
                of_server(e.server), names.server(e.server)
            ).inc(),
            events.RevocationRefused: lambda e: self.revocations_refused.labels(
                names.of_issuer(e.issuer), error(e.error)
            ).inc(),
        }

    def _where(
        self,
        event: events.ConsentAsked
        | events.ConsentGiven
        | events.ConsentDenied
        | events.AuthorizationRefused
        | events.SignedIn
        | events.TokenIssued,
    ) -> tuple[str, str]:
        """Pool and server."""
        return self._names.of_issuer(event.issuer), self._names.server(event.server)

    def _registered(self, event: events.ClientRegistered) -> None:
        kind = "stored" if event.stored else "sealed"
        self.registrations.labels(self._names.of_issuer(event.issuer), "registered", kind).inc()

    def _refused(self, event: events.AuthorizationRefused) -> None:
        steps = {"authorize": self.authorizations, "approve": self.consents, "callback": self.callbacks}
        steps[event.step].labels(*self._where(event), error(event.error)).inc()

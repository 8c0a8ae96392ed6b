"""Events as a story: one readable line for each step of each flow, for the person who watches the demo.

A sink like the audit log and the metrics, with another reader. Says nothing about what it does not know: requests for
documents and other plumbing stay silent unless they fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from sidecar import events
from sidecar.clock import Clock
from sidecar.demo.line import BAD, PLAIN, Line
from sidecar.demo.own_registration import OWN_REGISTRATION

_WIDTH = 15

_REFUSALS = {
    "no_token": "no token; answered 401 and where to get one",
    "invalid_token": "the token is not valid (any more); answered 401",
    "insufficient_scope": "the token lacks a scope; answered 403",
    "bad_origin": "a web page that may not call this server; answered 403",
    "not_found": "no such path; answered 404",
    "no_pool": "the server has no pool; answered 503",
    "unavailable": "a part we depend on does not answer; answered 503",
}
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Narrator:
    """A Recorder."""

    console: Console
    clock: Clock

    def __call__(self, event: events.Event) -> None:
        if line := narrate(event):
            self.say(line)

    def say(self, line: Line) -> None:
        moment = datetime.fromtimestamp(self.clock(), UTC).astimezone()
        # Text, not markup: client names and details are other people's words.
        text = Text.assemble(
            (f"{moment:%H:%M:%S}  ", "dim"), (f"{line.step:<{_WIDTH}} ", line.style), _visible(line.text)
        )
        self.console.print(text, soft_wrap=True)


def narrate(event: events.Event) -> Line | None:
    """The line for an event, or None for what nobody needs to read."""
    telling = _TELLING.get(type(event))
    return telling(event) if telling else None


def _registered(event: events.ClientRegistered) -> Line:
    return Line("registered", f"{_named(event.client_name)} as {short(event.client)}, returns to {_hosts(event)}")


def _updated(event: events.ClientUpdated) -> Line:
    return Line("changed", f"{short(event.client)} is {_named(event.client_name)}, returns to {_hosts(event)}")


def _deleted(event: events.ClientDeleted) -> Line:
    return Line("deleted", f"{_named(event.client_name)}, {short(event.client)}, and {event.grants} grants with it")


def _unreadable(event: events.ClientUnreadable) -> Line:
    return Line("refused", f"{short(event.client)} was changed, and what it is now cannot be read", BAD)


def _invited(event: events.InitialAccessTokenCreated) -> Line:
    times = "one client" if event.uses == 1 else f"{event.uses} clients"
    return Line("invited", f"{times} with {_labelled(event)}")


def _uninvited(event: events.InitialAccessTokenRevoked) -> Line:
    return Line("revoked", _labelled(event), BAD)


def _client_readmitted(event: events.ClientReadmitted) -> Line:
    return Line("let in again", f"{short(event.client)}, by an operator")


def _offboarded(event: events.UserOffboarded) -> Line:
    again = "and may not sign in again" if event.barred else "and may sign in again"
    return Line("offboarded", f"{event.user} of {event.pool}: every grant ends, {again}", BAD)


def _user_readmitted(event: events.UserReadmitted) -> Line:
    return Line("let in again", f"{event.user} of {event.pool} may sign in")


def _pool_created(event: events.PoolCreated) -> Line:
    return Line("pool made", f"{event.pool} ({event.pool_id}) at {event.provider}")


def _pool_updated(event: events.PoolUpdated) -> Line:
    return Line("pool changed", f"{event.pool}: {', '.join(event.changed)}")


def _pool_deleted(event: events.PoolDeleted) -> Line:
    return Line("pool deleted", f"{event.pool}: its clients and every grant end", BAD)


def _pool_not_served(event: events.PoolNotServed) -> Line:
    return Line("pool trouble", f"{event.pool} is not served: {event.reason}", BAD)


def _operator_refused(event: events.OperatorRefused) -> Line:
    return Line("no operator", f"the admin API was asked without its token: {event.detail}", BAD)


def _registration_refused(event: events.RegistrationRefused) -> Line:
    return Line("not registered", f"{event.error}: {event.detail}", BAD)


def _consent_asked(event: events.ConsentAsked) -> Line:
    return Line("asked consent", f"may {_named(event.client_name)} use {event.server}?", PLAIN)


def _consented(event: events.ConsentGiven) -> Line:
    return Line(
        "consented", f"{_named(event.client_name)} may use {event.server}{_scopes(event.scopes)}; off to the IdP"
    )


def _denied(event: events.ConsentDenied) -> Line:
    return Line("denied", f"{_named(event.client_name)} may not use {event.server}", BAD)


def _authorization_refused(event: events.AuthorizationRefused) -> Line:
    return Line("not authorized", f"at {event.step}: {event.error}: {event.detail}", BAD)


def _signed_in(event: events.SignedIn) -> Line:
    return Line("signed in", f"{event.email or event.user} for {_named(event.client_name)}: grant {short(event.grant)}")


def _token_issued(event: events.TokenIssued) -> Line:
    how = {"authorization_code": "for the code", "refresh_token": "refreshed", "refresh_grace": "refreshed, same again"}
    whose = f"{_named(event.client_name)}, on behalf of {event.user}"
    return Line("token issued", f"{how.get(event.flow, event.flow)}, to {whose}")


def _token_refused(event: events.TokenRefused) -> Line:
    return Line("no token", f"{event.flow}: {event.error}: {event.detail}", BAD)


def _ended(event: events.GrantEnded) -> Line:
    return Line("grant ended", f"{short(event.grant)}: {event.reason.replace('_', ' ')}", BAD)


def _access_revoked(event: events.AccessTokenRevoked) -> Line:
    return Line("token revoked", f"one access token of grant {short(event.grant)}")


def _not_revoked(event: events.RevocationRefused) -> Line:
    return Line("not revoked", f"{event.error}: {event.detail}", BAD)


def _call(event: events.CallDecided) -> Line | None:
    if event.outcome in {"passed", "preflight", "relayed"}:  # `passed` has an event of its own
        return None
    what = event.method or "MCP request"
    if event.outcome == "allowed":
        return Line("call allowed", f"{what} by {event.user} through {_named(event.client_name)}")
    return Line("call refused", f"{what}: {_REFUSALS.get(event.outcome, event.outcome)}", BAD)


def _passed(event: events.CredentialPassed) -> Line:
    return Line("passed on", f"a call with {event.server}'s own credential, known by {event.credential}", PLAIN)


def _origin_refused(event: events.OriginRefused) -> Line:
    then = {"marked": "renewed before its next use", "ended": "its grant is ended"}.get(event.outcome, "known already")
    return Line("server said 401", f"to the IdP's token of {event.user}: {then}", BAD)


def _upstream(event: events.UpstreamCalled) -> Line | None:
    if event.provider == "client":
        if event.outcome == "ok":
            return Line("client", "its metadata document was read", PLAIN) if "document" in event.operation else None
        return Line("client trouble", f"{event.operation}: {event.outcome} {event.detail}".rstrip(), BAD)
    if event.outcome != "ok":
        return Line("IdP trouble", f"{event.operation}: {event.outcome} {event.detail}".rstrip(), BAD)
    told = {"exchange": "traded its code for tokens", "refresh": "refreshed its tokens", "revoke": "revoked its tokens"}
    text = told.get(event.operation)
    return Line("IdP", f"{text}; they stay with the sidecar", PLAIN) if text else None


def _former(event: events.FormerCredentials) -> Line | None:
    """A former client's calls are as they should be."""
    told = {
        "secret": f"takes {event.pool}'s former secret, and not the new one",
        "gone": f"has no use for us: {event.pool} lost its former client {event.upstream_client}",
    }
    text = told.get(event.what)
    return Line("IdP trouble", f"{event.operation}: it {text}", BAD) if text else None


def _store(event: events.StoreFault) -> Line:
    return Line("store trouble", event.reason, BAD)


def _defect(event: events.UnexpectedError) -> Line:
    return Line("defect of ours", f"{event.kind}; the sidecar's log says where", BAD)


def _push(_event: events.PushChannel) -> None:
    """With one sidecar there is nobody to hear from."""


def _pools_counted(_event: events.PoolsCounted) -> None:
    """For the metrics: whoever reads here has seen every one come."""


def _request(event: events.RequestServed) -> Line | None:
    """Only what failed on our side: everything else has an event of its own."""
    if event.status < _SERVER_ERROR:
        return None
    return Line("failed", f"{event.method} {event.route}: {event.status} {event.error} {event.detail}".rstrip(), BAD)


_TELLING: dict[type[events.Event], Callable[..., Line | None]] = {
    events.ClientRegistered: _registered,
    events.ClientUpdated: _updated,
    events.ClientDeleted: _deleted,
    events.ClientUnreadable: _unreadable,
    events.ClientReadmitted: _client_readmitted,
    events.UserOffboarded: _offboarded,
    events.UserReadmitted: _user_readmitted,
    events.PoolCreated: _pool_created,
    events.PoolUpdated: _pool_updated,
    events.PoolDeleted: _pool_deleted,
    events.PoolNotServed: _pool_not_served,
    events.OperatorRefused: _operator_refused,
    events.RegistrationRefused: _registration_refused,
    events.InitialAccessTokenCreated: _invited,
    events.InitialAccessTokenRevoked: _uninvited,
    events.ConsentAsked: _consent_asked,
    events.ConsentGiven: _consented,
    events.ConsentDenied: _denied,
    events.AuthorizationRefused: _authorization_refused,
    events.SignedIn: _signed_in,
    events.TokenIssued: _token_issued,
    events.TokenRefused: _token_refused,
    events.GrantEnded: _ended,
    events.AccessTokenRevoked: _access_revoked,
    events.RevocationRefused: _not_revoked,
    events.CallDecided: _call,
    events.CredentialPassed: _passed,
    events.OriginRefused: _origin_refused,
    events.UpstreamCalled: _upstream,
    events.FormerCredentials: _former,
    events.StoreFault: _store,
    events.UnexpectedError: _defect,
    events.PushChannel: _push,
    events.PoolsCounted: _pools_counted,
    events.RequestServed: _request,
    **OWN_REGISTRATION,
}


def short(identifier: str) -> str:
    """Enough of an id to tell two apart."""
    head, dash, tail = identifier.partition("-") if identifier.startswith("dcr") else ("", "", identifier)
    return head + dash + tail[:8] + ("…" if len(tail) > 8 else "")  # noqa: PLR2004


def _named(client_name: str) -> str:
    return f"“{client_name}”" if client_name else "a client without a name"


def _labelled(event: events.InitialAccessTokenCreated | events.InitialAccessTokenRevoked) -> str:
    label = f" “{event.label}”" if event.label else ""
    return f"initial access token{label} {short(event.initial_access_token)}"


def _hosts(event: events.ClientRegistered | events.ClientUpdated) -> str:
    return ", ".join(event.redirect_hosts)


def _scopes(scopes: tuple[str, ...]) -> str:
    return f" ({' '.join(scopes)})" if scopes else ""


def _visible(text: str) -> str:
    """No control or direction characters reach the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

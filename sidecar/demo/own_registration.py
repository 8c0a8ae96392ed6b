"""How the story tells of our own client at an identity provider."""

from collections.abc import Callable, Mapping
from typing import Any

from sidecar import events
from sidecar.demo.line import BAD, Line


def _registered(event: events.UpstreamRegistered) -> Line:
    return Line("own client", f"{event.outcome} at {event.upstream_issuer} for {event.pool}")


def _failed(event: events.UpstreamRegistrationFailed) -> Line:
    return Line("no own client", f"{event.pool}: {event.detail}; callbacks {' '.join(event.callbacks)}", BAD)


def _lost(event: events.UpstreamRegistrationLost) -> Line:
    return Line("own client", f"{event.outcome} at {event.upstream_issuer}: {event.detail}", BAD)


def _deleted(event: events.UpstreamRegistrationDeleted) -> Line:
    return Line("own client", f"deleted at {event.upstream_issuer} for {event.pool}")


OWN_REGISTRATION: Mapping[type[events.Event], Callable[[Any], Line]] = {
    events.UpstreamRegistered: _registered,
    events.UpstreamRegistrationFailed: _failed,
    events.UpstreamRegistrationLost: _lost,
    events.UpstreamRegistrationDeleted: _deleted,
}

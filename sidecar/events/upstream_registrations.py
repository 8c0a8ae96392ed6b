"""Our own client at an identity provider: what came of registering it (RFC 7591, RFC 7592). Never a secret."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRegistered(Event):
    """A pool has its client at the provider, or has it in another form."""

    name: ClassVar[str] = "upstream_registered"
    pool: str
    upstream_issuer: str
    upstream_client: str
    outcome: str
    """`registered`, `renewed`, `updated`; `adopted`: the provider had changed it by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRegistrationFailed(Event):
    """Told once for each reason, until it changes or succeeds."""

    name: ClassVar[str] = "upstream_registration_failed"
    pool: str
    upstream_issuer: str
    outcome: str
    """`unavailable`, `refused`, `not_offered`, `not_allowed` or `unreadable`."""
    callbacks: tuple[str, ...]
    """What to enter at the provider, if somebody registers there by hand."""
    scopes: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRegistrationLost(Event):
    """A client of ours at the provider is of no use any more, or may be."""

    name: ClassVar[str] = "upstream_registration_lost"
    pool: str
    upstream_issuer: str
    upstream_client: str
    """Empty: not known."""
    outcome: str
    """`forgotten`: the provider does not know it any more. `orphaned`: it is there, or may be, and was not removed."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRegistrationDeleted(Event):
    name: ClassVar[str] = "upstream_registration_deleted"
    pool: str
    upstream_issuer: str
    upstream_client: str

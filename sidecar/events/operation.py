"""What operators watch and no auditor asks for."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestServed(Event):
    """One per HTTP request. On the check's listener only for what failed: a decision is an event of its own."""

    name: ClassVar[str] = "request"
    audit: ClassVar[bool] = False
    listener: str
    method: str
    route: str
    """The route's name, never the path."""
    status: int
    seconds: float
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedError(Event):
    """A defect of ours: an exception that nothing below the edge knows."""

    name: ClassVar[str] = "unexpected_error"
    audit: ClassVar[bool] = False
    kind: str
    """The exception's class. Not its message: that may hold a value."""
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFault(Event):
    """The store has something that we cannot read, or fewer copies of a write than were asked for."""

    name: ClassVar[str] = "store_fault"
    audit: ClassVar[bool] = False
    reason: str
    """From the store adapter's fixed set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCalled(Event):
    name: ClassVar[str] = "upstream_called"
    audit: ClassVar[bool] = False
    provider: str
    operation: str
    """`discovery`, `jwks`, `exchange`, `refresh`, `revoke`, `userinfo` or `origin_metadata`."""
    outcome: str
    """`ok`, `refused`, `misconfigured`, `unavailable`, `unknown` or `malformed`."""
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushChannel(Event):
    """News of ended grants from other replicas: heard, or not. Without it a revocation takes up to two seconds."""

    name: ClassVar[str] = "push_channel"
    audit: ClassVar[bool] = False
    up: bool
    detail: str = ""

"""What every event has, and whose doing it is. Owns no event."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar

reference: ContextVar[str] = ContextVar("reference", default="")
"""The reference id of what is being done: the request's own, or the sign-in's once it is known. The sinks read it."""

sign_in: ContextVar[str] = ContextVar("sign_in", default="")
"""The reference of the sign-in behind the token that is being used, once it is known. The sinks read it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `audit` marks those that belong into the audit trail."""

    name: ClassVar[str] = "event"
    audit: ClassVar[bool] = True


Recorder = Callable[[Event], None]

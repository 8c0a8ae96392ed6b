"""One request and its answer, as a value. Owns how an answer is read, not what is thought of it."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urljoin

Failure = Literal["", "connection", "certificate", "timeout", "protocol", "withheld"]
"""Why there is no answer. `withheld`: we did not ask; the detail says why."""

JSON = "application/json"
EVENTS = "text/event-stream"


class Purpose(StrEnum):
    """What a request was for."""

    CALL = "mcp call without a token"
    STREAM = "mcp stream without a token"
    END = "end of the session we made"
    RESOURCE = "protected resource metadata"
    SERVER = "authorization server metadata"
    DEFAULT = "default registration endpoint"
    PREFLIGHT = "preflight"
    PAGE = "as a page would"
    MALFORMED = "registration, malformed on purpose"
    REGISTER = "registration"
    UNREGISTER = "deletion of our registration"


@dataclass(frozen=True)
class Exchange:
    """Header names are lower case. A redirect that was followed is an exchange of its own before this one."""

    purpose: Purpose
    method: str
    url: str
    asked: str = ""
    """The URL at the start of the redirects that led here; empty when there were none."""
    status: int = 0
    """0: no answer."""
    headers: tuple[tuple[str, str], ...] = field(repr=False, default=())
    body: bytes = field(repr=False, default=b"")
    """May hold what a registration gave us, so neither is shown."""
    size: int = 0
    """Bytes read; more than the body holds when that was cut off."""
    seconds: float = 0.0
    failure: Failure = ""
    detail: str = ""
    cut: bool = False
    """The body went on past our limit."""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        """All values of a header as one, as a browser's and an SDK's `get` see it (RFC 9110 5.3)."""
        return ", ".join(self.values(name))

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - a class of status codes

    @property
    def redirect(self) -> str:
        """Where the answer sends us; empty when it does not."""
        location = self.header("location")
        if self.status not in {301, 302, 303, 307, 308} or not location:
            return ""
        try:
            return urljoin(self.url, location)
        except ValueError:
            return location

    @property
    def content_type(self) -> str:
        return self.header("content-type").partition(";")[0].strip().lower()

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None for anything else. JSON's own null is None too: nobody can use that either."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def message(self) -> dict[str, Any] | None:
        """The first JSON-RPC message of the answer, plain or as an event; None when there is none."""
        if self.content_type == EVENTS:
            data = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
            found = [_object(part) for part in data]
            return next((message for message in found if message and "jsonrpc" in message), None)
        return self.json if isinstance(self.json, dict) and "jsonrpc" in self.json else None

    @property
    def where(self) -> str:
        return f"{self.method} {self.url}"


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

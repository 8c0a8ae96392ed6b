"""Everything that was asked and answered, as one value for the checks to judge, and the choices clients make of it.

Owns which document a client ends up with; the requests themselves are `walk`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sidecar.probe.challenge import Challenge, as_sdks_read, bearer, challenges
from sidecar.probe.exchange import Exchange
from sidecar.probe.places import is_openid, is_url, origin

UNAUTHORIZED = 401
NOT_FOUND = 404
BAD_GATEWAY = 502
_FIRST_SERVER_ERROR = 500

Members = Mapping[str, Any]


@dataclass(frozen=True)
class ResourceMetadata:
    """RFC 9728, at every place that clients know."""

    tries: tuple[Exchange, ...] = ()

    @property
    def used(self) -> Exchange | None:
        """The first that is a JSON object."""
        return next((answer for answer in self.tries if _document(answer) is not None), None)

    @property
    def document(self) -> Members:
        return (self.used and _document(self.used)) or {}

    @property
    def issuers(self) -> tuple[str, ...]:
        listed = self.document.get("authorization_servers")
        return tuple(item for item in listed if is_url(item)) if isinstance(listed, list) else ()


@dataclass(frozen=True)
class ServerMetadata:
    """RFC 8414 or OpenID Discovery for one authorization server."""

    issuer: str
    """What the well-known URLs were built from."""
    tries: tuple[Exchange, ...] = ()
    first: bool = True
    """SDKs use the first that is listed, and only that."""
    legacy: bool = False
    """Nobody named it: MCP 2025-03-26 takes the MCP server's own origin."""
    default_registration: Exchange | None = None
    """GET /register, where there is no metadata and clients assume it."""

    @property
    def used(self) -> Exchange | None:
        return next((answer for answer in self.tries if _document(answer) is not None), None)

    @property
    def document(self) -> Members:
        return (self.used and _document(self.used)) or {}

    @property
    def openid(self) -> bool:
        return self.used is not None and is_openid(self.used.url)

    def text(self, name: str) -> str:
        value = self.document.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str] | None:
        """A list of strings; None when there is none."""
        value = self.document.get(name)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else None

    @property
    def dcr(self) -> bool:
        return is_url(self.document.get("registration_endpoint"))

    @property
    def cimd(self) -> bool:
        return self.document.get("client_id_metadata_document_supported") is True


@dataclass(frozen=True)
class BrowserSeen:
    """What a page of this origin may do. Each pair: what it is, and the answer."""

    origin: str
    preflights: tuple[tuple[str, Exchange], ...] = ()
    answers: tuple[tuple[str, Exchange], ...] = ()


@dataclass(frozen=True)
class RegistrationSeen:
    endpoint: str
    malformed: Exchange | None = None
    registered: Exchange | None = None
    deleted: Exchange | None = None


@dataclass(frozen=True)
class Seen:
    """One walk."""

    url: str
    call: Exchange
    """The first request: `initialize` without a token."""
    discover: Exchange | None = None
    """`server/discover` of MCP 2026-07-28, asked when `initialize` got neither a result nor a 401."""
    stream: Exchange | None = None
    resource: ResourceMetadata = field(default_factory=ResourceMetadata)
    servers: tuple[ServerMetadata, ...] = ()
    browser: BrowserSeen | None = None
    registration: RegistrationSeen | None = None
    log: tuple[Exchange, ...] = ()
    stopped: str = ""
    """Why we asked less than we wanted to."""

    @property
    def reached(self) -> bool:
        return bool(self.call.status) or self.call.failure == "certificate"

    @property
    def open(self) -> bool:
        """An MCP answer without a token: nobody needs to sign in."""
        return any(answer is not None and answer.ok and answer.message for answer in (self.call, self.discover)) or (
            self.call.status in {404, 405} and self.old_stream
        )

    @property
    def old_stream(self) -> bool:
        """The transport of 2024-11-05: GET answers with events."""
        return self.stream is not None and self.stream.ok and self.stream.content_type == "text/event-stream"

    @property
    def refused(self) -> Exchange | None:
        """The 401, whichever request got it."""
        asked = (self.call, self.discover, self.stream)
        return next((answer for answer in asked if answer is not None and answer.status == UNAUTHORIZED), None)

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        return challenges(self.refused.values("www-authenticate")) if self.refused else ()

    @property
    def bearer(self) -> Challenge | None:
        return bearer(self.challenges)

    @property
    def challenged_url(self) -> str:
        """The metadata's URL, as SDKs read it."""
        if self.refused is None:
            return ""
        return as_sdks_read(self.refused.header("www-authenticate"), "resource_metadata")

    @property
    def server(self) -> ServerMetadata | None:
        """The authorization server that SDKs use."""
        return self.servers[0] if self.servers else None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def documents(self) -> Iterator[tuple[str, Exchange, Members]]:
        """Every metadata document that clients may use: (kind, answer, members)."""
        for answer in self.resource.tries:
            found = _document(answer)
            if found is not None:
                yield "resource", answer, found
        for server in self.servers:
            if server.used is not None:
                yield "server", server.used, server.document


def _document(answer: Exchange) -> Members | None:
    return answer.json if answer.ok and not answer.cut and isinstance(answer.json, dict) else None


def is_server_error(answer: Exchange) -> bool:
    return answer.status >= _FIRST_SERVER_ERROR


def legacy_issuer(url: str) -> str:
    """MCP 2025-03-26: the origin of the MCP server is its authorization server."""
    return origin(url)

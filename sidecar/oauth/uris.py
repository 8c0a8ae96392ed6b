"""One strict parser for URIs that callers name. Owns which texts are URIs at all, and where their parts end.

Stricter than RFC 3986 on purpose: browsers, `urllib` and the MCP clients read the odd forms differently, so the odd
forms are refused instead of normalised. Owns no policy: what a client may register is `registration`'s business.
"""

import re
from dataclasses import dataclass

MAX_LENGTH = 2048
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""RFC 8252 7.3, and `localhost` because real clients use it. Exactly these spellings."""

# RFC 3986 2: reserved, unreserved and percent-encoded; without `#` (no fragment) and `*` (nobody shall believe that a
# wildcard works). No space, control, quote, backslash, brace or non-ASCII character is part of a URI.
_CHARACTERS = r"(?:[A-Za-z0-9._~!$&'()+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_URI = re.compile(rf"([a-z][a-z0-9+.-]*):(?://([^/?]*)|(?!//))({_CHARACTERS})")
_AUTHORITY = re.compile(r"(\[::1\]|[A-Za-z0-9._-]*)(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST = 253
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Uri:
    """An absolute URI in its parts, each as it was written."""

    scheme: str
    authority: str | None
    """None when there is no `//`."""
    host: str
    port: int | None
    rest: str
    """Path and query."""

    @property
    def loopback(self) -> bool:
        return self.scheme in {"http", "https"} and self.host in LOOPBACK


def parse(text: str) -> Uri | None:
    """The parts, or None for anything that is not a plain absolute URI without userinfo and without a fragment."""
    found = _URI.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        return None
    scheme, authority, rest = found.groups()
    if _has_dot_segment(rest):
        return None
    if authority is None:
        # `https:path` would be read as `https://path` by browsers.
        return None if scheme in {"http", "https"} or not rest else Uri(scheme, None, "", None, rest)
    inside = _AUTHORITY.fullmatch(authority)
    if inside is None or int(inside[2] or 1) > _MAX_PORT:
        return None
    host, port = inside[1], int(inside[2]) if inside[2] else None
    if scheme in {"http", "https"} and host not in LOOPBACK and not _public_name(host.lower()):
        return None
    return Uri(scheme, authority, host, port, rest)


def _has_dot_segment(rest: str) -> bool:
    """Browsers resolve these before they follow a URI, so it would lead elsewhere than it says."""
    path = rest.partition("?")[0].lower().replace("%2e", ".")
    return not {".", ".."}.isdisjoint(path.split("/"))


def _public_name(host: str) -> bool:
    """A DNS name that nobody's parser takes for an address, and that does not play at being this machine."""
    labels = host.split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    # WHATWG URL "ends in a number": such a host is an IPv4 address in one of its many spellings.
    if _NUMBER.fullmatch(labels[-1]):
        return False
    return "localhost" not in labels and not host.startswith("127.0.0.1.")

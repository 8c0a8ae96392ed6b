"""Strict `application/x-www-form-urlencoded` (RFC 6749 appendix B). Owns bytes to text, not what the names mean.

A text that two decoders could read differently is refused: broken percent-encoding, bytes that are not UTF-8, NUL.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from sidecar.oauth.errors import InvalidRequest

MAX_FIELDS = 256
MAX_ESCAPES = 6144
"""Each costs the decoder a microsecond. A query of the greatest length, all of it escaped, has fewer."""
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def decode(raw: bytes) -> str:
    """One name or value. Raises InvalidRequest."""
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidRequest(reason="broken percent-encoding")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(reason="not UTF-8") from None
    if "\0" in text:
        raise InvalidRequest(reason="a NUL in a parameter")
    return text


def pairs(raw: bytes) -> list[tuple[str, str]]:
    """All names and values, in order, empty ones included. Raises InvalidRequest."""
    if raw.count(b"&") >= MAX_FIELDS:
        raise InvalidRequest(reason="too many parameters")
    if raw.count(b"%") > MAX_ESCAPES:
        raise InvalidRequest(reason="too many escaped characters")
    found = []
    for piece in raw.split(b"&"):
        name, _, value = piece.partition(b"=")
        if name:
            found.append((decode(name), decode(value)))
    return found


def repeats(fields: Sequence[tuple[str, str]]) -> frozenset[str]:
    """The names that stand there more than once (RFC 6749 3.1), with a value or without."""
    seen: set[str] = set()
    again: set[str] = set()
    for name, _ in fields:
        (again if name in seen else seen).add(name)
    return frozenset(again)

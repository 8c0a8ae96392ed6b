"""`WWW-Authenticate` as it was meant (RFC 9110 11.6.1), and as the MCP SDKs read it: pure.

The SDKs look at the first word of the whole header and search it with unanchored regular expressions, so the two
readings may differ; where they do, clients go astray.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a pattern
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}|[^\s,"]+))\s*(?:,|$)', re.DOTALL)
_SCHEME = re.compile(rf"\s*,*\s*({_TOKEN})(?:[ \t]+|\s*(?=,|$))")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    scheme: str
    """Lower case."""
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        return dict(self.parameters).get(name, "")


def challenges(values: Sequence[str]) -> tuple[Challenge, ...]:
    """Every challenge of these header values. What cannot be read ends its value."""
    return tuple(found for value in values for found in _challenges(value))


def bearer(found: Sequence[Challenge]) -> Challenge | None:
    return next((challenge for challenge in found if challenge.scheme == "bearer"), None)


def as_sdks_read(header: str, name: str) -> str:
    """A parameter as the TypeScript and Python SDKs find it."""
    found = re.search(rf'{name}=(?:"([^"]+)"|([^\s,]+))', header)
    return (found[1] or found[2]) if found else ""


def _challenges(value: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while at < len(value):
        scheme = _SCHEME.match(value, at)
        if scheme is None:
            break
        at = scheme.end()
        parameters: list[tuple[str, str]] = []
        while (one := _PARAMETER.match(value, at)) is not None:
            quoted, plain = one[2], one[3]
            parameters.append((one[1].lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain))
            at = one.end()
        if not parameters and (blob := _TOKEN68.match(value, at)) is not None:
            at = blob.end()
        found.append(Challenge(scheme[1].lower(), tuple(parameters)))
    return found

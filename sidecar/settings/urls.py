"""What may be an issuer, a resource, an origin, an address: each check gives the value back or says what to mend.

URLs stay the configured bytes: clients compare them as strings, so anything a client might write differently is refused
here instead of normalised.
"""

import re
from urllib.parse import urlsplit

from sidecar.directory import unambiguous
from sidecar.pools.urls import DEFAULT_PORT, http_url, is_loopback

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]+")
_HEADER = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HEADERS_WITH_A_MEANING = frozenset(
    [
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-request-id",
    ]
)


def public_url(value: str) -> str:
    """An issuer or a resource: what clients see (RFC 8414 2, RFC 9728 2)."""
    parts = http_url(value)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https; plain http is for loopback only")
    if parts.query or "?" in value:
        raise ValueError("must have no query")
    if value.endswith("/"):
        raise ValueError("must have no trailing slash; the form with a slash is served as well")
    if parts.path and not unambiguous(parts.path):
        raise ValueError("its path can be read in two ways; use plain segments without escapes")
    return value


def server_origin(value: str) -> str:
    """Where the MCP server itself listens: scheme, host and port."""
    parts = http_url(value)
    if parts.path or parts.query or "?" in value:
        raise ValueError("must be scheme, host and port only, such as http://127.0.0.1:3000")
    return value


def browser_origin(value: str) -> str:
    """An Origin header's value (RFC 6454 6.2), byte for byte as browsers send it."""
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be what a browser sends as Origin: https://host[:port], lower case, no path, no *")
    port = urlsplit(value).port
    if port is not None and port == DEFAULT_PORT.get(urlsplit(value).scheme):
        raise ValueError("browsers leave the scheme's own port out: remove it")
    return value


def header_name(value: str) -> str:
    """A header that we may set towards the MCP server."""
    lowered = value.lower()
    if not _HEADER.fullmatch(lowered):
        raise ValueError("must be a header name of letters, digits and single dashes")
    if lowered in _HEADERS_WITH_A_MEANING or lowered.startswith(("mcp-", "x-dcr-", "x-envoy-")):
        raise ValueError("has a meaning of its own on the way; use `authorization` or a name of the server's own")
    return lowered


def header_text(value: str) -> str:
    if not value.isascii() or not (value + "x").isprintable():
        raise ValueError("must be printable ASCII")
    return value

"""Redirect URIs: whether one was registered, how an answer is put into one, and how one is shown to people.

Owns no policy on what may be registered (`registration`), and no decision whether to redirect at all: callers build a
URL here only after client and redirect URI are verified.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from sidecar.oauth.errors import OAuthError, ServerError
from sidecar.oauth.uris import Uri, parse

RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri", "access_token"})
"""What an authorization response carries; a redirect URI must not bring its own (RFC 9207 2.4, once each)."""

# RFC 6749 4.1.2.1 and RFC 8707 2. Any other code of ours is an HTTP condition that a client cannot do anything about.
_ERROR_CODES = frozenset(
    {
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "unsupported_response_type",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
    }
)
_UNDISPLAYABLE = re.compile(r"[^\x21-\x7e]")


def matches(registered: Sequence[str], requested: str) -> bool:
    """Exact string comparison (RFC 9700 2.1), but for the port of a loopback `http` URI (RFC 8252 7.3)."""
    if requested in registered:
        return True
    wanted = _portless(requested)
    return wanted is not None and any(_portless(uri) == wanted for uri in registered)


def success_url(redirect_uri: str, *, code: str, state: str | None, iss: str) -> str:
    """Where the browser takes the code (RFC 6749 4.1.2, RFC 9207 2)."""
    return _extended(redirect_uri, (("code", code), ("state", state), ("iss", iss)))


def error_url(redirect_uri: str, error: OAuthError, *, state: str | None, iss: str) -> str:
    """Where the browser takes an error (RFC 6749 4.1.2.1)."""
    shown = error if error.code in _ERROR_CODES else ServerError()
    members = (("error", shown.code), ("error_description", shown.description), ("state", state), ("iss", iss))
    return _extended(redirect_uri, members)


def is_loopback(uri: str) -> bool:
    """Whether the answer goes to a program on the user's own machine, over HTTP."""
    parsed = parse(uri)
    return parsed is not None and parsed.loopback


def host_of(uri: str) -> str:
    """What to show people: the host (an IDN as its A-label), or `scheme://authority` of a private-use URI."""
    parsed = parse(uri)
    if parsed is not None:
        if parsed.scheme in {"http", "https"}:
            return parsed.host.lower()
        return f"{parsed.scheme}://{parsed.authority}" if parsed.authority else f"{parsed.scheme}:"
    # Not a URI that we would register; whatever it is, it must not be able to look like one.
    try:
        host = (urlsplit(uri[:256]).hostname or "").encode("idna").decode()
    except ValueError:
        host = ""
    return _UNDISPLAYABLE.sub("?", host or uri[:64])


def brings_response_parameters(uri: Uri) -> bool:
    """Whether the URI's own query would collide with the answer's."""
    names = {name for name, _ in parse_qsl(uri.rest.partition("?")[2], keep_blank_values=True)}
    return not names.isdisjoint(RESPONSE_PARAMETERS)


def _portless(uri: str) -> tuple[str, str] | None:
    """Host and rest of a loopback `http` URI. `localhost` and `127.0.0.1` stay two hosts (RFC 8252 8.3)."""
    parsed = parse(uri)
    return (parsed.host, parsed.rest) if parsed is not None and parsed.scheme == "http" and parsed.loopback else None


def _extended(redirect_uri: str, members: Iterable[tuple[str, str | None]]) -> str:
    """RFC 6749 3.1.2: an existing query is kept. Every byte that is not unreserved is percent-encoded."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in members if value is not None)
    if "?" not in redirect_uri:
        return f"{redirect_uri}?{added}"
    return f"{redirect_uri}{'' if redirect_uri.endswith(('?', '&')) else '&'}{added}"

"""The two cookies of a sign-in: their names, their attributes, and what makes a presented one worth looking at.

Names and `__Host-` follow the issuer's scheme (design 12.5). On plain-http loopback there is neither `Secure` nor
`__Host-`, and since cookies ignore ports, the port is in the name. What `__Host-` promises holds only if a presented
name is read as the browser meant it, so the Cookie header is read here, by the letter.
"""

import hashlib
import re
from collections import Counter
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from sidecar.directory import Issuer

MAX_OPEN = 6
"""Sign-ins at once per browser: more cookies than these only make the Cookie header grow until a proxy refuses it."""

_PAIR = re.compile(r"(?:^|;)[ \t]*([^=; \t][^=;]*)=([A-Za-z0-9_-]{43})(?=;|$)")


def form_cookie(request: web.Request, issuer: Issuer) -> str:
    """What binds a consent form to its browser; empty when there is none, or none of ours."""
    return _sent(request).get(_name(issuer, "csrf"), "")


def keep_form_cookie(response: web.StreamResponse, issuer: Issuer, value: str) -> None:
    """A session cookie, so that a page that stays open can be answered."""
    _set(response, issuer, _name(issuer, "csrf"), value)


def binding(request: web.Request, issuer: Issuer, handle: str) -> str:
    """The value of the cookie of the transaction with this handle; empty when this browser did not start it."""
    return _sent(request).get(_transaction(issuer, handle), "")


def keep_binding(
    request: web.Request, response: web.StreamResponse, issuer: Issuer, handle: str, *, value: str, seconds: int
) -> None:
    """Set right before the browser leaves for the IdP; it outlives the transaction by nothing."""
    others = sorted(name for name in _sent(request) if name[:-8] == _name(issuer, "txn", "-"))
    for name in others[: max(len(others) - MAX_OPEN + 1, 0)]:
        _drop(response, issuer, name)
    _set(response, issuer, _transaction(issuer, handle), value, seconds)


def drop_binding(request: web.Request, response: web.StreamResponse, issuer: Issuer, handle: str) -> None:
    name = _transaction(issuer, handle)
    if name in _sent(request):
        _drop(response, issuer, name)


def _sent(request: web.Request) -> dict[str, str]:
    """The cookies that could be ours: a well-formed value, and a name that stands there once (RFC 6265 4.2.1).

    Not `request.cookies`, which also parts cookies at a blank and drops any Unicode blank around a name. A page on a
    sibling host can set such a cookie for the whole domain, and would so get around `__Host-`.
    """
    pairs = _PAIR.findall(";".join(request.headers.getall(hdrs.COOKIE, [])))
    times = Counter(name for name, _ in pairs)
    return {name: value for name, value in pairs if times[name] == 1}


def _name(issuer: Issuer, what: str, suffix: str = "") -> str:
    if issuer.secure:
        return f"__Host-dcr-{what}{suffix}"
    return f"dcr-{what}-{urlsplit(issuer.url).port or 80}{suffix}"


def _transaction(issuer: Issuer, handle: str) -> str:
    return _name(issuer, "txn", f"-{hashlib.sha256(handle.encode()).hexdigest()[:8]}")


def _set(response: web.StreamResponse, issuer: Issuer, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=issuer.secure, httponly=True, samesite="Lax")


def _drop(response: web.StreamResponse, issuer: Issuer, name: str) -> None:
    response.del_cookie(name, path="/", secure=issuer.secure, httponly=True, samesite="Lax")

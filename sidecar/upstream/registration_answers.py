"""What a provider answered about our own registration (RFC 7591, RFC 7592), judged. Pure.

Owns what of it is believed and which failures are definite. Nothing that a provider says leaves but error codes of
plain characters.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from sidecar.upstream.answers import Answer, judge_available, judge_json_body
from sidecar.upstream.base import UpstreamMalformed
from sidecar.upstream.provider import is_loopback, is_safe_url
from sidecar.upstream.registration_messages import (
    PREFERRED,
    AuthorizationServer,
    Method,
    Registered,
    RegistrationForgotten,
    RegistrationRefused,
    Wanted,
)

_VISIBLE = re.compile(r"[\x20-\x7e]{1,4096}")  # RFC 6749 A.1, A.2
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")  # RFC 6750 2.1
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST_ID = 1024
_CREATED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
_GONE = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})


def judge_registration(answer: Answer, server: AuthorizationServer, asked: Wanted, *, now: int) -> Registered:
    """RFC 7591 3.2.1. Some answer 200 where it should be 201; the body is what counts."""
    members = _accepted(answer)
    _check_redirects(members, asked)
    method = _registered_method(members, asked.auth_method)
    return Registered(
        client_id=_text(members, "client_id", longest=_LONGEST_ID),
        client_secret="" if method == "none" else _text(members, "client_secret"),
        auth_method=method,
        secret_expires_at=0 if method == "none" else _expiry(members, now),
        **_management(members, near=(server.registration_endpoint, server.issuer)),
    )


def judge_managed(answer: Answer, known: Registered, *, now: int, asked: Wanted | None = None) -> Registered:
    """RFC 7592 3: what it is now. What the answer leaves out, stays. `asked`: what it must say after an update."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise RegistrationForgotten("the management token, or the client, is unknown (status 401)")
    members = _accepted(answer)
    if members.get("client_id") != known.client_id:
        raise UpstreamMalformed("the answer is about another client")
    if asked is not None:
        _check_redirects(members, asked)
    method = _registered_method(members, known.auth_method)
    secret = "" if method == "none" else _text(members, "client_secret", otherwise=known.client_secret)
    expiry = _expiry(members, now) if "client_secret_expires_at" in members else known.secret_expires_at
    place = {"management_uri": known.management_uri, "management_token": known.management_token}
    moved = _management({"registration_client_uri": known.management_uri, **members}, near=(known.management_uri,))
    return Registered(known.client_id, secret, method, 0 if method == "none" else expiry, **(moved or place))


def judge_deletion(answer: Answer) -> None:
    """RFC 7592 2.3. Whoever does not know us has nothing of ours."""
    judge_available(answer)
    if answer.status not in _GONE:
        raise RegistrationRefused(f"status {answer.status}")


def _accepted(answer: Answer) -> Mapping[str, Any]:
    judge_available(answer)
    if answer.status not in _CREATED:
        raise RegistrationRefused(f"{_error(answer)} (status {answer.status})")
    members = judge_json_body(answer)
    if not isinstance(members, dict):
        raise UpstreamMalformed("not a JSON object")
    return members


def _error(answer: Answer) -> str:
    """RFC 7591 3.2.2, RFC 6750 3.1: the code, if one can be read. The description is the provider's own words."""
    try:
        members = judge_json_body(answer)
    except UpstreamMalformed:
        members = None
    code = members.get("error") if isinstance(members, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "no error code"


def _check_redirects(members: Mapping[str, Any], asked: Wanted) -> None:
    """RFC 7591 3.2.1 lets a server change what we asked; with other redirect URIs nobody could, or should, sign in."""
    given = members.get("redirect_uris")
    if given is None:
        return
    if not isinstance(given, list) or sorted(map(str, given)) != sorted(asked.redirect_uris):
        raise UpstreamMalformed("it registered other redirect URIs than ours")


def _registered_method(members: Mapping[str, Any], otherwise: Method) -> Method:
    given = members.get("token_endpoint_auth_method", otherwise)
    for method in PREFERRED:
        if given == method:
            return method
    raise UpstreamMalformed("it registered a way to authenticate that we do not have")


def _text(members: Mapping[str, Any], name: str, *, otherwise: str = "", longest: int = 4096) -> str:
    value = members.get(name, otherwise)
    if not isinstance(value, str) or len(value) > longest or not _VISIBLE.fullmatch(value):
        raise UpstreamMalformed(f"no usable {name}")
    return value


def _expiry(members: Mapping[str, Any], now: int) -> int:
    """RFC 7591 3.2.1. Required, and often left out where it would be 0."""
    value = members.get("client_secret_expires_at", 0)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UpstreamMalformed("no usable client_secret_expires_at")
    if value and value <= now:
        raise UpstreamMalformed("the client secret is over already")
    return value


def _management(members: Mapping[str, Any], *, near: tuple[str, ...]) -> dict[str, str]:
    """Where and with what our registration is managed; nothing unless it is where we are already (RFC 7592 3).

    The token goes there by itself, later: to no other host than those that the settings led us to.
    """
    uri, token = members.get("registration_client_uri"), members.get("registration_access_token")
    if not isinstance(token, str) or not _BEARER.fullmatch(token):
        return {}
    if not isinstance(uri, str) or not is_safe_url(uri, loopback=is_loopback(near[0])):
        return {}
    if _origin(uri) not in {_origin(each) for each in near}:
        return {}
    return {"management_uri": uri, "management_token": token}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)

"""Our own registration at a provider (RFC 7591, RFC 7592): the requests, and what came of them. Pure.

Owns what we say of ourselves, what of an answer is believed, and which failures are definite. Nothing that a provider
says leaves but error codes of plain characters. The calls are `registration`'s.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson

from sidecar.records import Pool
from sidecar.upstream.answers import Answer, judge_available, judge_json_body
from sidecar.upstream.base import UpstreamMalformed, UpstreamMisconfigured
from sidecar.upstream.messages import JSON, Request, asked_scopes
from sidecar.upstream.provider import is_loopback, is_safe_url
from sidecar.upstream.quirks import Quirks

Method = Literal["client_secret_basic", "client_secret_post", "none"]
TOKEN_AUTH: Mapping[str, str] = {"client_secret_basic": "basic", "client_secret_post": "post", "none": "none"}
"""What a method of RFC 7591 2 is called in a pool's settings."""

_METHODS: Mapping[str, Method] = {
    "basic": "client_secret_basic",
    "basic_raw": "client_secret_basic",
    "post": "client_secret_post",
    "none": "none",
}
# `post` before `basic` where both are allowed: servers disagree on the encoding of Basic (RFC 6749 2.3.1).
_PREFERRED: tuple[Method, ...] = ("client_secret_post", "client_secret_basic", "none")
_VISIBLE = re.compile(r"[\x20-\x7e]{1,4096}")  # RFC 6749 A.1, A.2
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")  # RFC 6750 2.1
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_METADATA = re.compile(r'resource_metadata=(?:"([^"]+)"|([^\s,"]+))')
_LONGEST_ID = 1024
_LONGEST_ISSUER = 512
_MOST_SERVERS = 10
_CREATED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
_GONE = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})


class RegistrationNotOffered(UpstreamMisconfigured):
    """There is no authorization server that we may and could register with."""


class RegistrationNotAllowed(UpstreamMisconfigured):
    """There is one, and the settings do not name it."""


class RegistrationRefused(UpstreamMisconfigured):
    """A definite no (RFC 7591 3.2.2)."""


class RegistrationForgotten(UpstreamMisconfigured):
    """The provider does not know this registration, or our management token for it (RFC 7592 2)."""


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """What its metadata says of registration."""

    issuer: str
    registration_endpoint: str
    auth_methods: tuple[str, ...]
    grant_types: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What we ask to be registered as."""

    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    auth_method: Method
    refresh: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """What we are registered as. The token opens nothing but this registration."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_method: Method
    secret_expires_at: int = 0
    """0: never."""
    management_uri: str = ""
    management_token: str = field(repr=False, default="")


# Who it is -----------------------------------------------------------------------------------------------------------


def allowed_issuers(pool: Pool, quirks: Quirks) -> tuple[str, ...]:
    """Where this pool may register: what the settings name, else its own issuer and nothing else."""
    own = pool.issuer or quirks.issuer
    named = pool.registration.allowed_issuers if pool.registration else ()
    return named or ((own,) if own else ())


def challenged_metadata(challenges: tuple[str, ...]) -> str:
    """Where a 401 says that the resource's metadata is (RFC 9728 5.1), as the SDKs find it; empty for nowhere."""
    found = _METADATA.search(", ".join(challenges))
    return (found[1] or found[2]) if found else ""


def named_servers(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The authorization servers that a resource names (RFC 9728 2): those whose URL could be one's."""
    named = document.get("authorization_servers")
    if not isinstance(named, list):
        return ()
    return tuple(each for each in named[:_MOST_SERVERS] if is_safe_url(each) and len(each) <= _LONGEST_ISSUER)


def authorization_server(document: Mapping[str, Any], *, issuer: str) -> AuthorizationServer:
    """From metadata whose issuer was checked (RFC 8414 2)."""
    endpoint = document.get("registration_endpoint")
    if endpoint is None:
        raise RegistrationNotOffered("its metadata has no registration_endpoint")
    if not is_safe_url(endpoint, loopback=is_loopback(issuer)):
        raise UpstreamMalformed("registration_endpoint is not an https URL")
    methods = _strings(document, "token_endpoint_auth_methods_supported")
    return AuthorizationServer(
        issuer=issuer,
        registration_endpoint=endpoint,
        auth_methods=("client_secret_basic",) if methods is None else methods,  # the default of RFC 8414 2
        grant_types=_strings(document, "grant_types_supported"),
    )


# What we say ---------------------------------------------------------------------------------------------------------


def wanted(
    pool: Pool, quirks: Quirks, server: AuthorizationServer, *, redirect_uris: tuple[str, ...], name: str
) -> Wanted:
    return Wanted(
        name=name,
        redirect_uris=redirect_uris,
        scopes=asked_scopes(pool, quirks),
        auth_method=_method(pool, quirks, server),
        refresh=server.grant_types is None or "refresh_token" in server.grant_types,
    )


def registration_request(server: AuthorizationServer, asked: Wanted, initial_access_token: str) -> Request:
    """RFC 7591 3.1. The token, where there is one, is the operator's (RFC 7591 3)."""
    body = orjson.dumps(_metadata(asked))
    return Request("POST", server.registration_endpoint, _headers(initial_access_token, body=True), body)


def read_request(known: Registered) -> Request:
    """RFC 7592 2.1."""
    return Request("GET", known.management_uri, _headers(known.management_token))


def update_request(known: Registered, asked: Wanted) -> Request:
    """RFC 7592 2.2: everything anew, and the client's id and secret as they are."""
    body = _metadata(asked) | {"client_id": known.client_id}
    if known.client_secret:
        body["client_secret"] = known.client_secret
    return Request("PUT", known.management_uri, _headers(known.management_token, body=True), orjson.dumps(body))


def deletion_request(known: Registered) -> Request:
    """RFC 7592 2.3."""
    return Request("DELETE", known.management_uri, _headers(known.management_token))


# What comes of it ----------------------------------------------------------------------------------------------------


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
    for method in _PREFERRED:
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


def _method(pool: Pool, quirks: Quirks, server: AuthorizationServer) -> Method:
    chosen = pool.token_auth or quirks.client_auth
    if chosen:
        return _METHODS[chosen]
    for method in _PREFERRED:
        if method in server.auth_methods:
            return method
    raise RegistrationNotOffered("it takes no client that authenticates with a secret or not at all")


def _metadata(asked: Wanted) -> dict[str, Any]:
    """RFC 7591 2; `application_type` is OpenID's, which has no loopback for `web` (Registration 1.0, 2)."""
    native = any(is_loopback(uri) for uri in asked.redirect_uris)
    found: dict[str, Any] = {
        "client_name": asked.name,
        "redirect_uris": list(asked.redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"] if asked.refresh else ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": asked.auth_method,
        "application_type": "native" if native else "web",
    }
    if asked.scopes:
        found["scope"] = " ".join(asked.scopes)
    return found


def _headers(token: str, *, body: bool = False) -> dict[str, str]:
    headers = {"Accept": JSON}
    if body:
        headers["Content-Type"] = JSON
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _strings(document: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    value = document.get(name)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)

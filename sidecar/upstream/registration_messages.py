"""Our own registration at a provider (RFC 7591, RFC 7592): what we are, and what we say. Pure.

Owns the values, the requests and the ways in which it fails. What comes of it is judged in `registration_answers`, the
calls are `registration`'s.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from sidecar.records import Pool
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
PREFERRED: tuple[Method, ...] = ("client_secret_post", "client_secret_basic", "none")
_METADATA = re.compile(r'resource_metadata=(?:"([^"]+)"|([^\s,"]+))')
_LONGEST_ISSUER = 512
_MOST_SERVERS = 10


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


def _method(pool: Pool, quirks: Quirks, server: AuthorizationServer) -> Method:
    chosen = pool.token_auth or quirks.client_auth
    if chosen:
        return _METHODS[chosen]
    for method in PREFERRED:
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

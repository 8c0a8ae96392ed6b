"""The requests we send to a provider, as values: pure builders. Their judges are in `answers`.

Owns which parameters leave us and how they are encoded. Nothing of an MCP client's request is ever passed on: the
parameters are our own, the preset's and the operator's.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import orjson

from sidecar.records import Pool
from sidecar.upstream.base import UpstreamMisconfigured
from sidecar.upstream.quirks import ClientAuth, Quirks, uses_id_token

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
RESERVED = frozenset(
    {
        "response_type",
        "client_id",
        "client_secret",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
        "request",
        "request_uri",
    }
)
"""Parameters of an authorization request that no setting may replace."""

_IDENTITY_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_OF_A_RESOURCE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/.+")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Its body and headers hold secrets, so they are not shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    body: bytes = field(repr=False, default=b"")


def authorization_url(
    endpoint: str, pool: Pool, quirks: Quirks, *, redirect_uri: str, state: str, nonce: str, challenge: str
) -> str:
    """RFC 6749 4.1.1, RFC 7636 4.3, OpenID Connect Core 3.1.2.1. The endpoint's own query is kept (RFC 6749 3.1)."""
    scopes = asked_scopes(pool, quirks)
    parameters = {
        "response_type": "code",
        "client_id": pool.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    if scopes:
        parameters[quirks.scope_parameter] = quirks.scope_separator.join(scopes)
    if uses_id_token(pool):
        parameters["nonce"] = nonce
    if quirks.pkce:
        parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    extra = dict(quirks.authorize_params) | dict(pool.authorize_params)
    parameters |= {name: value for name, value in extra.items() if name not in RESERVED | parameters.keys()}
    joint = "&" if urlsplit(endpoint).query else "?"
    return endpoint + joint + encode(parameters)


def exchange_request(
    endpoint: str, pool: Pool, quirks: Quirks, auth: ClientAuth, *, code: str, redirect_uri: str, verifier: str
) -> Request:
    """RFC 6749 4.1.3, RFC 7636 4.5."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if quirks.pkce:
        form["code_verifier"] = verifier
    return _post(endpoint, pool, quirks, auth, form | _token_scope(pool, quirks))


def refresh_request(endpoint: str, pool: Pool, quirks: Quirks, auth: ClientAuth, *, refresh_token: str) -> Request:
    """RFC 6749 6."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _post(endpoint, pool, quirks, auth, form | _token_scope(pool, quirks))


def revoke_request(
    endpoint: str, pool: Pool, quirks: Quirks, auth: ClientAuth, *, access_token: str, refresh_token: str
) -> Request:
    """RFC 7009 2.1: the refresh token where there is one, since that ends the access token too."""
    if quirks.revocation == "delete_json":
        headers = {"Accept": JSON, "Content-Type": JSON, "Authorization": _basic(pool, auth)}
        return Request("DELETE", endpoint, headers | dict(quirks.headers), orjson.dumps({"access_token": access_token}))
    hint = "refresh_token" if refresh_token else "access_token"
    return _post(endpoint, pool, quirks, auth, {"token": refresh_token or access_token, "token_type_hint": hint})


def introspection_request(endpoint: str, pool: Pool, quirks: Quirks, auth: ClientAuth, *, access_token: str) -> Request:
    """RFC 7662 2.1."""
    return _post(endpoint, pool, quirks, auth, {"token": access_token, "token_type_hint": "access_token"})


def userinfo_request(endpoint: str, quirks: Quirks, access_token: str) -> Request:
    """OpenID Connect Core 5.3.1; the same shape serves other providers' user APIs, some of which want a POST."""
    headers = {"Accept": JSON, "Authorization": f"Bearer {access_token}"} | dict(quirks.headers)
    if not quirks.userinfo_body:
        return Request("GET", endpoint, headers)
    return Request("POST", endpoint, headers | {"Content-Type": JSON}, quirks.userinfo_body.encode())


def document_request(url: str) -> Request:
    """RFC 8414 3.1, RFC 9728 3.1, RFC 7517 5."""
    return Request("GET", url, {"Accept": JSON})


def asked_scopes(pool: Pool, quirks: Quirks) -> tuple[str, ...]:
    """The preset's scopes, then the pool's, each once, with the preset's prefix where one is needed."""
    if not quirks.scope_parameter:
        return ()
    prefix = quirks.scope_prefix.format(client_id=pool.client_id)
    own = (scope if _whole(scope) else prefix + scope for scope in pool.scopes)
    return tuple(dict.fromkeys([*quirks.scopes, *own]))


def told_scopes(scopes: Iterable[str], pool: Pool, quirks: Quirks) -> tuple[str, ...]:
    """Scopes as the provider answered them, in the names the operator gave."""
    prefix = quirks.scope_prefix.format(client_id=pool.client_id)
    aliases = dict(quirks.scope_aliases)
    bare = {prefix + scope for scope in pool.scopes if prefix and not _whole(scope)}
    return tuple(
        dict.fromkeys(scope.removeprefix(prefix) if scope in bare else aliases.get(scope, scope) for scope in scopes)
    )


def client_auth(pool: Pool, quirks: Quirks, metadata: Mapping[str, object] | None) -> ClientAuth:
    """How we authenticate: the pool's word, the preset's, the discovery document's (RFC 8414 2), else Basic.

    `post` goes before `basic` where both are allowed: servers disagree on the encoding of Basic (RFC 6749 2.3.1).
    """
    if not pool.client_secret:
        return "none"
    for name in ("basic", "basic_raw", "post", "none"):
        if pool.token_auth == name:
            return name
    if quirks.client_auth is not None:
        return quirks.client_auth
    methods = (metadata or {}).get("token_endpoint_auth_methods_supported")
    if not isinstance(methods, list) or "client_secret_basic" in methods:
        return "post" if isinstance(methods, list) and "client_secret_post" in methods else "basic"
    if "client_secret_post" in methods:
        return "post"
    raise UpstreamMisconfigured("the provider accepts no client secret; set token_auth if its document is wrong")


def encode(parameters: Mapping[str, str]) -> str:
    """A query or form in which a space is `%20`: some providers read `+` as a plus sign."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items())


def _post(endpoint: str, pool: Pool, quirks: Quirks, auth: ClientAuth, form: Mapping[str, str]) -> Request:
    headers = {"Accept": JSON, "Content-Type": JSON if quirks.body_format == "json" else FORM} | dict(quirks.headers)
    body = dict(form)
    if auth in {"basic", "basic_raw"}:
        headers["Authorization"] = _basic(pool, auth)
    else:
        body["client_id"] = pool.client_id
        if auth == "post":
            body["client_secret"] = pool.client_secret
    raw = orjson.dumps(body) if quirks.body_format == "json" else encode(body).encode("ascii")
    return Request("POST", endpoint, headers, raw)


def _basic(pool: Pool, auth: ClientAuth) -> str:
    """RFC 6749 2.3.1 asks for form encoding; with %20 instead of + every server tried reads it."""
    pair = (pool.client_id, pool.client_secret)
    user, password = pair if auth == "basic_raw" else (quote(each, safe="") for each in pair)
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def _token_scope(pool: Pool, quirks: Quirks) -> dict[str, str]:
    """The scope parameter of a token request, where the preset wants one: one resource's scopes per request."""
    if not quirks.scope_on_token:
        return {}
    scopes = asked_scopes(pool, quirks)
    resources = [scope.rpartition("/")[0] for scope in scopes if scope not in _IDENTITY_SCOPES]
    kept = [scope for scope in scopes if scope in _IDENTITY_SCOPES or scope.rpartition("/")[0] == resources[0]]
    return {"scope": quirks.scope_separator.join(kept)}


def _whole(scope: str) -> bool:
    """Whether a scope already names its resource, or is one of OpenID Connect's own."""
    return scope in _IDENTITY_SCOPES or "://" in scope or bool(_OF_A_RESOURCE.fullmatch(scope))

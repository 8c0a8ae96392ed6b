"""Requests to /authorize, /token and /revoke: bytes to frozen values, read once; nothing below sees a form.

Owns shape and limits (RFC 6749 3.1, 3.2, RFC 7636 4, RFC 7009 2.1, RFC 8707 2). Owns no judgement of the values:
whether a client, a redirect URI or a resource is known, the use cases decide.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.oauth import forms, pkce
from sidecar.oauth.authentication import AuthMethod, ClientCredentials, NoToken, bearer, client_credentials
from sidecar.oauth.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    PayloadTooLarge,
    UnsupportedGrantType,
)

__all__ = [
    "AuthMethod",
    "AuthorizationParams",
    "ClientCredentials",
    "CodeRequest",
    "NoToken",
    "RefreshRequest",
    "RevocationRequest",
    "authorization_params",
    "bearer",
    "form_fields",
    "refuse_secrets_in_query",
    "revocation_request",
    "token_request",
]

MAX_QUERY = 16 * 1024
MAX_BODY = 64 * 1024
MAX_STATE = 4096
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3
_SINGLE = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
# What must never stand in a URL (RFC 6749 2.3.1): it would be in histories and access logs by now.
_SECRET = frozenset({"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "token"})


@dataclass(frozen=True, slots=True)
class AuthorizationParams:
    """What stood in an authorization request (RFC 6749 4.1.1). A repeated parameter counts as absent and is named."""

    response_type: str
    client_id: str
    redirect_uri: str | None
    scopes: tuple[str, ...] | None
    """Unchecked; None when not sent."""
    state: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    resources: tuple[str, ...]
    """RFC 8707 2: syntactically this one may repeat."""
    repeated: frozenset[str]


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """RFC 6749 4.1.3 with the verifier of RFC 7636 4.5."""

    credentials: ClientCredentials
    code: str = field(repr=False)
    code_verifier: str = field(repr=False)
    redirect_uri: str | None
    resource: str | None


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """RFC 6749 6."""

    credentials: ClientCredentials
    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...] | None
    resource: str | None


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """RFC 7009 2.1."""

    credentials: ClientCredentials
    token: str = field(repr=False)
    hint: str | None


def authorization_params(raw_query: str | bytes) -> AuthorizationParams:
    """From the raw, still encoded query or form.

    Raises InvalidRequest for what cannot be decoded or is oversized, and for nothing else: all other faults are told to
    the client by redirect, once client and redirect URI are known to be good.
    """
    raw = _bytes(raw_query)
    if len(raw) > MAX_QUERY:
        raise InvalidRequest("The request is too large.", reason=f"a query of {len(raw)} bytes")
    fields = forms.pairs(raw)
    repeated = forms.repeats(fields) & frozenset(_SINGLE)
    values = {name: value for name, value in fields if value and name not in repeated}
    if len(values.get("state", "")) > MAX_STATE:
        raise InvalidRequest("The state is too long.", reason=f"a state of {len(values['state'])} characters")
    return AuthorizationParams(
        response_type=values.get("response_type", ""),
        client_id=values.get("client_id", ""),
        redirect_uri=values.get("redirect_uri"),
        # Only the space separates: a line break inside a token shall stay there and fail.
        scopes=_tokens(values.get("scope", "")),
        state=values.get("state"),
        code_challenge=values.get("code_challenge"),
        code_challenge_method=values.get("code_challenge_method"),
        resources=tuple(value for name, value in fields if name == "resource" and value),
        repeated=repeated,
    )


def token_request(body: bytes, authorization: str | None) -> CodeRequest | RefreshRequest:
    """From the form of POST /token. The client's credentials are read, not checked."""
    fields = form_fields(body)
    grant_type = fields.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("The grant_type is missing.")
    if grant_type not in {"authorization_code", "refresh_token"}:
        raise UnsupportedGrantType(reason="an unknown grant_type")
    credentials = client_credentials(fields, authorization)
    if grant_type == "refresh_token":
        return RefreshRequest(
            credentials,
            refresh_token=_required(fields, "refresh_token"),
            scopes=_checked_scopes(fields.get("scope", "")),
            resource=fields.get("resource"),
        )
    code, verifier = _required(fields, "code"), fields.get("code_verifier", "")
    if not pkce.valid_verifier(verifier):
        raise InvalidGrant(reason="code_verifier missing or misshapen")
    return CodeRequest(credentials, code, verifier, fields.get("redirect_uri"), fields.get("resource"))


def revocation_request(body: bytes, authorization: str | None) -> RevocationRequest:
    """From the form of POST /revoke. The client's credentials are read, not checked."""
    fields = form_fields(body)
    credentials = client_credentials(fields, authorization)
    return RevocationRequest(credentials, _required(fields, "token"), fields.get("token_type_hint"))


def form_fields(body: bytes) -> dict[str, str]:
    """A form whose names stand there once each (RFC 6749 3.2). A field without a value is left out."""
    if len(body) > MAX_BODY:
        raise PayloadTooLarge(reason=f"a form of {len(body)} bytes")
    fields = forms.pairs(body)
    if forms.repeats(fields):
        raise InvalidRequest("A parameter is repeated.")
    return {name: value for name, value in fields if value}


def refuse_secrets_in_query(raw_query: str | bytes) -> None:
    """For POST endpoints: raises InvalidRequest when the URL carries what only a body may carry."""
    raw = _bytes(raw_query)
    if raw and any(name in _SECRET for name, _ in forms.pairs(raw[:MAX_BODY])):
        raise InvalidRequest("Credentials belong into the body.", reason="credentials in the query")


def _bytes(raw: str | bytes) -> bytes:
    """The server hands undecodable bytes on as lone surrogates; back to bytes, so that decoding can refuse them."""
    try:
        return raw if isinstance(raw, bytes) else raw.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise InvalidRequest(reason="not UTF-8") from None


def _required(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise InvalidRequest(f"The {name} is missing.")
    return fields[name]


def _tokens(scope: str) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(token for token in scope.split(" ") if token)) or None


def _checked_scopes(scope: str) -> tuple[str, ...] | None:
    tokens = _tokens(scope)
    if tokens and not all(_SCOPE_TOKEN.fullmatch(token) for token in tokens):
        raise InvalidScope(reason="a malformed scope")
    return tokens

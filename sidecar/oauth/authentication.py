"""What a caller says to prove who it is: client credentials (RFC 6749 2.3, RFC 7521 4.2), bearer tokens (RFC 6750 2.1).

Owns the reading only. Whether a secret or an assertion is right, and whether a token still stands for anything, others
decide.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from sidecar.oauth import forms
from sidecar.oauth.assertion import ASSERTION_TYPE, claimed_client
from sidecar.oauth.errors import InvalidClient, InvalidRequest, InvalidToken, OAuthError

AuthMethod = Literal["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]

_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
# RFC 6750 2.1 and RFC 9110 11.1: the scheme in any case, one space, b64token; everything else exactly.
_BEARER = re.compile(r"bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_BEARER_SCHEME = re.compile(r"bearer(?:[ \t]|$)", re.IGNORECASE)
_MAX_HEADER = 8192


class NoToken(OAuthError):
    """A request without a bearer token: 401, and a challenge that has no `error` (RFC 6750 3.1)."""

    code: ClassVar[str] = "unauthorized"
    status: ClassVar[int] = 401
    default: ClassVar[str] = "An access token is needed."


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who the caller says it is, and how it wants to prove that.

    `secret` is empty for `none`, and the assertion for `private_key_jwt`.
    """

    client_id: str
    method: AuthMethod
    secret: str = field(repr=False, default="")

    @property
    def basic(self) -> bool:
        """Whether an `invalid_client` needs `WWW-Authenticate: Basic` (RFC 6749 5.2)."""
        return self.method == "client_secret_basic"


def client_credentials(fields: Mapping[str, str], authorization: str | None) -> ClientCredentials:
    """From the form and the Authorization header: one method only (RFC 6749 2.3).

    Raises InvalidClient when no client is named or the method is not one of ours, InvalidRequest for two methods.
    """
    client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if "client_assertion" in fields or "client_assertion_type" in fields:
        if secret or authorization is not None:
            raise InvalidRequest("Use one client authentication method only.", reason="two methods")
        return _assertion(fields)
    if authorization is None:
        if not client_id:
            raise InvalidClient(reason="no client_id")
        return ClientCredentials(client_id, "client_secret_post" if secret else "none", secret)
    credentials = _basic(authorization)
    if secret:
        raise InvalidRequest("Use one client authentication method only.", reason="two methods")
    if client_id and client_id != credentials.client_id:
        raise InvalidRequest("Use one client authentication method only.", reason="two client ids")
    return credentials


def bearer(header_values: Sequence[str]) -> str:
    """The token in the Authorization headers of a request.

    Raises NoToken when there is none, or a scheme other than Bearer; InvalidToken for a second header or a token that
    is no b64token.
    """
    if len(header_values) > 1:
        raise InvalidToken(reason="several Authorization headers")
    value = header_values[0] if header_values else ""
    if not _BEARER_SCHEME.match(value) or not value[len("bearer") :].strip(" \t"):
        raise NoToken(reason="no bearer token")
    found = _BEARER.fullmatch(value) if len(value) <= _MAX_HEADER else None
    if found is None:
        raise InvalidToken(reason="malformed bearer token")
    return found[1]


def _assertion(fields: Mapping[str, str]) -> ClientCredentials:
    """RFC 7521 4.2: who it is from stands in the assertion; a `client_id` beside it must be the same."""
    assertion, client_id = fields.get("client_assertion", ""), fields.get("client_id", "")
    if fields.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(reason="no client_assertion_type, or one that we do not know")
    if not assertion:
        raise InvalidClient(reason="no client_assertion")
    claimed = claimed_client(assertion)
    if client_id and client_id != claimed:
        raise InvalidClient(reason="the client_id is not the one of the assertion")
    return ClientCredentials(claimed, "private_key_jwt", assertion)


def _basic(authorization: str) -> ClientCredentials:
    """RFC 6749 2.3.1: id and secret are form-encoded each, then joined, then base64.

    Clients that skip the form-encoding are read right all the same: ids and secrets of ours are unreserved characters.
    """
    found = _BASIC.fullmatch(authorization) if len(authorization) <= _MAX_HEADER else None
    if found is None:
        raise InvalidClient(reason="not Basic credentials", basic=True)
    try:
        client_id, colon, secret = b64decode(found[1], validate=True).partition(b":")
        decoded = ClientCredentials(forms.decode(client_id), "client_secret_basic", forms.decode(secret))
    except (ValueError, InvalidRequest):
        raise InvalidClient(reason="malformed Basic credentials", basic=True) from None
    if not colon or not decoded.client_id:
        raise InvalidClient(reason="incomplete Basic credentials", basic=True)
    return decoded

"""Client assertions: the JWT with which a client proves that it holds a private key (RFC 7523 2.2 and 3, OIDC Core 9).

Owns what an assertion must say, and for how long it may say it. Signature first: nothing that it claims is believed
before. Owns neither the keys (`signatures` judges them, others fetch them) nor the memory of what was used before.
"""

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.jws import ALGORITHMS
from sidecar.oauth.signatures import UnknownKey, signed_payload

__all__ = ["ALGORITHMS", "ASSERTION_TYPE", "Proof", "UnknownKey", "claimed_client", "verify"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH = 8 * 1024
SKEW = 30
"""Seconds by which a client's clock may differ from ours."""
LIFETIME = 300
"""Seconds from now to its end, at most: as long as its `jti` must be remembered."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST_CLIENT = 2048
_LONGEST_JTI = 256


@dataclass(frozen=True, slots=True)
class Proof:
    """An assertion that is right. Whether it is the first of its `jti`, the store says."""

    jti: str
    expires_at: int

    def seconds_to_remember(self, now: int) -> int:
        """Until nobody accepts it any more: the skew once for its own end, once for replicas whose clocks differ."""
        return self.expires_at - now + 2 * SKEW


def claimed_client(assertion: str) -> str:
    """Whom it says it is from, not verified: a name to look up, as a `client_id` in a form is.

    Raises InvalidClient for what cannot be an assertion.
    """
    if len(assertion) > MAX_LENGTH or not _COMPACT.fullmatch(assertion):
        raise InvalidClient(reason="not a signed JWT, or a very long one")
    payload = assertion.split(".")[1]
    try:
        claims = _claims(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        raise InvalidClient(reason="the assertion cannot be read") from None
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or not 0 < len(client_id) <= _LONGEST_CLIENT:
        raise InvalidClient(reason="the assertion names no client")
    if not client_id.isascii() or not client_id.isprintable():
        raise InvalidClient(reason="the assertion names no client")
    return client_id


def verify(assertion: str, keys: Mapping[str, object], *, client_id: str, audiences: frozenset[str], now: int) -> Proof:
    """`keys` is the client's JWK set, `audiences` what we are called.

    Raises UnknownKey when no key of the set can have made it, else InvalidClient; nothing else, whatever it is.
    """
    if len(assertion) > MAX_LENGTH or not _COMPACT.fullmatch(assertion):
        raise InvalidClient(reason="not a signed JWT, or a very long one")
    claims = _claims(signed_payload(assertion, keys))
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidClient(reason="the assertion's iss and sub are not the client")
    _check_audience(claims.get("aud"), audiences)
    expires_at = _check_times(claims, now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise InvalidClient(reason="the assertion has no usable jti")
    return Proof(jti, expires_at)


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise InvalidClient(reason="the assertion holds no claims")
    return claims


def _check_audience(audience: object, audiences: frozenset[str]) -> None:
    """RFC 7523 3. One audience only: what is good elsewhere, too, could be played on (draft-ietf-oauth-rfc7523bis 4).

    The danger is real here: the id of a client that is a document is the same at every authorization server.
    """
    only = audience[0] if isinstance(audience, list) and len(audience) == 1 else audience
    if not isinstance(only, str):
        raise InvalidClient(reason="the assertion has no audience, or several")
    if only not in audiences:
        raise InvalidClient(reason="the assertion is for somebody else")


def _check_times(claims: Mapping[str, Any], now: int) -> int:
    """When it ends. A clock that is a little off is forgiven (RFC 7523 3), a long life is not."""
    end = _time(claims, "exp")
    if end <= now - SKEW:
        raise InvalidClient(reason="the assertion has expired")
    if end > now + LIFETIME + SKEW:
        raise InvalidClient(reason=f"the assertion ends more than {LIFETIME} seconds from now")
    if "iat" in claims and not now - LIFETIME - SKEW <= _time(claims, "iat") <= now + SKEW:
        raise InvalidClient(reason="the assertion was issued too long ago, or in the future")
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW:
        raise InvalidClient(reason="the assertion is not valid yet")
    return math.ceil(end)


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidClient(reason=f"the assertion has no usable {name}")
    return value

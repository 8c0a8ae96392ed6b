"""Signatures as we take them, whoever makes them (RFC 7515, RFC 7517, RFC 8725).

Owns the algorithms on our list, what a published key may be, and the verification. A header is trusted for nothing but
which of the published keys to try: `jwk`, `jku`, `x5u` and `x5c` are never followed, an algorithm must be on the list,
and neither `none` nor a symmetric one is. Owns neither what else a header may say nor what a payload says.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        **dict.fromkeys(("EdDSA", "Ed25519"), ("OKP", "Ed25519")),  # one algorithm, two names (RFC 9864 2.2)
    }
)
"""Algorithm -> type and curve of its keys."""

ALGORITHMS = tuple(KEYS)
MOST_KEYS = 100
"""Of a set. Later ones are not looked at."""

_TYPES = ("RSA", "EC", "OKP")  # a tuple, not a set: what is sent may be unhashable
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")
_SHORTEST_RSA, _LONGEST_RSA = 2048, 8192
_LONGEST_MODULUS = 1400  # base64url characters
_LONGEST_EXPONENT = 64
"""Bits. A check takes as long as the exponent is, and strangers choose it; in the field it has 17."""

Key = RSAKey | ECKey | OKPKey


class _Exactly(jws.JWSRegistry):
    """Only the algorithm it is given; header members that we do not use are let through (RFC 7515 4)."""

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        # Not the base class's: it warns that EdDSA got a second name, which nobody here can act on.
        return self.algorithms[name]


def header_of(token: str) -> dict[str, Any] | None:
    """What a token in compact form says of itself; None for what is none."""
    try:
        first, _, _ = token.split(".")
        header = orjson.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError:
        return None
    return header if isinstance(header, dict) else None


def public_key(entry: Mapping[str, Any]) -> Key | None:
    """An entry of a JWK set as a key; None when it is not one of ours, or is nothing to be trusted."""
    if entry.get("kty") not in _TYPES:
        return None
    if entry["kty"] == "RSA" and not (
        _SHORTEST_RSA <= _bits(entry.get("n")) <= _LONGEST_RSA and _bits(entry.get("e")) <= _LONGEST_EXPONENT
    ):
        return None
    try:
        # Only the members that make the key: what else a set says about it is its reader's, not the library's.
        members: Any = {name: entry[name] for name in _PUBLIC if name in entry}
        key = JWKRegistry.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, Key) else None


def payload_by(key: Key, token: str, algorithm: str) -> bytes | None:
    """What this key signed with this algorithm; None when it did not."""
    registry = _Exactly(algorithms=[algorithm], strict_check_header=False)
    try:
        return jws.deserialize_compact(token, key, registry=registry, algorithms=[algorithm]).payload
    except (JoseError, ValueError, TypeError, RecursionError):
        return None


def _bits(number: object) -> int:
    """The library only warns of a short key, and only after it is made."""
    if not isinstance(number, str) or len(number) > _LONGEST_MODULUS:
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()
    except ValueError:
        return 0

"""Signatures that clients make: which key of a client's JWK set made one (RFC 7515, RFC 7517, RFC 8725).

Owns what a header and a published key may be, and the verification. A header is trusted for nothing but which of the
published keys to try: `jwk`, `jku`, `x5u` and `x5c` are never followed, an algorithm must be on our own list, and
neither `none` nor a symmetric one is. Owns neither the fetching of keys nor what a payload says.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from sidecar.oauth.errors import InvalidClient

_KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        **dict.fromkeys(("EdDSA", "Ed25519"), ("OKP", "Ed25519")),  # one algorithm, two names (RFC 9864 2.2)
    }
)
"""Algorithm -> type and curve of its keys."""

ALGORITHMS = tuple(_KEYS)

_TYPES = ("jwt", "client-authentication+jwt")
# RFC 7515 4.1.11: we understand no extension. RFC 7519 5.2: no nested JWT. The rest changes what is signed.
_REFUSED = ("crit", "b64", "zip", "cty", "enc")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_PUBLIC = ("kty", "n", "e", "crv", "x", "y")
_SHORTEST_RSA, _LONGEST_RSA = 2048, 8192
_LONGEST_MODULUS = 1400  # base64url characters
_LONGEST_EXPONENT = 64
"""Bits. A check takes as long as the exponent is, and strangers choose it; in the field it has 17."""
_MOST_KEYS = 100
_MOST_TRIED = 8
"""Keys that are tried when the header names none, or several are of one name."""

_Key = RSAKey | ECKey | OKPKey


class UnknownKey(InvalidClient):
    """No key that we have can have made it. The client may have changed its keys, so a fresh copy is worth a look."""


class _Exactly(jws.JWSRegistry):
    """Only the algorithm it is given; header members that we do not use are let through (RFC 7515 4)."""

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        # Not the base class's: it warns that EdDSA got a second name, which nobody here can act on.
        return self.algorithms[name]


def signed_payload(token: str, keys: Mapping[str, object]) -> bytes:
    """What a key of this JWK set signed, in compact form. Raises UnknownKey or another InvalidClient."""
    algorithm, kid = _header(token)
    registry = _Exactly(algorithms=[algorithm], strict_check_header=False)
    for key in _candidates(keys, algorithm, kid):
        try:
            return jws.deserialize_compact(token, key, registry=registry, algorithms=[algorithm]).payload
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
    if kid is None:
        raise UnknownKey(reason="the assertion names no key, and none of the client's made it")
    raise InvalidClient(reason="the assertion's signature is wrong")


def _header(token: str) -> tuple[str, str | None]:
    """The algorithm and the key id."""
    try:
        first, _, _ = token.split(".")
        header = orjson.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except ValueError:
        raise InvalidClient(reason="the assertion is not a signed JWT") from None
    if not isinstance(header, dict) or any(name in header for name in _REFUSED):
        raise InvalidClient(reason="the assertion's header asks for something we do not do")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in _KEYS:
        raise InvalidClient(reason="the assertion's algorithm is not allowed")
    # RFC 8725 3.11: a JWT that says it is something else is no client assertion, whoever signed it.
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidClient(reason="the assertion's type is another kind of JWT")
    if kid is not None and not isinstance(kid, str):
        raise InvalidClient(reason="the assertion's key id is no text")
    return algorithm, kid


def _candidates(keys: Mapping[str, object], algorithm: str, kid: str | None) -> list[_Key]:
    entries = keys.get("keys")
    if not isinstance(entries, list):
        raise InvalidClient(reason="the client's keys are not a JWK set")
    named = [entry for entry in entries[:_MOST_KEYS] if isinstance(entry, dict) and kid in {None, _name(entry)}]
    if not named:
        raise UnknownKey(reason="the client publishes no key of the assertion's key id")
    found = (key for entry in named if (key := _import(entry, algorithm)) is not None)
    usable = list(islice(found, _MOST_TRIED))
    if not usable and kid is not None:
        raise InvalidClient(reason="the key of the assertion's key id is not one that we use with its algorithm")
    return usable


def _name(entry: Mapping[str, object]) -> str:
    kid = entry.get("kid")
    return kid if isinstance(kid, str) else ""


def _import(entry: Mapping[str, object], algorithm: str) -> _Key | None:
    """A published key as one for this algorithm; None when it is not, or is nothing to be trusted."""
    if not _is_for(entry, algorithm) or any(name in entry for name in _PRIVATE):
        return None
    if entry["kty"] == "RSA" and not (
        _SHORTEST_RSA <= _bits(entry.get("n")) <= _LONGEST_RSA and _bits(entry.get("e")) <= _LONGEST_EXPONENT
    ):
        return None
    try:
        # Only the members that make the key: what else a set says about it is read here, not by the library.
        members: Any = {name: entry[name] for name in _PUBLIC if name in entry}
        key = JWKRegistry.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


def _is_for(entry: Mapping[str, object], algorithm: str) -> bool:
    """What the key says of itself (RFC 7517 4): nothing of it may contradict."""
    kind, curve = _KEYS[algorithm]
    alg, operations = entry.get("alg", algorithm), entry.get("key_ops", ["verify"])
    same_key = kind == "OKP"  # the only type whose algorithms differ in name only
    return (
        entry.get("kty") == kind
        and (not curve or entry.get("crv") == curve)
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and (alg == algorithm or (same_key and alg in ("EdDSA", "Ed25519")))
    )


def _bits(modulus: object) -> int:
    """The library only warns of a short key, and only after it is made."""
    if not isinstance(modulus, str) or len(modulus) > _LONGEST_MODULUS:
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4)), "big").bit_length()
    except ValueError:
        return 0

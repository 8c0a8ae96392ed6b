"""Signatures that clients make: which key of a client's JWK set made one (RFC 7515, RFC 7517, RFC 8725).

Owns what the header of a client's assertion and what a client's published key may say of themselves. Owns neither the
list of algorithms and the verification (`jws`), nor the fetching of keys, nor what a payload says.
"""

from collections.abc import Mapping
from itertools import islice

from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.jws import KEYS, MOST_KEYS, Key, header_of, payload_by, public_key

_TYPES = ("jwt", "client-authentication+jwt")
# RFC 7515 4.1.11: we understand no extension. RFC 7519 5.2: no nested JWT. The rest changes what is signed.
_REFUSED = ("crit", "b64", "zip", "cty", "enc")
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_MOST_TRIED = 8
"""Keys that are tried when the header names none, or several are of one name."""


class UnknownKey(InvalidClient):
    """No key that we have can have made it. The client may have changed its keys, so a fresh copy is worth a look."""


def signed_payload(token: str, keys: Mapping[str, object]) -> bytes:
    """What a key of this JWK set signed, in compact form. Raises UnknownKey or another InvalidClient."""
    algorithm, kid = _header(token)
    for key in _candidates(keys, algorithm, kid):
        payload = payload_by(key, token, algorithm)
        if payload is not None:
            return payload
    if kid is None:
        raise UnknownKey(reason="the assertion names no key, and none of the client's made it")
    raise InvalidClient(reason="the assertion's signature is wrong")


def _header(token: str) -> tuple[str, str | None]:
    """The algorithm and the key id."""
    header = header_of(token)
    if header is None:
        raise InvalidClient(reason="the assertion is not a signed JWT")
    if any(name in header for name in _REFUSED):
        raise InvalidClient(reason="the assertion's header asks for something we do not do")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in KEYS:
        raise InvalidClient(reason="the assertion's algorithm is not allowed")
    # RFC 8725 3.11: a JWT that says it is something else is no client assertion, whoever signed it.
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidClient(reason="the assertion's type is another kind of JWT")
    if kid is not None and not isinstance(kid, str):
        raise InvalidClient(reason="the assertion's key id is no text")
    return algorithm, kid


def _candidates(keys: Mapping[str, object], algorithm: str, kid: str | None) -> list[Key]:
    entries = keys.get("keys")
    if not isinstance(entries, list):
        raise InvalidClient(reason="the client's keys are not a JWK set")
    named = [entry for entry in entries[:MOST_KEYS] if isinstance(entry, dict) and kid in {None, _name(entry)}]
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


def _import(entry: Mapping[str, object], algorithm: str) -> Key | None:
    """A published key as one for this algorithm; None when it is not, or is nothing to be trusted."""
    if not _is_for(entry, algorithm) or any(name in entry for name in _PRIVATE):
        return None
    return public_key(entry)


def _is_for(entry: Mapping[str, object], algorithm: str) -> bool:
    """What the key says of itself (RFC 7517 4): nothing of it may contradict."""
    kind, curve = KEYS[algorithm]
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

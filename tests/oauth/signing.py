"""What a client with a private key does: keys of every algorithm, their public JWK set, signed assertions."""

import warnings
from collections.abc import Mapping
from functools import cache

import orjson
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

CLIENT = "https://client.example/oauth/client.json"
ISSUER = "https://mcp.example.com"
NOW = 1_800_000_000
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}

Key = RSAKey | ECKey | OKPKey | OctKey


@cache
def key_for(algorithm: str, number: int = 1, size: int = 2048) -> Key:
    """Always the same one for the same arguments; `number` for a client that has several."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        if algorithm in CURVES:
            return ECKey.generate_key(CURVES[algorithm])
        if algorithm in {"EdDSA", "Ed25519", "Ed448"}:
            return OKPKey.generate_key("Ed448" if algorithm == "Ed448" else "Ed25519")
        if algorithm.startswith("HS"):
            return OctKey.generate_key(512)
        return RSAKey.generate_key(size)


def public(key: Key, **members: object) -> dict[str, object]:
    return {**key.as_dict(private=False), "kid": "k1", **members}


def key_set(*entries: Mapping[str, object]) -> dict[str, object]:
    return {"keys": list(entries)}


def claims(**changes: object) -> dict[str, object]:
    """Of a good assertion; a change to None leaves the claim out."""
    good: dict[str, object] = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j-1"}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(payload: Mapping[str, object] | bytes, key: Key, algorithm: str = "ES256", **header: object) -> str:
    """In compact form, with a header of whatever kind."""
    members = {"alg": algorithm, "kid": "k1", **header}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    raw = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact(
            {name: value for name, value in members.items() if value is not None}, raw, key, registry=registry
        )

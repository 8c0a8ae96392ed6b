"""Proof Key for Code Exchange, S256 only (RFC 7636). Owns no comparison: that is part of the store's script."""

import re
from base64 import urlsafe_b64encode

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

METHOD = "S256"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_RANDOM_BYTES = 32


def valid_verifier(verifier: str) -> bool:
    """RFC 7636 4.1: 43 to 128 unreserved characters."""
    return _VERIFIER.fullmatch(verifier) is not None


def valid_challenge(challenge: str) -> bool:
    """RFC 7636 4.2: SHA-256 in base64url without padding is always 43 characters."""
    return _CHALLENGE.fullmatch(challenge) is not None


def s256(verifier: str) -> str:
    """The challenge of a verifier that `valid_verifier` accepted."""
    return str(create_s256_code_challenge(verifier))


def new_verifier(random: bytes) -> str:
    """A verifier made of at least 32 random bytes (RFC 7636 7.1). Raises ValueError for fewer."""
    if len(random) < _RANDOM_BYTES:
        raise ValueError("a verifier needs 32 random bytes")
    return urlsafe_b64encode(random[:_RANDOM_BYTES]).decode().rstrip("=")

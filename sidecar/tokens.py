"""The proxy token codec: what a code, an access token and a refresh token of ours look like.

    <kind prefix> base64url( format 2 | key id 2 | grant id 16 | generation 4 | secret 32 | HMAC-SHA256 16 )

A token whose MAC is bad is refused without any I/O. The store keeps no token, not even hashed: it keeps the grant's
data key wrapped under a key that only the token's own secret gives. Owns neither grants nor lifetimes.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.clock import Entropy
from sidecar.sealing import (
    Keyring,
    SealError,
    derive_once,
    length_prefixed,
    open_under,
    seal_under,
    unwrap_key,
    wrap_key,
)

_FORMAT = b"\x00\x01"
_BODY_BYTES = 2 + 2 + 16 + 4 + 32
_MAC_BYTES = 16
_TEXT_LENGTH = (_BODY_BYTES + _MAC_BYTES) * 4 // 3  # 72 bytes: no padding, and no two texts for one token


class Kind(StrEnum):
    """Each kind has its own prefix, MAC key and wrapping keys, so none can stand in for another."""

    CODE = "code"
    ACCESS = "access"
    REFRESH = "refresh"


PREFIX = {Kind.CODE: "dcrc_", Kind.ACCESS: "dcra_", Kind.REFRESH: "dcrr_"}


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed token: its MAC is good, so we minted it; whether it still stands for anything, the grant says."""

    kind: Kind
    key_id: int
    grant_id: str
    generation: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenCodec:
    keyring: Keyring
    entropy: Entropy

    def mint(self, kind: Kind, grant_id: str, generation: int) -> Token:
        return Token(kind, self.keyring.active, grant_id, generation, self.entropy(32))

    def encode(self, token: Token) -> str:
        body = b"".join(
            (
                _FORMAT,
                token.key_id.to_bytes(2, "big"),
                bytes.fromhex(token.grant_id),
                token.generation.to_bytes(4, "big"),
                token.secret,
            )
        )
        return PREFIX[token.kind] + urlsafe_b64encode(body + self._mac(token.kind, token.key_id, body)).decode()

    def parse(self, kind: Kind, text: str) -> Token | None:
        """The token, or None for anything that we did not mint as this kind under a key that still opens."""
        prefix = PREFIX[kind]
        if len(text) != len(prefix) + _TEXT_LENGTH or not text.startswith(prefix) or not text.isascii():
            return None
        try:
            raw = urlsafe_b64decode(text[len(prefix) :])
            # The decoder reads `+` as `-` and skips what it does not know: only the canonical text is the token.
            if not raw.startswith(_FORMAT) or urlsafe_b64encode(raw).decode() != text[len(prefix) :]:
                return None
            body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
            key_id = int.from_bytes(body[2:4], "big")
            if not hmac.compare_digest(mac, self._mac(kind, key_id, body)):
                return None
        except (ValueError, SealError):
            return None
        return Token(kind, key_id, body[4:20].hex(), int.from_bytes(body[20:24], "big"), body[24:])

    def wrap(self, token: Token, data_key: bytes) -> bytes:
        """The grant's data key, so that only this very token's bearer and our keyring together open it."""
        return wrap_key(self._key_for("token-wrap", token), data_key)

    def unwrap(self, token: Token, wrapped: bytes) -> bytes:
        """Raises SealError unless `wrapped` was made for this token."""
        return unwrap_key(self._key_for("token-wrap", token), wrapped)

    def seal(self, token: Token, plaintext: bytes) -> bytes:
        """Seal for whoever holds this token: the answer that a repeated refresh gets again."""
        return seal_under(self._key_for("token-answer", token), plaintext, b"", self.entropy)

    def open(self, token: Token, sealed: bytes) -> bytes:
        """Raises SealError unless `seal` made these bytes for this token."""
        return open_under(self._key_for("token-answer", token), sealed, b"")

    def _mac(self, kind: Kind, key_id: int, body: bytes) -> bytes:
        return self.keyring.mac(key_id, f"token-mac/{kind}", body)[:_MAC_BYTES]

    def _key_for(self, purpose: str, token: Token) -> bytes:
        return derive_once(
            token.secret,
            salt=self.keyring.derive(token.key_id, purpose),
            info=length_prefixed(token.kind, token.grant_id, token.generation.to_bytes(4, "big")),
        )

"""The keyring, purpose-separated keys, and authenticated encryption under them.

One keyring key per id; from each, HKDF derives a separate key for every purpose, so that a value sealed for one purpose
opens for no other. New values use the active key; any key that is not retired opens. Owns no file and no format of
what is sealed.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from sidecar.clock import Entropy

KEY_BYTES = 32
_KEY_ID_BYTES = 2
_NONCE_BYTES = 12


class SealError(Exception):
    """The bytes were not sealed by us, for this purpose, for this place. Always means deny."""


class KeyState(StrEnum):
    PENDING = "pending"
    """Known to every replica, used by none: a new key's first state."""
    ACTIVE = "active"
    OPEN = "open"
    """Still opens what it sealed; seals nothing new."""
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Key:
    """`id` is 0..65535 and travels in everything the key made."""

    id: int
    state: KeyState
    material: bytes = field(repr=False)
    created_at: int = 0


class Keyring:
    """All keys of this deployment.

    Raises ValueError on construction unless exactly one key is active, ids are unique and in range, and every key is 32
    bytes that no other key repeats.
    """

    def __init__(self, keys: tuple[Key, ...]) -> None:
        usable = [key for key in keys if key.state is not KeyState.RETIRED]
        if sum(key.state is KeyState.ACTIVE for key in keys) != 1:
            raise ValueError("exactly one key must be active")
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two keys have the same id")
        if any(not 0 <= key.id < 1 << 8 * _KEY_ID_BYTES for key in keys):
            raise ValueError("a key's id must be 0 to 65535")
        if any(len(key.material) != KEY_BYTES or len(set(key.material)) < 8 for key in usable):  # noqa: PLR2004
            raise ValueError("a key must be 32 random bytes")
        if len({key.material for key in usable}) != len(usable):
            raise ValueError("two keys are equal")
        self.keys = keys
        self.active = next(key.id for key in keys if key.state is KeyState.ACTIVE)
        self._material = {key.id: key.material for key in usable}
        self._derived: dict[tuple[int, str, int], bytes] = {}

    def derive(self, key_id: int, purpose: str, length: int = KEY_BYTES) -> bytes:
        """The key of this purpose (RFC 5869 expand). Raises SealError for a key that is unknown or retired."""
        cached = self._derived.get((key_id, purpose, length))
        if cached is not None:
            return cached
        material = self._material.get(key_id)
        if material is None:
            raise SealError(f"key {key_id:04x} is unknown or retired")
        # The material is uniform, so extract adds nothing (RFC 5869 3.3). Purposes are a fixed few: the cache is small.
        key = HKDFExpand(hashes.SHA256(), length, b"dcr-sidecar/1/" + purpose.encode()).derive(material)
        self._derived[key_id, purpose, length] = key
        return key

    def mac(self, key_id: int, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA256 under the purpose's key."""
        return hmac.digest(self.derive(key_id, purpose), data, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Sealer:
    """AES-256-GCM for one purpose: key id, random nonce, ciphertext."""

    keyring: Keyring
    purpose: str
    entropy: Entropy

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        key_id = self.keyring.active
        head = key_id.to_bytes(_KEY_ID_BYTES, "big") + self.entropy(_NONCE_BYTES)
        return head + AESGCM(self.keyring.derive(key_id, self.purpose)).encrypt(head[_KEY_ID_BYTES:], plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Raises SealError unless these bytes were sealed for this purpose and this `aad`."""
        key = self.keyring.derive(int.from_bytes(sealed[:_KEY_ID_BYTES], "big"), self.purpose)
        nonce, ciphertext = sealed[_KEY_ID_BYTES:][:_NONCE_BYTES], sealed[_KEY_ID_BYTES + _NONCE_BYTES :]
        return _gcm_open(key, nonce, ciphertext, aad)


@dataclass(frozen=True, slots=True)
class CompactSealer:
    """AES-SIV for one purpose: key id, ciphertext. No nonce is stored: the plaintext carries its own randomness."""

    keyring: Keyring
    purpose: str

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        key_id = self.keyring.active
        siv = AESSIV(self.keyring.derive(key_id, self.purpose, 64))
        return key_id.to_bytes(_KEY_ID_BYTES, "big") + siv.encrypt(plaintext, [aad])

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Raises SealError unless these bytes were sealed for this purpose and this `aad`."""
        key = self.keyring.derive(int.from_bytes(sealed[:_KEY_ID_BYTES], "big"), self.purpose, 64)
        try:
            return AESSIV(key).decrypt(sealed[_KEY_ID_BYTES:], [aad])
        except (InvalidTag, ValueError) as error:
            raise SealError("not sealed by us") from error


def seal_under(key: bytes, plaintext: bytes, aad: bytes, entropy: Entropy) -> bytes:
    """AES-256-GCM under a key that lives elsewhere (a grant's data key)."""
    nonce = entropy(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def open_under(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Raises SealError unless `seal_under` made these bytes with this key and `aad`."""
    return _gcm_open(key, sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad)


def wrap_key(wrapping: bytes, key: bytes) -> bytes:
    """RFC 3394. Every wrapping key is used for one wrap, so no nonce is needed."""
    return aes_key_wrap(wrapping, key)


def unwrap_key(wrapping: bytes, wrapped: bytes) -> bytes:
    """Raises SealError unless `wrapping` is the key that made `wrapped`."""
    try:
        return aes_key_unwrap(wrapping, wrapped)
    except (InvalidUnwrap, ValueError) as error:
        raise SealError("not wrapped for this token") from error


def derive_once(material: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 for a key that is used once and never cached (RFC 5869)."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, info).derive(material)


def length_prefixed(*parts: str | bytes) -> bytes:
    """Unambiguous concatenation, so that no two lists of parts give the same associated data."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _gcm_open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except (InvalidTag, ValueError) as error:
        raise SealError("not sealed by us") from error

"""The key file: {"keys": [{"id", "state", "created_at", "secret"}]}, made once, readable by its owner only.

Owns the file's form and nothing else: what keys are for, and which sets of them make a keyring, `sealing` says.
"""

import binascii
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from sidecar.clock import Clock, Entropy
from sidecar.sealing import KEY_BYTES, Key, Keyring, KeyState

_LARGEST = 1 << 20
_LARGEST_ID = 0xFFFF


class KeyFileError(Exception):
    """The text says what is wrong with the file and what to do; it never holds key material."""


def load(path: Path) -> Keyring:
    """Raises KeyFileError for a file that is missing, malformed, or whose keys are not fit for use."""
    try:
        text = path.read_bytes()[:_LARGEST]
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist; make it with `dcr-sidecar keys generate {path}`") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        entries = json.loads(text)["keys"]
        keys = tuple(_key(entry) for entry in entries)
    except (ValueError, LookupError, TypeError):
        raise KeyFileError(f"{path} is not a key file; make one with `dcr-sidecar keys generate`") from None
    for key in keys:
        # 32 random bytes are all printable once in 10^16; a passphrase or an example always is.
        if key.material.isascii() and key.material.decode().isprintable():
            raise KeyFileError(f"{path}: key {key.id} is text, not random bytes; use `dcr-sidecar keys generate`")
    try:
        return Keyring(keys)
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}") from None


def generate(path: Path, *, entropy: Entropy, clock: Clock) -> None:
    """A new file with one active key. Raises KeyFileError rather than touch a file that is there."""
    entry = {
        "id": 1,
        "state": KeyState.ACTIVE.value,
        "created_at": clock(),
        "secret": urlsafe_b64encode(entropy(KEY_BYTES)).decode().rstrip("="),
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists; every client and token depends on its keys, so it is left alone") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump({"keys": [entry]}, file, indent=2)
        file.write("\n")


def exposed(path: Path) -> bool:
    """Whether others than the owner and the group may read the file."""
    return bool(path.stat().st_mode & 0o007)


def _key(entry: Mapping[str, object]) -> Key:
    number, state, created_at, secret = entry["id"], entry["state"], entry.get("created_at", 0), entry["secret"]
    if (
        type(number) is not int
        or not 0 <= number <= _LARGEST_ID
        or type(created_at) is not int
        or type(secret) is not str
    ):
        raise ValueError("a member of a key has the wrong type")
    try:
        material = urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except binascii.Error as error:
        raise ValueError("a secret is not base64url") from error
    return Key(number, KeyState(str(state)), material, created_at)

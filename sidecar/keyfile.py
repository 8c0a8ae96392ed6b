"""The key file: {"keys": [{"id", "state", "created_at", "secret"}]}, made once, readable by its owner only.

Owns the file's form, and how a key goes on: pending, active, open, retired. A change replaces the file in one step;
one that would leave no usable file is refused. What keys are for, and which sets of them make a keyring, `sealing`
says.
"""

import binascii
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sidecar.clock import Clock, Entropy
from sidecar.sealing import KEY_BYTES, Key, Keyring, KeyState

_LARGEST = 1 << 20
_LARGEST_ID = 0xFFFF
_Entry = dict[str, Any]


class KeyFileError(Exception):
    """The text says what is wrong with the file and what to do; it never holds key material."""


def load(path: Path) -> Keyring:
    """Raises KeyFileError for a file that is missing, malformed, or whose keys are not fit for use."""
    return _keyring(path, _entries(path))


def generate(path: Path, *, entropy: Entropy, clock: Clock) -> None:
    """A new file with one active key. Raises KeyFileError rather than touch a file that is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists; every client and token depends on its keys, so it is left alone") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        _write(file, [_new(1, KeyState.ACTIVE, entropy, clock)])


def add(path: Path, *, entropy: Entropy, clock: Clock) -> int:
    """A new pending key's id. Raises KeyFileError."""
    with _changing(path) as entries:
        waiting = [entry["id"] for entry in entries if entry["state"] == KeyState.PENDING]
        if waiting:
            raise KeyFileError(f"{path}: key {waiting[0]} is pending already; activate or retire it first")
        # No id is given twice: what a retired key made must not be tried with another one.
        number = int(max(entry["id"] for entry in entries)) + 1
        if number > _LARGEST_ID:
            raise KeyFileError(f"{path}: no key can come after key {_LARGEST_ID}")
        entries.append(_new(number, KeyState.PENDING, entropy, clock))
    return number


def activate(path: Path, number: int) -> int:
    """From pending to active. The key that was active is open from then on; its id. Raises KeyFileError."""
    with _changing(path) as entries:
        chosen = _chosen(path, entries, number, KeyState.PENDING)
        before = next(entry for entry in entries if entry["state"] == KeyState.ACTIVE)
        before["state"], chosen["state"] = KeyState.OPEN, KeyState.ACTIVE
    return int(before["id"])


def retire(path: Path, number: int) -> None:
    """The key's secret is in the file no more. Raises KeyFileError, for the active key above all."""
    with _changing(path) as entries:
        chosen = _chosen(path, entries, number, KeyState.OPEN, KeyState.PENDING)
        chosen["state"] = KeyState.RETIRED
        del chosen["secret"]


def require(path: Path, number: int, *states: KeyState) -> None:
    """Raises KeyFileError unless the file has a key of this id in one of these states."""
    _chosen(path, _entries(path), number, *states)


def exposed(path: Path) -> bool:
    """Whether others than the owner and the group may read the file."""
    return bool(path.stat().st_mode & 0o007)


@contextmanager
def _changing(path: Path) -> Iterator[list[_Entry]]:
    """The entries, to be changed in place. In the end they replace the file; after an exception it is as it was."""
    file = path.resolve()  # what a symbolic link leads to, not the link
    fresh = file.with_name(f"{file.name}.new")
    try:
        # Exclusive, so it is the lock too: of two commands at once, one would undo what the other did.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{fresh} exists: another command is at work, or was cut off and it can go") from None
    except OSError as error:
        raise KeyFileError(f"{fresh} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as replacement:
            entries = _entries(path)
            _keyring(path, entries)
            yield entries
            _keyring(path, entries)
            _alike(descriptor, file)
            _write(replacement, entries)
        fresh.replace(file)
    except BaseException as error:
        fresh.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise KeyFileError(f"{file} is as it was, for it cannot be replaced: {error.strerror}") from None
        raise
    _keep_name(file)


def _alike(descriptor: int, file: Path) -> None:
    """Same owner and mode: whoever runs the command is not always who runs the sidecar."""
    like, ours = file.stat(), os.fstat(descriptor)
    if (like.st_uid, like.st_gid) != (ours.st_uid, ours.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, like.st_mode & 0o777)


def _keep_name(file: Path) -> None:
    """After a loss of power, too, the name leads to the new file."""
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(file: BinaryIO, entries: Sequence[_Entry]) -> None:
    file.write(json.dumps({"keys": entries}, indent=2).encode("ascii") + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _new(number: int, state: KeyState, entropy: Entropy, clock: Clock) -> _Entry:
    secret = urlsafe_b64encode(entropy(KEY_BYTES)).decode().rstrip("=")
    return {"id": number, "state": state, "created_at": clock(), "secret": secret}


def _chosen(path: Path, entries: Sequence[_Entry], number: int, *states: KeyState) -> _Entry:
    found = next((entry for entry in entries if entry["id"] == number), None)
    if found is None:
        there = ", ".join(str(entry["id"]) for entry in entries)
        raise KeyFileError(f"{path} has no key {number}; there is: {there}")
    if found["state"] not in states:
        advice = "; add and activate another one first" if found["state"] == KeyState.ACTIVE else ""
        raise KeyFileError(f"{path}: key {number} is {found['state']}, not {' or '.join(states)}{advice}")
    return found


def _entries(path: Path) -> list[_Entry]:
    try:
        text = path.read_bytes()[:_LARGEST]
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist; make it with `dcr-sidecar keys generate {path}`") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        entries = json.loads(text)["keys"]
        for entry in entries:
            _key(entry)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise KeyFileError(f"{path} is not a key file; make one with `dcr-sidecar keys generate`") from None
    return list(entries)


def _keyring(path: Path, entries: Sequence[_Entry]) -> Keyring:
    keys = tuple(_key(entry) for entry in entries)
    for key in keys:
        # 32 random bytes are all printable once in 10^16; a passphrase or an example always is.
        if key.material and key.material.isascii() and key.material.decode().isprintable():
            raise KeyFileError(f"{path}: key {key.id} is text, not random bytes; use `dcr-sidecar keys generate`")
    try:
        return Keyring(keys)
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}") from None


def _key(entry: Mapping[str, Any]) -> Key:
    number, state, created_at = entry["id"], KeyState(str(entry["state"])), entry.get("created_at", 0)
    secret = entry.get("secret", "") if state is KeyState.RETIRED else entry["secret"]
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
    return Key(number, state, material, created_at)

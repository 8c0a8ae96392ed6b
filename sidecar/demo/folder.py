"""The demo's data folder: one user at a time, its secrets, and the settings file that the sidecar starts from.

Everything the demo writes lies here. `sidecar.yaml` is written anew at each start and is a configuration like any
other: `dcr-sidecar config check` reads it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sidecar.clock import Entropy, random_text

DEFAULT = Path("demo-data")
_LONGEST_SOCKET = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
_HEAD = "# Written at every start of the demo; changes here are lost.\n"


class CannotStart(Exception):
    """What is in the way, and what to do about it: shown as it is, exit code 2."""


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "sidecar.yaml"

    @property
    def keys(self) -> Path:
        return self.path / "keys.json"

    @property
    def idp(self) -> Path:
        return self.path / "idp.json"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    @property
    def secret(self) -> Path:
        return self.path / "idp-client-secret"

    @property
    def admin_token(self) -> Path:
        return self.path / "admin-token"

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def envoy(self) -> Path:
        return self.path / "envoy.json"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def socket(self, name: str) -> str:
        return str(self.path / "run" / f"{name}.sock")

    def client_secret(self, entropy: Entropy) -> str:
        """The demo client's secret at the demo IdP; made once."""
        return _made_once(self.secret, entropy)

    def operator_token(self, entropy: Entropy) -> str:
        """What opens the admin API, for `dcr-sidecar client list` and its kin; made once."""
        return _made_once(self.admin_token, entropy)

    def write_settings(self, tree: dict[str, object]) -> None:
        write_private(self.settings, (_HEAD + yaml.safe_dump(tree, sort_keys=False)).encode())


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """The folder, ours alone until the end. Raises CannotStart."""
    folder = Folder(path.resolve())
    if len(os.fsencode(folder.store / "valkey.sock")) > _LONGEST_SOCKET:
        raise CannotStart(f"the path {folder.path} is too long for UNIX sockets; name a shorter one with --data")
    try:
        for part in (folder.path, folder.path / "logs", folder.path / "run"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder.path / "lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"cannot write to {folder.path}: {error.strerror}; name another folder with --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotStart(f"another demo is using {folder.path}; name another folder with --data") from error
        yield folder


def _made_once(file: Path, entropy: Entropy) -> str:
    if not file.exists():
        write_private(file, random_text(entropy).encode())
    return file.read_text("ascii")


def write_private(file: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only from the first byte on."""
    fresh = file.with_name(file.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)

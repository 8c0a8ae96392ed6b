"""Files of certificate authorities that the configuration names: read once, at start."""

from pathlib import Path

from sidecar.pools.authorities import certificates
from sidecar.settings.errors import Problem

_LARGEST = 1 << 20
"""What a system's whole bundle of public authorities is far below."""


def read_ca(key: str, path: Path, problems: list[Problem]) -> str:
    """Its certificates as PEM; empty, with a problem, when they cannot be had."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:  # what stands between certificates is anything
            return certificates(file.read(_LARGEST))
    except OSError as error:
        problems.append(Problem(key, f"{path} cannot be read: {error.strerror}"))
    except ValueError as error:
        problems.append(Problem(key, f"{path} {error}"))
    return ""

"""The only module that reads a clock or draws randomness. Everything else takes one of these as an argument."""

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

Clock = Callable[[], int]
"""Seconds since the Unix epoch."""

Monotonic = Callable[[], float]
"""Seconds on a clock that never goes back; only differences mean something."""


class Entropy(Protocol):
    """A source of unpredictable bytes."""

    def __call__(self, length: int, /) -> bytes: ...


def system_clock() -> int:
    return int(time.time())


def system_monotonic() -> float:
    return time.monotonic()


def system_entropy(length: int) -> bytes:
    return secrets.token_bytes(length)


def random_text(entropy: Entropy) -> str:
    """256 bits as 43 unreserved characters (RFC 3986 2.3)."""
    return urlsafe_b64encode(entropy(32)).decode().rstrip("=")

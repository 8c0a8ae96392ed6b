"""TLS to the store: one context for all connections. Owns when the files are read, and nothing of the address.

redis-py reads the files, and every authority that the system trusts, for each connection. That takes longer than an
operation may, and nothing else runs meanwhile.
"""

import os
import re
import ssl
from typing import Any

from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from sidecar.store.address import TlsFiles

_FILES = "the files of ssl_ca_certs, ssl_certfile or ssl_keyfile cannot be used"
# Of OpenSSL's texts; redis-py passes them on, not always with the exception. The first that fits.
_FAULTS = (
    (_FILES, _FILES),
    ("certificate has expired", "the store's certificate has expired"),
    ("certificate is not yet valid", "the store's certificate is not valid yet"),
    ("mismatch, certificate is not valid for", "the store's certificate is for another host"),
    ("CERTIFICATE_VERIFY_FAILED", "the store's certificate is from nobody we trust (ssl_ca_certs)"),
    (r"ALERT_\w*(CERTIFICATE|UNKNOWN_CA)", "the store does not take our certificate (ssl_certfile)"),
    (r"\[SSL\b", "the store and we do not agree on TLS"),
)


def tls_fault(text: str) -> str:
    """A fixed text where TLS is what failed, else none."""
    return next((told for pattern, told in _FAULTS if re.search(pattern, text)), "")


class UnusableFiles(OSError):
    """A file of the URL's `ssl_` options cannot be read, or is not what it should be."""


class Trust:
    """The context for the next connection. Files that were written anew are read anew: certificates are renewed."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen: tuple[tuple[int, int], ...] = ()
        self._context: ssl.SSLContext | None = None

    def get(self) -> ssl.SSLContext:
        """Raises UnusableFiles; but what was good once stays so while its successor is half written."""
        try:
            seen = tuple(_age(path) for path in (self._files.ca_file, self._files.cert_file, self._files.key_file))
            if self._context is None or seen != self._seen:
                self._context = _context(self._files)
                self._seen = seen
        except OSError as error:  # ssl.SSLError is one
            if self._context is None:
                raise UnusableFiles(_FILES) from error
        return self._context


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca_file or None)
    if files.cert_file:
        context.load_cert_chain(files.cert_file, files.key_file or None, password="")  # never asks on a terminal
    return context


def _age(path: str) -> tuple[int, int]:
    if not path:
        return 0, 0
    found = os.stat(path)  # noqa: PTH116 - as short
    return found.st_mtime_ns, found.st_ino


class TlsConnection(SSLConnection):
    def __init__(self, *, trust: Trust, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context = trust  # type: ignore[assignment]


class SentinelTlsConnection(SentinelManagedSSLConnection):
    def __init__(self, *, trust: Trust, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.ssl_context = trust  # type: ignore[assignment]

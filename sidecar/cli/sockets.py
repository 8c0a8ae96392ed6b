"""Asking a listener of this machine: TCP or a UNIX socket. Owns no question.

By the standard library's client, which is there at once: what asks here runs every few seconds, or in a hurry.
"""

import http.client
import socket

from sidecar.settings.binds import Bind

_SECONDS = 3
_MOST = 65_536

NoAnswer = (OSError, http.client.HTTPException)
"""What `ask` raises; TimeoutError is an OSError."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def ask(bind: Bind, method: str, path: str) -> tuple[int, str]:
    """Status and text of the answer. Raises `NoAnswer` when there is none in time.

    A listener that binds every address is asked on loopback, which is one of them.
    """
    host = bind.host
    if bind.every_address:
        host = "::1" if ":" in host else "127.0.0.1"
    asking = _UnixConnection(bind.unix) if bind.unix else http.client.HTTPConnection(host, bind.port, timeout=_SECONDS)
    try:
        asking.request(method, path)
        response = asking.getresponse()
        return response.status, response.read(_MOST).decode(errors="replace")
    finally:
        asking.close()

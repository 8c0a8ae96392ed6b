"""Loopback ports: whether the public one is free, and listening sockets for the parts behind it."""

import contextlib
import errno
import socket

from sidecar.demo.folder import CannotStart

_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def require_free(port: int) -> None:
    """Raises CannotStart when the port cannot be had on a loopback address: `localhost` may mean either of them.

    Envoy would not say so itself: it shares ports with whoever shares them too.
    """
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            _listener(family, host, port).close()
        except OSError as error:
            if error.errno in _NO_SUCH_ADDRESS:
                continue
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise CannotStart(f"port {port} {why}; choose another one with --port") from error


def listen(*wanted: int) -> socket.socket:
    """A listening socket on the first of these ports that is free, or else on any."""
    for port in wanted:
        with contextlib.suppress(OSError, OverflowError):
            return _listener(socket.AF_INET, "127.0.0.1", port)
    return _listener(socket.AF_INET, "127.0.0.1", 0)


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _listener(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener

"""Whose certificates are believed: the public authorities', or those of a private one alone. Reads no file."""

import ssl


def trust(ca: str) -> ssl.SSLContext | bool:
    """`ca`: PEM; empty: the public ones. Raises ValueError."""
    if not ca:
        return True
    try:
        return ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, TypeError, ValueError):  # no certificate, nothing at all, no ASCII
        raise ValueError("holds no certificate that can be used") from None

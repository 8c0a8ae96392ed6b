"""Where clients look, in their order, and what a URL is: pure.

The order is that of MCP 2025-11-25 and 2026-07-28, which the TypeScript and Python SDKs and VS Code share.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from sidecar.upstream.addresses import is_public

PRM = "/.well-known/oauth-protected-resource"
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_INSIDE = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".svc")
# WHATWG URL "ends in a number": an address in one of its many spellings, such as 127.1, for whoever looks it up.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def resource_metadata_urls(server: str, challenged: str) -> tuple[str, ...]:
    """The challenge's URL, the path-inserted one, the root's (RFC 9728 3.1, 5.1)."""
    path = urlsplit(server).path.rstrip("/")
    base = origin(server)
    return tuple(dict.fromkeys(url for url in (challenged, f"{base}{PRM}{path}", f"{base}{PRM}") if url))


def server_metadata_urls(issuer: str) -> tuple[str, ...]:
    """RFC 8414 3.1 inserted, then OpenID inserted, then OpenID appended; a root issuer has no third."""
    path = urlsplit(issuer).path.rstrip("/")
    base = origin(issuer)
    if not path:
        return (f"{base}{OAUTH}", f"{base}{OPENID}")
    return (f"{base}{OAUTH}{path}", f"{base}{OPENID}{path}", f"{base}{path}{OPENID}")


def is_openid(url: str) -> bool:
    return OPENID in url


def is_url(value: object) -> bool:
    """An absolute http(s) URL that every client can parse."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme.lower() in _DEFAULT_PORTS and bool(parts.hostname)


def origin(url: str) -> str:
    """Scheme and authority in lower case, without the scheme's own port."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS.get(scheme) else "")


def same_origin(one: str, other: str) -> bool:
    return is_url(one) and is_url(other) and origin(one) == origin(other)


def normal(url: str) -> str:
    """As the WHATWG URL class writes it, for plain URLs: an empty path becomes `/`."""
    parts = urlsplit(url)
    return origin(url) + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_loopback(url: str) -> bool:
    host = _host(url)
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_private(url: str) -> bool:
    """A host that the internet cannot mean: a private or odd address, `localhost`, a bare or internal name."""
    host = _host(url)
    address = _address(host)
    if address is not None:
        return not is_public(str(address))
    return "." not in host or host.endswith(_INSIDE) or _NUMBER.fullmatch(host) is not None


def is_plain_http(url: str) -> bool:
    return is_url(url) and origin(url).startswith("http:")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None

"""URLs that an operator writes down: what may be one, and what of them may be plain http. Owns no key of anything.

They stay the bytes that were given: they are compared as strings, so what could be written in another way is refused
instead of normalised.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
DEFAULT_PORT = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def upstream_url(value: str) -> str:
    """An issuer or endpoint of an IdP; the secrets that go there need https, or loopback. Raises ValueError."""
    parts = http_url(value, lower_case=False)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https; plain http is for loopback only")
    return value


def is_proxy_url(value: str) -> bool:
    """Whether it may be an egress proxy's, with its user and password or without."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    plain = value.isascii() and value.isprintable() and " " not in value and "\\" not in value
    more = parts.path.strip("/") or "?" in value or "#" in value
    host = parts.hostname or ""
    return plain and not more and parts.scheme in DEFAULT_PORT and _is_host(host) and port != 0


def without_user(url: str) -> str:
    """The URL without the user and password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def http_url(value: str, *, lower_case: bool = True) -> SplitResult:
    """Raises ValueError."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise ValueError("must be printable ASCII without blanks; write a host of other letters as xn--…")
    if parts.scheme not in DEFAULT_PORT or not parts.hostname:
        raise ValueError("must be an absolute URL: it begins with https:// or http:// and a host")
    if "@" in parts.netloc:
        raise ValueError("must have no user name or password in it")
    if "#" in value:
        raise ValueError("must have no fragment")
    if lower_case and (parts.netloc != parts.netloc.lower() or not value.startswith(parts.scheme)):
        raise ValueError("write scheme and host in lower case, as clients do")
    if not _is_host(parts.hostname):
        raise ValueError("its host is neither an address nor a name")
    if port is not None and port == DEFAULT_PORT[parts.scheme]:
        raise ValueError("leave the scheme's own port out, as clients do")
    return parts


def _is_host(host: str) -> bool:
    if HOST.fullmatch(host):
        # 2130706433, 127.1 and the like are addresses to some parsers and names to others.
        return re.fullmatch(r"[0-9.]+|0x.*|.*\.[0-9]+", host) is None or _is_ip(host)
    return _is_ip(host)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host

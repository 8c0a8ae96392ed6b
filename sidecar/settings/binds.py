"""Where listeners wait: what an address may be, and the one of each listener unless the configuration says otherwise.

Quick to import, for `health` and `drain`, which run every few seconds or in a hurry and want one address alone.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.settings.errors import Problem, SettingsError

DEFAULTS: Final[Mapping[str, str]] = {
    "listeners.oauth": "127.0.0.1:9400",
    "listeners.check": "127.0.0.1:9401",
    "listeners.admin": "127.0.0.1:9402",
    "listeners.ops": "127.0.0.1:9403",
    "envoy.listen": "127.0.0.1:8080",
    "envoy.admin": "127.0.0.1:9901",
}


@dataclass(frozen=True, slots=True)
class Bind:
    """Where a listener waits: a host and a port, or a UNIX socket's path."""

    host: str = ""
    port: int = 0
    unix: str = ""

    @property
    def private(self) -> bool:
        """Whether only this machine reaches it."""
        return bool(self.unix) or self.host == "localhost" or (self._ip is not None and self._ip.is_loopback)

    @property
    def every_address(self) -> bool:
        return not self.unix and (self._ip is not None and self._ip.is_unspecified)

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        if self.unix:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bind(value: str) -> Bind:
    """`host:port`, `[v6]:port` or `unix:/path`."""
    if value.startswith("unix:"):
        path = value.removeprefix("unix:")
        if not path or "\0" in path:
            raise ValueError("must be unix:/path/of/the/socket")
        return Bind(unix=path)
    host, colon, port = value.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004
        raise ValueError("must be host:port, [address]:port or unix:/path; name the host, such as 127.0.0.1:9400")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        from sidecar.pools.urls import HOST  # late: it costs more than all else here

        if not HOST.fullmatch(host):
            raise ValueError("its host is neither an address nor a name") from None
    return Bind(host=host, port=int(port))


def alone(tree: Mapping[str, object], name: str) -> Bind:
    """One address of a configuration of which nothing else is looked at. Raises SettingsError."""
    section, _, key = name.partition(".")
    found = tree.get(section)
    value = found.get(key, DEFAULTS[name]) if isinstance(found, Mapping) else DEFAULTS[name]
    try:
        return bind(str(value))
    except ValueError as error:
        raise SettingsError([Problem(name, str(error))]) from error

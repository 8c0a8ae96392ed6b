"""Where a connection may go when a stranger named the far end (server-side request forgery).

A name is resolved once, every address it has must be public, and the connection goes to one of those; only the https
port. Owns no request: `http` sends it, with the connector that is made here.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ssl import SSLContext

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.upstream.addresses import is_public
from sidecar.upstream.base import UpstreamMalformed

HTTPS = 443
_LOOKUPS = 8


class Lookup(AbstractResolver):
    """The system's resolver on threads of its own: slow names of strangers hold up no other part of the process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="client-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        ask = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [resolved(host, str(address[0]), port, scope=_scope(address)) for _, _, _, _, address in found]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def resolved(host: str, address: str, port: int, *, scope: int = 0) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    text = f"{address}%{scope}" if scope else address
    return ResolveResult(
        hostname=host, host=text, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )


def _scope(address: tuple[object, ...]) -> int:
    """The zone of an IPv6 address, which only link-local ones have (RFC 4007)."""
    scope = address[3] if len(address) > 3 else 0  # noqa: PLR2004 - address, port, flow, scope
    return scope if isinstance(scope, int) else 0


@dataclass(frozen=True, slots=True)
class Guard:
    """Which far ends may be connected to. The defaults are the rule; tests, which have no internet, bend them."""

    resolver: AbstractResolver
    allows: Callable[[str], bool] = is_public
    ports: frozenset[int] = frozenset({HTTPS})

    def check(self, host: str, port: int) -> None:
        """What can be said before a name is looked up. Raises UpstreamMalformed."""
        if port not in self.ports:
            raise UpstreamMalformed("a port that is not connected to")
        # The HTTP library does not look an address up, so no resolver sees it.
        literal = host.strip("[]")
        if (":" in literal or literal.replace(".", "").isdigit()) and not self.allows(literal):
            raise UpstreamMalformed("an address that is not public")

    def connector(self, trust: SSLContext | bool) -> TCPConnector:  # noqa: FBT001 - aiohttp's own type
        """No cache of names: what was checked is what this one connection goes to."""
        return TCPConnector(
            ssl=trust,
            force_close=True,
            use_dns_cache=False,
            resolver=_Checked(self.resolver, self.allows),
            socket_factory=self._socket,
        )

    def _socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """The last line: however an address got here, it is looked at before anything is sent to it."""
        family, kind, protocol, _, address = info
        if not self.allows(str(address[0])):
            raise PermissionError("an address that is not public")
        return socket.socket(family, kind, protocol)


class _Checked(AbstractResolver):
    """One bad address among good ones refuses the name: which one is connected to is a matter of luck."""

    def __init__(self, inner: AbstractResolver, allows: Callable[[str], bool]) -> None:
        self._inner, self._allows = inner, allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError("a name without addresses")
        if not all(self._allows(each["host"]) for each in found):
            raise UpstreamMalformed("a name with an address that is not public")
        return found

    async def close(self) -> None:
        """The inner one is not ours."""

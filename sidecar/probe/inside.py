"""Names that lead inside: where a public server's metadata must not send us.

A name says nothing about where it leads, and whoever runs the server chooses the names in its metadata. So what they
mean is looked at before anything is sent; the first answer for the server's own name tells which side it is on. Owns no
request (`fetch`) and no judgement of a name by its looks (`places`).
"""

import socket
from urllib.parse import urlsplit

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.probe.places import is_private
from sidecar.upstream.addresses import is_public

PRIVATE = "a private host, while the MCP server is public"


class LeadsInside(Exception):
    """A name with a private address, for a public server."""


class Outside(AbstractResolver):
    """The system's resolver, or `names`, without what leads inside: unless the server itself is there."""

    def __init__(self, server: str, names: AbstractResolver | None = None) -> None:
        self._names = names or DefaultResolver()
        self._own = urlsplit(server).hostname or ""
        self._inside = True if is_private(server) else None
        """None: not known yet. Known once, so that a name that means something else later opens nothing."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises LeadsInside."""
        found = await self._names.resolve(host, port, family)
        public = [is_public(each["host"]) for each in found]
        if self._inside is None and host == self._own:
            self._inside = not any(public)
        if not self._inside and not all(public):
            raise LeadsInside
        return found

    async def close(self) -> None:
        await self._names.close()

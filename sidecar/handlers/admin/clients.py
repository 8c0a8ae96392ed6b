"""/admin/clients: found, shown, ended, let in again. A client id that is a URL stands percent-encoded in the path."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.admin.clients import ClientAdmin
from sidecar.admin.errors import Conflict, Unknown
from sidecar.admin.views import ClientRows, ClientView, Fallout, Readmitted
from sidecar.handlers.admin.asked import AfterInPool, ClientId, Find, Flag, Limit, PoolNameOrAll
from sidecar.handlers.admin.operations import Asked, Operation

_ALL, _ONE = "/admin/clients", "/admin/clients/{client}"


class ListClients(Asked):
    pool: PoolNameOrAll = ""
    """One pool's name; empty for all."""
    name: Find = ""
    """A part of the name, in upper or lower case."""
    grouped: Flag = True
    """One row for all that look the same, whichever loopback port they listen on."""
    limit: Limit = 1000
    """How many registrations to look at for one page."""
    after: AfterInPool = ""
    """Of the page before."""


class OneClient(Asked):
    client: ClientId


class DeleteClient(Asked):
    client: ClientId
    dry_run: Flag = False
    """Say what would end, and end nothing."""


@dataclass(frozen=True, slots=True)
class ClientsResource:
    clients: ClientAdmin

    def operations(self) -> Iterable[Operation[Any]]:
        yield Operation("GET", _ALL, "listClients", "Known clients", ListClients, ClientRows, self.listed, (Unknown,))
        yield Operation("GET", _ONE, "showClient", "One client", OneClient, ClientView, self.show, (Unknown,))
        yield Operation(
            "DELETE",
            _ONE,
            "deleteClient",
            "End a client and its grants",
            DeleteClient,
            Fallout,
            self.delete,
            (Unknown,),
        )
        yield Operation(
            "POST",
            f"{_ONE}/readmit",
            "readmitClient",
            "Let in again a client that is a document or configured",
            OneClient,
            Readmitted,
            self.readmit,
            (Conflict,),
        )

    async def listed(self, asked: ListClients) -> ClientRows:
        return await self.clients.listed(
            pool=asked.pool, find=asked.name, group=asked.grouped, after=asked.after, limit=asked.limit
        )

    async def show(self, asked: OneClient) -> ClientView:
        return await self.clients.show(asked.client)

    async def delete(self, asked: DeleteClient) -> Fallout:
        return await self.clients.delete(asked.client, dry_run=asked.dry_run)

    async def readmit(self, asked: OneClient) -> Readmitted:
        return await self.clients.readmit(asked.client)

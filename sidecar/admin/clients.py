"""Clients as operators see them: found, shown, ended, let in again.

A registered client that is deleted is gone for good. One that is a document or configured can be let in again, since
its id means the same afterwards. Owns no rule about metadata and no registration.
"""

from dataclasses import dataclass
from typing import Literal

from sidecar.admin import SOURCE
from sidecar.admin.errors import Conflict, Unknown
from sidecar.admin.grants import GrantAdmin
from sidecar.admin.pools import PoolNames
from sidecar.admin.rows import grouped, row
from sidecar.admin.views import ClientRows, ClientView, Fallout, Readmitted
from sidecar.clients import Clients, Known, described
from sidecar.directory import Issuer
from sidecar.events import ClientReadmitted, Recorder
from sidecar.grants.sweeps import Sweeper
from sidecar.records import ClientKind
from sidecar.store.listing import Listings, OfClient, Sweep
from sidecar.store.listing import Sweeps as Cutoffs
from sidecar.store.registry import Clients as Registry

PLACE = "~"
"""Between a pool's name and where in its list the next page begins."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an id. `issuer`: None unless the client belongs to one."""

    known: Known
    kind: ClientKind
    issuer: Issuer | None = None

    @property
    def metadata(self) -> dict[str, object]:
        entry, client = self.known.entry, self.known.client
        return {**(described(client) if client else {}), **(entry.metadata if entry else {})}

    @property
    def name(self) -> str:
        return str(self.metadata.get("client_name", ""))


@dataclass(frozen=True, slots=True)
class ClientAdmin:
    clients: Clients
    registry: Registry
    listings: Listings
    cutoffs: Cutoffs
    grants: GrantAdmin
    sweeper: Sweeper
    pools: PoolNames
    recorder: Recorder

    async def listed(self, *, pool: str, find: str, group: bool, after: str, limit: int) -> ClientRows:
        """`limit` registry entries at a time, pool by pool. `find`: in the name, whatever the case."""
        names = [self.pools.pool(pool).name] if pool else list(self.pools.names())
        at, _, cursor = after.partition(PLACE)
        if at and at not in names:
            raise Unknown("The page that `after` names is of a pool that is not here.", reason="cursor of another pool")
        name = at or next(iter(names), "")
        if not name:
            return ClientRows(clients=(), after="")
        page = await self.listings.clients_of(self.pools.pool(name).id, after=cursor, limit=limit)
        wanted = find.casefold()
        rows = [row(entry, name, self.kind(entry.client_id)) for entry in page.items]
        rows = [each for each in rows if wanted in each.name.casefold()]
        following = names[names.index(name) + 1 :]
        more = f"{name}{PLACE}{page.after}" if page.after else f"{following[0]}{PLACE}" if following else ""
        return ClientRows(clients=tuple(grouped(rows) if group else rows), after=more)

    async def show(self, client_id: str) -> ClientView:
        found = await self._find(client_id)
        known, metadata = found.known, found.metadata
        entry, client = known.entry, known.client
        uris = metadata.get("redirect_uris", ())
        pool_id = client.pool_id if client else entry.pool_id if entry else ""
        return ClientView(
            client=client_id,
            kind=found.kind.value,
            pool=self.pools.name_of(pool_id),
            issuer=found.issuer.url if found.issuer else "",
            state=_state(found),
            name=found.name,
            redirect_uris=tuple(str(uri) for uri in uris) if isinstance(uris, list) else (),
            auth_method=str(metadata.get("token_endpoint_auth_method", "")),
            changed=bool(entry and entry.sealed_body and not self.clients.registered.ids.needs_store(client_id)),
            key=self.clients.registered.ids.key_of(client_id),
            registered_at=entry.created_at if entry else client.issued_at if client else 0,
            last_used_at=entry.last_used_at if entry else 0,
            grants=await self.grants.listings.count_grants(OfClient(client_id)),
            metadata=metadata,
        )

    async def delete(self, client_id: str, *, dry_run: bool) -> Fallout:
        """As RFC 7592 2.3 would: denied first, then every grant is ended. Doing it again goes on with what was left."""
        found = await self._find(client_id)
        if found.known.denial == "ended":
            raise Unknown("The client was deleted before.", reason="deleted before")
        whose = OfClient(client_id)
        if dry_run:
            live, users, complete = await self.grants.count(whose)
            return Fallout(dry_run=True, grants=live, users=users, complete=complete)
        await self.registry.deny(client_id)
        issuer = found.issuer.url if found.issuer else ""
        said = {"issuer": issuer, "client_name": found.name, "source": SOURCE}
        swept = await self.sweeper.sweep(Sweep(whose, None, "client_deleted", said))
        return Fallout(dry_run=False, grants=swept.ended, users=0, complete=swept.complete)

    async def readmit(self, client_id: str) -> Readmitted:
        """Raises Conflict for an id that would come back with what its client had before changes of its own."""
        if self.kind(client_id) is ClientKind.DCR:
            raise Conflict("A client that registered itself registers again; its old id stays denied.")
        denial = await self.registry.denied(client_id)
        if denial == "ending":
            raise Conflict("Its grants are still being ended. Try again shortly.")
        lifted = await self.cutoffs.readmit_client(client_id) if denial else False
        if lifted:
            self.recorder(ClientReadmitted(client=client_id, source=SOURCE))
        return Readmitted(readmitted=lifted)

    def kind(self, client_id: str) -> ClientKind:
        if self.clients.configured.has(client_id):
            return ClientKind.STATIC
        return ClientKind.CIMD if self.clients.documented.has(client_id) else ClientKind.DCR

    async def _find(self, client_id: str) -> Found:
        """Whatever there is of it, from what is here: no document is fetched. Raises Unknown."""
        kind = self.kind(client_id)
        if kind is ClientKind.CIMD:
            entry, denial = await self.registry.registered(client_id), await self.registry.denied(client_id)
            return _existing(Found(Known(None, entry, denial), kind))
        last = Known(None)
        for issuer, pool in self.pools.issuers():
            of = self.clients.configured if kind is ClientKind.STATIC else self.clients.registered
            last = await of.known(issuer, pool, client_id)
            if last.client is not None:
                return Found(last, kind, issuer if kind is ClientKind.DCR else None)
        return _existing(Found(last, kind))


def _existing(found: Found) -> Found:
    if found.known.entry is None and not found.known.denial:
        raise Unknown("There is no client of this id.", reason="no such client")
    return found


def _state(found: Found) -> Literal["good", "ending", "ended", "unknown"]:
    if found.known.denial:
        return found.known.denial
    return "good" if found.known.client or found.kind is ClientKind.CIMD else "unknown"

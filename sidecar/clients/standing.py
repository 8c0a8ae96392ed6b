"""Who a client is, whichever way it came to be: finding one by its id, authenticating one (RFC 6749 2.3).

One place says which kind an id is of, and one what proves a client. Owns no kind.
"""

from dataclasses import dataclass

from sidecar.clients.assertions import Assertions
from sidecar.clients.configured import Configured
from sidecar.clients.documented import Documented
from sidecar.clients.kinds import REGISTRY_SECONDS, Kind, described
from sidecar.clients.registered import Registered
from sidecar.clock import Clock
from sidecar.directory import Issuer
from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.params import ClientCredentials
from sidecar.records import Client, ClientKind, Pool
from sidecar.store.registry import Clients as Registry
from sidecar.store.registry import Registration


@dataclass(frozen=True, slots=True)
class Clients:
    registered: Registered
    configured: Configured
    documented: Documented
    assertions: Assertions
    store: Registry
    clock: Clock

    async def resolve(self, issuer: Issuer, pool: Pool, client_id: str, source: str) -> Client | None:
        """The client of this id at this issuer and pool, as policy sees it now, or None.

        Raises UnusableDocument and TooManyRequests for a client that is a document, StoreError and UpstreamUnavailable
        when nobody can say now.
        """
        return await self._find(self._kind(client_id), issuer, pool, client_id, source)

    async def authenticate(
        self, issuer: Issuer, pool: Pool, credentials: ClientCredentials, *, basic: bool, source: str
    ) -> Client:
        """The client that these credentials prove. Raises InvalidClient, the same for every reason.

        An unknown id costs what a known one with a wrong secret costs. `basic`: the caller used the Authorization
        header, so the error carries the challenge (RFC 6749 5.2).
        """
        kind = self._kind(credentials.client_id)
        secret_matches = kind.secret_matches(credentials)
        client = await self._find(kind, issuer, pool, credentials.client_id, source)
        if client is None:
            raise InvalidClient(reason="unknown client", basic=basic)
        if credentials.method not in client.auth_methods:
            registered = ", ".join(client.auth_methods)
            raise InvalidClient(reason=f"{credentials.method}, registered {registered}", basic=basic)
        if credentials.method == "private_key_jwt":
            await self.assertions.prove(client, issuer, credentials.secret, source)
        elif credentials.method != "none" and not secret_matches:
            raise InvalidClient(reason="wrong client secret", basic=basic)
        return client

    def _kind(self, client_id: str) -> Kind:
        if self.configured.has(client_id):
            return self.configured
        return self.documented if self.documented.has(client_id) else self.registered

    async def _find(self, kind: Kind, issuer: Issuer, pool: Pool, client_id: str, source: str) -> Client | None:
        known = await kind.known(issuer, pool, client_id, source)
        if known.client is None or known.denial:
            return None
        return kind.permitted(known.client)

    async def used(self, client: Client) -> None:
        """Note that it was given tokens; whoever only asks for some leaves no trace.

        What the store has forgotten is put back. Of one that is a document or configured, what it says now is kept.
        """
        now, first = self.clock(), client.issued_at
        if client.kind is ClientKind.DCR:
            if await self.store.used(client.id, now, REGISTRY_SECONDS):
                return
        else:
            entry = await self.store.registered(client.id)
            first = entry.created_at if entry else now
        noted = Registration(client.id, client.pool_id, described(client), first, now)
        await self.store.register(noted, REGISTRY_SECONDS)

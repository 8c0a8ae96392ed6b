"""Clients that the operator wrote into the configuration: for partners, and for programs that cannot register.

Their redirect URIs are the operator's own word, so policy about strangers does not narrow them. Owns no storage.
"""

import hmac
from dataclasses import dataclass

from sidecar.clients.kinds import Known
from sidecar.directory import Directory, Issuer
from sidecar.oauth.params import ClientCredentials
from sidecar.records import Client, ClientKind, Pool
from sidecar.store.registry import Clients as Registry


@dataclass(frozen=True, slots=True)
class Configured:
    directory: Directory
    store: Registry

    def has(self, client_id: str) -> bool:
        return client_id in self.directory.clients

    async def known(self, issuer: Issuer, pool: Pool, client_id: str, _source: str = "", /) -> Known:
        """Known at its own pool only. Costs a source nothing."""
        found = self.directory.clients.get(client_id)
        if found is None or found.pool != pool.name:
            return Known(None)
        client = Client(
            id=client_id,
            kind=ClientKind.STATIC,
            issuer=issuer.url,
            pool_id=pool.id,
            redirect_uris=found.redirect_uris,
            # With a secret both ways of sending it: who configures the other side rarely knows which one it uses.
            auth_methods=("client_secret_basic", "client_secret_post") if found.secret else ("none",),
            application_type="",
            refresh=True,
            issued_at=0,
            name=found.title,
            uri=found.uri,
            scopes=found.scopes or None,
        )
        return Known(client, await self.store.registered(client_id), await self.store.denied(client_id))

    def permitted(self, client: Client) -> Client | None:
        return client

    def secret_matches(self, credentials: ClientCredentials) -> bool:
        found = self.directory.clients.get(credentials.client_id)
        sent = credentials.secret.encode(errors="surrogatepass")
        return found is not None and hmac.compare_digest(found.secret.encode(), sent)

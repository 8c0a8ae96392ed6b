"""Clients whose id is the URL of a document that describes them (client id metadata documents).

The document is read again at every use, from memory while it is fresh, so a client is what its document says now. Owns
neither what a document may say (`oauth.client_document`) nor how it is fetched (`upstream`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.clients.kinds import Known, permitted
from sidecar.clients.turns import aside
from sidecar.directory import Issuer
from sidecar.oauth.client_document import ClientDocument, is_document_url
from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.params import ClientCredentials
from sidecar.oauth.policy import DocumentPolicy, RegistrationPolicy
from sidecar.records import Client, ClientKind, Pool
from sidecar.store.registry import Clients as Registry
from sidecar.upstream.base import ClientDocuments, UpstreamError, UpstreamUnavailable


class UnusableDocument(InvalidClient):
    """There is a definite answer at the URL, and it is not a document that we can use."""

    default = "The client id metadata document cannot be used."


class FetchBudget(Protocol):
    async def document(self, source: str) -> None:
        """Counts a fetch, of a document or of keys, on the account of a source. Raises TooManyRequests."""


@dataclass(frozen=True, slots=True)
class Documented:
    documents: ClientDocuments
    store: Registry
    hosts: DocumentPolicy
    policy: RegistrationPolicy
    budget: FetchBudget

    def has(self, client_id: str) -> bool:
        """Whether it is the URL of a document, of whomever. No other kind of id begins like this."""
        return client_id.startswith("https://")

    async def known(self, issuer: Issuer, pool: Pool, client_id: str, source: str, /) -> Known:
        """Raises UnusableDocument, TooManyRequests, or UpstreamUnavailable when nobody can say now."""
        if not is_document_url(client_id) or not self.hosts.allows(client_id):
            return Known(None)
        # Denied ones are not even fetched.
        entry, denial = await asyncio.gather(self.store.registered(client_id), self.store.denied(client_id))
        if denial:
            return Known(None, entry, denial)
        return Known(_client(await self.document(client_id, source), issuer, pool), entry)

    def permitted(self, client: Client) -> Client | None:
        return permitted(client, self.policy)

    def secret_matches(self, credentials: ClientCredentials) -> bool:  # noqa: ARG002 - it has no secret to match
        return False

    async def document(self, url: str, source: str) -> ClientDocument:
        """Raises as `known` does."""
        found = self.documents.cached(url)
        if found is not None:
            return found
        await self.budget.document(source)
        try:
            async with aside():
                return await self.documents.document(url)
        except UpstreamUnavailable:
            raise
        except UpstreamError as error:
            raise UnusableDocument(reason=f"{url}: {error}") from error

    async def keys(self, document: ClientDocument, source: str, *, again: bool = False) -> Mapping[str, object]:
        """`again`: not those that are kept. Raises UpstreamError, TooManyRequests."""
        kept = None if again else self.documents.cached_keys(document)
        if kept is not None:
            return kept
        await self.budget.document(source)
        async with aside():
            return await self.documents.keys(document, again=again)


def _client(document: ClientDocument, issuer: Issuer, pool: Pool) -> Client:
    return Client(
        id=document.url,
        kind=ClientKind.CIMD,
        issuer=issuer.url,
        pool_id=pool.id,
        redirect_uris=document.redirect_uris,
        auth_methods=document.auth_methods,
        application_type=document.application_type,
        refresh=document.refresh,
        issued_at=0,
        name=document.name,
        uri=document.uri,
        jwks_uri=document.jwks_uri,
        jwks=document.jwks,
    )

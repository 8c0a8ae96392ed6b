"""Clients that prove themselves by a signature (`private_key_jwt`): their keys, the assertion, and its one use.

Owns the order: keys, signature, claims, then the store. Owns neither what an assertion must say (`oauth.assertion`) nor
how keys are fetched (`upstream`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.clients.documented import Documented
from sidecar.clock import Clock
from sidecar.directory import Issuer
from sidecar.oauth.assertion import Proof, UnknownKey, verify
from sidecar.oauth.errors import InvalidClient
from sidecar.records import Client, ClientKind
from sidecar.store.base import Transactions
from sidecar.upstream.base import UpstreamError, UpstreamUnavailable


@dataclass(frozen=True, slots=True)
class Assertions:
    documented: Documented
    store: Transactions
    clock: Clock

    async def prove(self, client: Client, issuer: Issuer, assertion: str, source: str) -> None:
        """Raises InvalidClient when it proves nothing; UpstreamUnavailable, StoreError when nobody can say now.

        `source`: on whose account keys are fetched. Raises TooManyRequests when it has none left.
        """
        if client.kind is not ClientKind.CIMD:
            raise InvalidClient(reason="only a client with a document has keys")
        try:
            proof = await self._verified(client, issuer, assertion, source)
        except UpstreamUnavailable:
            raise
        except UpstreamError as error:
            raise InvalidClient(reason=f"no keys of {client.id}: {error}") from error
        # Last, so that only the client itself can use up one of its own.
        if not await self.store.spend_assertion(client.id, proof.jti, proof.seconds_to_remember(self.clock())):
            raise InvalidClient(reason="the assertion was used before")

    async def _verified(self, client: Client, issuer: Issuer, assertion: str, source: str) -> Proof:
        document = await self.documented.document(client.id, source)
        try:
            return self._verify(client, issuer, assertion, await self.documented.keys(document, source))
        except UnknownKey:
            if document.jwks is not None:
                raise
        # Clients change their keys (OpenID Connect Core 10.1.1): one look at what they publish now.
        return self._verify(client, issuer, assertion, await self.documented.keys(document, source, again=True))

    def _verify(self, client: Client, issuer: Issuer, assertion: str, keys: Mapping[str, object]) -> Proof:
        return verify(assertion, keys, client_id=client.id, audiences=audiences_of(issuer), now=self.clock())


def audiences_of(issuer: Issuer) -> frozenset[str]:
    """What we are called: by our issuer, as draft-ietf-oauth-rfc7523bis wants it, or by the endpoint that is asked.

    The latter is what RFC 7523 3 says and older clients do. Each is ours alone, so one set serves both endpoints.
    """
    names = {issuer.url, issuer.endpoint("token"), issuer.endpoint("revoke")}
    # An empty path and `/` are the same URL (RFC 3986 6.2.3), and URL libraries write the latter.
    return frozenset(names if issuer.path else {*names, f"{issuer.url}/"})

"""A client manages its own registration (RFC 7592): reads it, replaces it, ends it and everything it holds.

Whoever has the registration access token may; every reason why not is one refusal. The id and the secret never change,
so neither does the authentication method that goes with them. Owns no rule about metadata and no HTTP.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sidecar.clients import METHOD, Known, Registered, described
from sidecar.directory import Issuer
from sidecar.events import ClientUpdated, Recorder
from sidecar.grants.sweeps import Sweeper
from sidecar.oauth.errors import InvalidClientMetadata, InvalidToken
from sidecar.oauth.redirects import host_of
from sidecar.oauth.registration import VerifiedMetadata, verify
from sidecar.records import Client, Pool
from sidecar.store.listing import OfClient, Sweep
from sidecar.store.registry import Registration

AT_ONCE = 64
"""Grants that are ended before a deletion is answered. Anybody may have us do that, so it is soon done."""
_SERVERS_OWN = frozenset(
    {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
)


class NotTheClient(InvalidToken):
    """No token, a wrong one, another client's, or a client that is gone: nothing tells them apart (RFC 7592 2.1)."""

    default = "The registration access token is not valid."

    def __init__(self, *, reason: str = "") -> None:
        super().__init__(reason=reason, headers={"WWW-Authenticate": 'Bearer realm="dcr-sidecar"'})


@dataclass(frozen=True, slots=True)
class Management:
    clients: Registered
    sweeper: Sweeper
    recorder: Recorder

    async def client(self, issuer: Issuer, pool: Pool, client_id: str, token: str) -> Client:
        """The client that the token is for, also one that no policy would let sign anybody in. Raises NotTheClient."""
        client, _ = await self._standing(issuer, pool, client_id, token)
        return client

    async def read(self, issuer: Issuer, pool: Pool, client_id: str, token: str) -> dict[str, object]:
        """RFC 7592 2.1."""
        client, entry = await self._standing(issuer, pool, client_id, token)
        document = {**described(client), **(entry.metadata if entry else {})}
        return self.clients.answer(issuer, client.id, document, client.issued_at)

    async def replace(self, issuer: Issuer, pool: Pool, client: Client, body: object, source: str) -> dict[str, object]:
        """RFC 7592 2.2: what is left out goes back to its default, except the authentication method, which stays.

        Parallel replacements: one of them stands, whole. Grants stay; sign-ins under way for other values do not.
        """
        metadata = self._verified(issuer, client, body)
        changed = replace(
            client,
            redirect_uris=metadata.redirect_uris,
            application_type=metadata.application_type,
            refresh=metadata.refresh,
        )
        document, sealed = metadata.document(), self.clients.ids.change(changed)
        entry = Registration(client.id, pool.id, document, client.issued_at, self.clients.clock(), sealed)
        if not await self.clients.store.change(entry):
            raise NotTheClient(reason="deleted meanwhile")
        self.recorder(
            ClientUpdated(
                issuer=issuer.url,
                client=client.id,
                client_name=metadata.client_name,
                redirect_hosts=tuple(dict.fromkeys(host_of(uri) for uri in metadata.redirect_uris)),
                source=source,
            )
        )
        return self.clients.answer(issuer, client.id, document, client.issued_at)

    async def delete(self, issuer: Issuer, pool: Pool, client_id: str, token: str, source: str) -> None:
        """RFC 7592 2.3. Denied first, so that nothing begins behind the sweep; then every grant is ended.

        All but the first go on after the answer. A StoreError leaves the client denied and its token good for this one
        call, which goes on with the sweep; it goes on without that, too.
        """
        known = await self._authorised(issuer, pool, client_id, token)
        if known.client is None or known.denial == "ended":
            raise NotTheClient(reason="no such client")
        await self.clients.store.deny(client_id)
        said = {"issuer": issuer.url, "client_name": known.client.name, "source": source}
        await self.sweeper.sweep(Sweep(OfClient(client_id), None, "client_deleted", said), at_once=AT_ONCE)

    async def _authorised(self, issuer: Issuer, pool: Pool, client_id: str, token: str) -> Known:
        """The same work and the same refusal for every id."""
        matches = self.clients.ids.registration_token_matches(client_id, token)
        known = await self.clients.known(issuer, pool, client_id)
        if not matches:
            raise NotTheClient(reason="no registration access token of this client" if token else "no token")
        return known

    async def _standing(
        self, issuer: Issuer, pool: Pool, client_id: str, token: str
    ) -> tuple[Client, Registration | None]:
        known = await self._authorised(issuer, pool, client_id, token)
        if known.client is None or known.denial:
            raise NotTheClient(reason="no such client")
        return known.client, known.entry

    def _verified(self, issuer: Issuer, client: Client, body: object) -> VerifiedMetadata:
        if not isinstance(body, dict):
            raise InvalidClientMetadata("The body must be a JSON object.")
        if body.get("client_id") != client.id:
            raise InvalidClientMetadata("The client_id must be the one of this registration.")
        if _SERVERS_OWN & body.keys():
            raise InvalidClientMetadata("The body has members that only the server sets.")
        self._check_secret(client, body)
        sent = {**body, METHOD: body.get(METHOD) or client.auth_methods[0]}
        metadata = verify(sent, self.clients.policy, scopes=self.clients.scopes(issuer))
        if metadata.auth_method != client.auth_methods[0]:
            raise InvalidClientMetadata("The token_endpoint_auth_method cannot be changed; register again.")
        return metadata

    def _check_secret(self, client: Client, body: Mapping[str, object]) -> None:
        """A client may repeat its secret and never choose one."""
        if "client_secret" not in body:
            return
        ours = self.clients.ids.secret(client.id) if client.auth_methods[0] != "none" else ""
        sent = body["client_secret"]
        same = isinstance(sent, str) and hmac.compare_digest(sent.encode(errors="surrogatepass"), ours.encode())
        if not same or not ours:
            raise InvalidClientMetadata("The client_secret is not the one of this registration.")

"""Clients that registered themselves (RFC 7591): making one, and finding one by its id.

The id itself says what security needs; the store's registry adds a name, and is rebuilt when it was lost. It also keeps
what was changed since, which goes before the id, and who is denied. Owns no rule about metadata (`oauth.registration`
does), no change of a client (`management` does) and no HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from sidecar.client_ids import MAX_LENGTH, ClientIds
from sidecar.clients.kinds import METHOD, UNUSED_SECONDS, Known, permitted
from sidecar.clock import Clock
from sidecar.directory import Directory, Issuer
from sidecar.events import ClientRegistered, ClientUnreadable, Recorder
from sidecar.oauth.errors import NotFound
from sidecar.oauth.params import ClientCredentials
from sidecar.oauth.redirects import host_of
from sidecar.oauth.registration import RegistrationPolicy, verify
from sidecar.records import Client, Pool
from sidecar.store.registry import Clients as Registry
from sidecar.store.registry import Registration

Admission = Callable[[], AbstractAsyncContextManager[str]]
"""Around what keeps a client whose metadata is right: spends first what lets it in, and names that, or raises."""


@asynccontextmanager
async def open_to_all() -> AsyncIterator[str]:
    """Nothing is needed."""
    yield ""


@dataclass(frozen=True, slots=True)
class Registered:
    ids: ClientIds
    store: Registry
    directory: Directory
    policy: RegistrationPolicy
    clock: Clock
    recorder: Recorder

    async def register(
        self, issuer: Issuer, body: object, source: str, admit: Admission = open_to_all
    ) -> dict[str, object]:
        """Verify, make an id, keep the registry's entry; the members of the 201 (RFC 7591 3.2.1).

        Every call makes a new client. Raises OAuthError with a code of RFC 7591 3.2.2.
        """
        pool = self.directory.pool_of(issuer)
        if pool is None:
            raise NotFound(reason="the issuer has no pool")
        metadata = verify(body, self.policy, scopes=self.scopes(issuer))
        now = self.clock()
        sealed = self.ids.issue(
            issuer=issuer.url,
            pool_id=pool.id,
            redirect_uris=metadata.redirect_uris,
            auth_method=metadata.auth_method,
            application_type=metadata.application_type,
            refresh=metadata.refresh,
            now=now,
        )
        document = metadata.document()
        entry = Registration(sealed.client_id, pool.id, document, now, now, sealed.stored)
        async with admit() as admitted_by:
            await self.store.register(entry, UNUSED_SECONDS)
        self.recorder(
            ClientRegistered(
                issuer=issuer.url,
                pool=pool.name,
                client=sealed.client_id,
                client_name=metadata.client_name,
                redirect_hosts=tuple(dict.fromkeys(host_of(uri) for uri in metadata.redirect_uris)),
                auth_method=metadata.auth_method,
                source=source,
                stored=bool(sealed.stored),
                initial_access_token=admitted_by,
            )
        )
        return self.answer(issuer, sealed.client_id, document, now)

    async def known(self, issuer: Issuer, pool: Pool, client_id: str, _source: str = "", /) -> Known:
        """What there is of this id at this issuer and pool, before anything is judged. Costs a source nothing.

        One look into the store, whatever the id is.
        """
        # An id that cannot be ours costs the same reads, under a name that nobody has.
        name = client_id if _well_formed(client_id) else "-"
        entry, denial = await asyncio.gather(self.store.registered(name), self.store.denied(name))
        if entry is not None and entry.lost:
            # It may have given up redirect URIs that its id still names, so the id does not speak for it any more.
            self.recorder(ClientUnreadable(issuer=issuer.url, client=client_id))
            return Known(None, entry, denial)
        client = self.ids.open(
            client_id, issuer=issuer.url, pool_id=pool.id, stored=entry.sealed_body if entry else b""
        )
        if client is not None and client.issued_at < pool.clients_not_before:
            client = None  # the operator's cut-off, for the day on which the store lost what was changed and deleted
        if client is not None and entry is not None:
            metadata = entry.metadata
            client = replace(client, name=_text(metadata, "client_name"), uri=_text(metadata, "client_uri"))
        return Known(client, entry, denial)

    def permitted(self, client: Client) -> Client | None:
        return permitted(client, self.policy)

    def secret_matches(self, credentials: ClientCredentials) -> bool:
        return self.ids.secret_matches(credentials.client_id, credentials.secret)

    def answer(
        self, issuer: Issuer, client_id: str, document: Mapping[str, object], issued_at: int
    ) -> dict[str, object]:
        """The client information response (RFC 7591 3.2.1, RFC 7592 3). Its secrets are derived, so not kept."""
        answer: dict[str, object] = {"client_id": client_id, "client_id_issued_at": issued_at, **document}
        if document[METHOD] != "none":
            answer |= {"client_secret": self.ids.secret(client_id), "client_secret_expires_at": 0}  # 0: never
        return answer | {
            "registration_client_uri": f"{issuer.endpoint('register')}/{client_id}",
            "registration_access_token": self.ids.registration_token(client_id),
        }

    def scopes(self, issuer: Issuer) -> tuple[str, ...]:
        """Everything that any of the issuer's servers knows, in configured order."""
        servers = self.directory.servers_of(issuer)
        return tuple(dict.fromkeys(scope for server in servers for scope in server.scopes))


def _well_formed(client_id: str) -> bool:
    return 0 < len(client_id) <= MAX_LENGTH and client_id.isascii() and client_id.isprintable()


def _text(metadata: Mapping[str, object], name: str) -> str:
    value = metadata.get(name, "")
    return value if isinstance(value, str) else ""

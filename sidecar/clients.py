"""Who a client is: registering one (RFC 7591), finding one by its id, authenticating one (RFC 6749 2.3).

The id itself says what security needs; the store's registry adds a name, and is rebuilt when it was lost. It also keeps
what was changed since, which goes before the id, and who is denied. Owns no rule about metadata (`oauth.registration`
does), no change of a client (`management` does) and no HTTP.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sidecar.client_ids import MAX_LENGTH, ClientIds
from sidecar.clock import Clock
from sidecar.directory import Directory, Issuer
from sidecar.events import ClientRegistered, Recorder
from sidecar.oauth.errors import InvalidClient, NotFound
from sidecar.oauth.params import ClientCredentials
from sidecar.oauth.redirects import host_of
from sidecar.oauth.registration import RegistrationPolicy, verify
from sidecar.records import Client, Pool
from sidecar.store.registry import Clients as Registry
from sidecar.store.registry import Denial, Registration

REGISTRY_SECONDS = 180 * 86400
"""Without use. Longer than any grant lives, so that what a grant names is still there."""

UNUSED_SECONDS = 86400
"""Until the first use. Anybody may register, and clients do so when somebody is about to sign in."""


METHOD = "token_endpoint_auth_method"


@dataclass(frozen=True, slots=True)
class Known:
    """What an id and the registry say together. `client`: also one that may do nothing any more, and unjudged."""

    client: Client | None
    entry: Registration | None
    denial: Denial


@dataclass(frozen=True, slots=True)
class Clients:
    ids: ClientIds
    store: Registry
    directory: Directory
    policy: RegistrationPolicy
    clock: Clock
    recorder: Recorder

    async def register(self, issuer: Issuer, body: object, source: str) -> dict[str, object]:
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
            )
        )
        return self.answer(issuer, sealed.client_id, document, now)

    async def resolve(self, issuer: Issuer, pool: Pool, client_id: str) -> Client | None:
        """The client of this id at this issuer and pool, as policy sees it now, or None.

        One look into the store, whatever the id is.
        """
        client, _ = await self._find(issuer, pool, client_id)
        return client

    async def authenticate(self, issuer: Issuer, pool: Pool, credentials: ClientCredentials, *, basic: bool) -> Client:
        """The client that these credentials prove. Raises InvalidClient, the same for every reason.

        An unknown id costs what a known one with a wrong secret costs. `basic`: the caller used the Authorization
        header, so the error carries the challenge (RFC 6749 5.2).
        """
        secret_matches = self.ids.secret_matches(credentials.client_id, credentials.secret)
        client, entry = await self._find(issuer, pool, credentials.client_id)
        if client is None:
            raise InvalidClient(reason="unknown client", basic=basic)
        if credentials.method != client.auth_method:
            raise InvalidClient(reason=f"{credentials.method}, registered {client.auth_method}", basic=basic)
        if client.auth_method != "none" and not secret_matches:
            raise InvalidClient(reason="wrong client secret", basic=basic)
        await self._touch(client, entry)
        return client

    async def known(self, issuer: Issuer, pool: Pool, client_id: str) -> Known:
        """What there is of this id at this issuer and pool, before anything is judged."""
        # An id that cannot be ours costs the same reads, under a name that nobody has.
        name = client_id if _well_formed(client_id) else "-"
        entry, denial = await asyncio.gather(self.store.registered(name), self.store.denied(name))
        client = self.ids.open(
            client_id, issuer=issuer.url, pool_id=pool.id, stored=entry.sealed_body if entry else b""
        )
        if client is not None and entry is not None:
            metadata = entry.metadata
            client = replace(client, name=_text(metadata, "client_name"), uri=_text(metadata, "client_uri"))
        return Known(client, entry, denial)

    async def _find(self, issuer: Issuer, pool: Pool, client_id: str) -> tuple[Client | None, Registration | None]:
        known = await self.known(issuer, pool, client_id)
        client = None if known.denial else known.client
        # Policy may have changed since it registered: what is refused now is not its redirect URI any more.
        allowed = tuple(uri for uri in client.redirect_uris if self.policy.allows(uri)) if client else ()
        if client is None or not allowed:
            return None, None
        return replace(client, redirect_uris=allowed), known.entry

    async def _touch(self, client: Client, entry: Registration | None) -> None:
        """Note the use; put back the entry of an id that the store has forgotten (the id speaks for itself)."""
        now = self.clock()
        if entry is not None:
            await self.store.used(client.id, now, REGISTRY_SECONDS)
            return
        rebuilt = Registration(client.id, client.pool_id, self_described(client), client.issued_at, now)
        await self.store.register(rebuilt, REGISTRY_SECONDS)

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


def self_described(client: Client) -> dict[str, object]:
    """The metadata (RFC 7591 2) that a client's id gives when the registry has nothing more."""
    members: dict[str, object] = {
        "redirect_uris": list(client.redirect_uris),
        "token_endpoint_auth_method": client.auth_method,
        "grant_types": ["authorization_code", "refresh_token"] if client.refresh else ["authorization_code"],
        "response_types": ["code"],
        "application_type": client.application_type,
    }
    return {name: value for name, value in members.items() if value}


def _well_formed(client_id: str) -> bool:
    return 0 < len(client_id) <= MAX_LENGTH and client_id.isascii() and client_id.isprintable()


def _text(metadata: Mapping[str, object], name: str) -> str:
    value = metadata.get(name, "")
    return value if isinstance(value, str) else ""

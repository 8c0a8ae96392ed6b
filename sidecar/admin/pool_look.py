"""What a pool looks like to operators: where it lives, whether it is served, what to enter at its provider."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.admin.pool_views import AuthorityView, FormerView, PoolRow, PoolView, RegistrationView, State
from sidecar.directory import Directory
from sidecar.pools import LivePools, StoredPool
from sidecar.pools.authorities import authorities
from sidecar.pools.book import Entry
from sidecar.pools.selection import UNFIT
from sidecar.pools.standing import RegistrationStatus
from sidecar.pools.urls import without_user
from sidecar.records import Pool
from sidecar.store.listing import Listings, OfPool
from sidecar.upstream import quirks
from sidecar.upstream.messages import asked_scopes

_UNREGISTERED = {
    "waiting": "it has no client at its provider yet",
    "unavailable": "its registration at the provider did not come about yet",
    "refused": "the provider refused its registration",
    "not_offered": "the provider takes no registrations",
    "not_allowed": "the provider is none that it may register with",
    "unreadable": "its registration cannot be read",
}
_SHOWN = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "scopes",
    "token_auth",
    "clients_not_before",
)


@dataclass(frozen=True, slots=True)
class PoolLook:
    live: LivePools
    directory: Directory
    listings: Listings
    registration: Callable[[Pool], RegistrationStatus]
    """How it stands with the client that a pool registers for itself."""

    async def configured_row(self, pool: Pool) -> PoolRow:
        return PoolRow(**await self._row(pool), **self._configured(pool))

    async def configured(self, pool: Pool) -> PoolView:
        members = {**await self._row(pool), **self._configured(pool), **self._more(pool)}
        return PoolView(**members, created_at=0, changed_at=0)

    async def stored_row(self, name: str, entry: Entry) -> PoolRow:
        if entry.stored is None:
            return PoolRow(
                pool=name,
                id="",
                provider="",
                source="store",
                state="unreadable",
                problem=UNFIT["unreadable"],
                client_id="",
                servers=self.servers_of(name),
                clients=0,
                grants=0,
                version=entry.version,
            )
        return PoolRow(**await self._row(entry.stored.pool), **self._stored(entry.stored, entry.version))

    async def stored(self, stored: StoredPool, version: int) -> PoolView:
        return PoolView(
            **await self._row(stored.pool),
            **self._stored(stored, version),
            **self._more(stored.pool),
            created_at=stored.created_at,
            changed_at=stored.changed_at,
        )

    def servers_of(self, name: str) -> tuple[str, ...]:
        return tuple(server.name for server in self.directory.servers_with(name))

    async def _row(self, pool: Pool) -> dict[str, Any]:
        return {
            "pool": pool.name,
            "id": pool.id,
            "provider": pool.provider,
            "client_id": pool.client_id or self.registration(pool).client_id,
            "servers": self.servers_of(pool.name),
            "clients": await self.listings.count_clients(pool.id),
            "grants": await self.listings.count_grants(OfPool(pool.id)),
        }

    def _configured(self, pool: Pool) -> dict[str, Any]:
        return {"source": "configuration", **self._standing(pool), "version": 0}

    def _stored(self, stored: StoredPool, version: int) -> dict[str, Any]:
        standing = {"state": "deleting", "problem": ""} if stored.state == "deleting" else self._standing(stored.pool)
        return {"source": "store", **standing, "version": version}

    def _standing(self, pool: Pool) -> dict[str, Any]:
        """Whether it is served, and what keeps it from that; or from staying so."""
        if pool.client_id and pool.name in self.live.configured:
            return {"state": "live", "problem": ""}
        if problem := self.live.selection.unfit(pool):
            return {"state": "refused", "problem": UNFIT[problem]}
        if pool.client_id:
            return {"state": "live", "problem": ""}
        status = self.registration(pool)
        state: State = "live" if status.client_id else "waiting"
        problem = "" if status.state == "registered" else f"{_UNREGISTERED[status.state]}: {status.detail}"
        return {"state": state, "problem": problem}

    def _more(self, pool: Pool) -> dict[str, Any]:
        return {
            **{name: getattr(pool, name) for name in _SHOWN},
            "authorize_params": dict(pool.authorize_params),
            "ca": tuple(
                AuthorityView(subject=each.subject, until=each.until, sha256=each.sha256)
                for each in authorities(pool.ca)
            ),
            "proxy": without_user(pool.proxy),
            "registration": None if pool.client_id else self._registration(pool),
            "former": tuple(self._former(pool)),
            "callback_urls": self.directory.callbacks_of(pool.name),
            "scopes_to_allow": asked_scopes(pool, quirks.preset(pool.provider)),
        }

    def _former(self, pool: Pool) -> Iterator[FormerView]:
        """In the order in which they are tried."""
        registered = () if pool.client_id else self.registration(pool).former
        for client_id, until in (*registered, *((each.client_id, each.until) for each in pool.former)):
            yield FormerView(client_id=client_id, until=until)

    def _registration(self, pool: Pool) -> RegistrationView:
        status = self.registration(pool)
        return RegistrationView(
            state=status.state,
            detail=status.detail,
            issuer=status.issuer,
            client_id=status.client_id,
            secret_expires_at=status.secret_expires_at,
            allowed_issuers=pool.registration.allowed_issuers if pool.registration else (),
        )

"""One try to register a pool at its IdP, or to keep what is registered there in order. Keeps nothing itself.

Owns what follows from what the IdP says: a definite "unknown" leads to a new client, anything unclear to nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sidecar.clock import Clock
from sidecar.directory import Server
from sidecar.events import Recorder, UpstreamRegistered, UpstreamRegistrationDeleted, UpstreamRegistrationLost
from sidecar.pools.registered import AGAIN_SECONDS, Due, Registration, State, is_for
from sidecar.records import Pool
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable, UpstreamUnknown
from sidecar.upstream.registration_messages import (
    AuthorizationServer,
    Registered,
    RegistrationForgotten,
    RegistrationNotAllowed,
    RegistrationNotOffered,
    RegistrationRefused,
    Wanted,
)

_FIRST_WAIT = 30.0
_LONGEST_WAIT = 600.0


class Registrar(Protocol):
    """What an IdP is asked. Every method may raise UpstreamError and nothing else."""

    async def find(self, pool: Pool, servers: Sequence[Server]) -> AuthorizationServer: ...

    def wanted(
        self, pool: Pool, server: AuthorizationServer, *, redirect_uris: tuple[str, ...], name: str
    ) -> Wanted: ...

    async def register(self, pool: Pool, server: AuthorizationServer, asked: Wanted) -> Registered: ...

    async def read(self, pool: Pool, known: Registered) -> Registered: ...

    async def update(self, pool: Pool, known: Registered, asked: Wanted) -> Registered: ...

    async def delete(self, pool: Pool, known: Registered) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A pool, and what its client at the IdP is for."""

    pool: Pool
    servers: tuple[Server, ...]
    callbacks: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def client_name(self) -> str:
        return f"dcr-sidecar for {', '.join(server.name for server in self.servers)}"[:128]


@dataclass(frozen=True, slots=True)
class Attempts:
    registrar: Registrar
    clock: Clock
    recorder: Recorder
    pause: int = AGAIN_SECONDS
    """Between a registration and the next."""

    async def carry_out(self, action: Due, work: Work, before: Registration) -> Registration:
        """What is to be kept. Raises UpstreamError when nothing came of it."""
        own = before.registered
        if action == "register" or own is None:
            return await self._register(work, before, keep=False)
        if not own.management_uri:
            if action == "verify":
                self._lost(work, before, "forgotten", "the token endpoint does not know us")
            return await self._register(work, before, keep=action != "verify")
        try:
            if action in {"verify", "check"}:
                return await self._looked_at(action, work, before, own)
            return await self._changed(action, work, before, own)
        except RegistrationForgotten as error:
            self._lost(work, before, "forgotten", str(error))
            return await self._register(work, before, keep=False)

    async def take_back(self, work: Work, issuer: str, registered: Registered) -> None:
        """Best effort (RFC 7592 2.3)."""
        why = "it cannot be managed"
        if registered.management_uri:
            try:
                await self.registrar.delete(work.pool, registered)
            except UpstreamError as error:
                why = str(error)
            else:
                event = UpstreamRegistrationDeleted(
                    pool=work.pool.name, upstream_issuer=issuer, upstream_client=registered.client_id
                )
                self.recorder(event)
                return
        self._tell_lost(work, issuer, registered.client_id, "orphaned", f"not deleted at the IdP: {why}")

    async def _register(self, work: Work, before: Registration, *, keep: bool) -> Registration:
        now = self.clock()
        if is_for(work.pool, before.issuer) and (wait := before.again_at(now, self.pause) - now) > 0:
            raise UpstreamUnavailable(f"registered a while ago already; not again for {wait} s", retry_after=wait)
        server = await self.registrar.find(work.pool, work.servers)
        asked = self._wanted(work, server)
        try:
            registered = await self.registrar.register(work.pool, server, asked)
        except (UpstreamUnknown, UpstreamMalformed) as error:
            self._tell_lost(work, server.issuer, "", "orphaned", f"there may be a client that is of no use: {error}")
            raise
        if before.registered is not None and before.issuer != server.issuer:
            self._lost(work, before, "orphaned", "the pool has gone to another authorization server")
        self._tell(work, server.issuer, registered, "registered")
        after = before.with_client(server.issuer, registered, now, keep=keep)
        return replace(after, redirect_uris=work.callbacks, scopes=work.scopes)

    async def _looked_at(self, action: Due, work: Work, before: Registration, own: Registered) -> Registration:
        try:
            found = await self.registrar.read(work.pool, own)
        except RegistrationRefused:  # it lets nobody look (RFC 7592 2.1: 403), or has no such method
            if action == "check":
                return replace(before, checked_at=self.clock())
            return await self._register(work, before, keep=True)
        if (found.client_secret, found.auth_method) != (own.client_secret, own.auth_method):
            self._tell(work, before.issuer, found, "adopted")
        elif action == "verify":
            # It knows us, says that all is as we have it, and yet its token endpoint does not take it.
            self._lost(work, before, "forgotten", "the token endpoint does not know us, the registration endpoint does")
            after = await self._register(work, before, keep=False)
            await self.take_back(work, before.issuer, own)
            return after
        return before.with_answer(found, self.clock())

    async def _changed(self, action: Due, work: Work, before: Registration, own: Registered) -> Registration:
        server = await self.registrar.find(work.pool, work.servers)
        try:
            found = await self.registrar.update(work.pool, own, self._wanted(work, server))
        except RegistrationRefused:
            return await self._register(work, before, keep=True)
        renewed = not found.secret_expires_at or found.secret_expires_at > own.secret_expires_at
        if action == "renew" and not renewed:
            return await self._register(work, before.with_answer(found, self.clock()), keep=True)
        self._tell(work, before.issuer, found, "renewed" if action == "renew" else "updated")
        return replace(before.with_answer(found, self.clock()), redirect_uris=work.callbacks, scopes=work.scopes)

    def _wanted(self, work: Work, server: AuthorizationServer) -> Wanted:
        return self.registrar.wanted(work.pool, server, redirect_uris=work.callbacks, name=work.client_name)

    def _tell(self, work: Work, issuer: str, registered: Registered, outcome: str) -> None:
        self.recorder(
            UpstreamRegistered(
                pool=work.pool.name, upstream_issuer=issuer, upstream_client=registered.client_id, outcome=outcome
            )
        )

    def _lost(self, work: Work, before: Registration, outcome: str, detail: str) -> None:
        client = before.registered.client_id if before.registered else ""
        self._tell_lost(work, before.issuer, client, outcome, detail)

    def _tell_lost(self, work: Work, issuer: str, client: str, outcome: str, detail: str) -> None:
        self.recorder(
            UpstreamRegistrationLost(
                pool=work.pool.name, upstream_issuer=issuer, upstream_client=client, outcome=outcome, detail=detail
            )
        )


def state_after(error: UpstreamError) -> State:
    if isinstance(error, RegistrationNotOffered):
        return "not_offered"
    if isinstance(error, RegistrationNotAllowed):
        return "not_allowed"
    return "refused" if isinstance(error, RegistrationRefused | UpstreamMalformed) else "unavailable"


def wait_after(error: UpstreamError, failures: int) -> float:
    """Longer from one failure to the next, and as long as the IdP asks for."""
    wanted = error.retry_after if isinstance(error, UpstreamUnavailable) else 0
    return min(max(_FIRST_WAIT * 2.0 ** min(failures, 10), wanted), _LONGEST_WAIT)

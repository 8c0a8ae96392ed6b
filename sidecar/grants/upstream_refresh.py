"""Refresh of a grant's upstream tokens: once, however many requests on however many replicas want it.

In one process, callers share an owned task that no caller's cancellation ends; across replicas, a lease in the store
decides. The result is stored before anybody is answered. Three outcomes: new tokens, `UpstreamEnded` (the grant is
gone) and `UpstreamTransient` (nothing was decided).
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from sidecar.clock import Entropy, Monotonic
from sidecar.directory import Directory
from sidecar.events import EndReason, Recorder
from sidecar.grants import telling, vault
from sidecar.grants.readmission import reason_to_end
from sidecar.records import Grant, Pool
from sidecar.store.base import Grants, SealedUpstream, StoreError
from sidecar.upstream.base import (
    Upstream,
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
)

LEASE_SECONDS = 15.0
"""Longer than any upstream call (4 s) and the writes around it, shorter than a person's patience after a crash."""

WAIT_SECONDS = 4.0
"""How long a caller waits for another replica's refresh; below Envoy's ext_authz timeout of 5 s."""

_POLL_SECONDS = 0.05
_MISCONFIGURED_COOL_DOWN = 10.0
_SAVE_TRIES = 3
_GIVE_BACK_AFTER = (0.0, 0.5, 1.0, 2.0)
"""Seconds between tries; all of them fit into the lease."""


class UpstreamEnded(Exception):
    """The grant is over: the IdP refused its refresh token, nobody knows whether it has one, or the user may not."""


class UpstreamTransient(Exception):
    """No new tokens now. Says nothing about the user; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = max(retry_after, 1)


@dataclass(frozen=True, slots=True)
class UpstreamRefresh:
    store: Grants
    upstream: Upstream
    directory: Directory
    entropy: Entropy
    monotonic: Monotonic
    recorder: Recorder
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _giving_back: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def renew(self, pool: Pool, grant: Grant, stored: SealedUpstream, data_key: bytes) -> None:
        """Return when the store holds a newer token set than `stored`; the caller reads it again.

        Raises UpstreamEnded, UpstreamTransient or StoreError.
        """
        task = self._running.get(grant.id)
        if task is None:
            task = asyncio.create_task(self._renew(pool, grant, stored, data_key), name=f"refresh {grant.id}")
            self._running[grant.id] = task
            task.add_done_callback(lambda done: self._forget(grant.id, done))
        await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for refreshes under way: a rotated upstream token must reach the store before we stop."""
        while under_way := [*self._running.values(), *self._giving_back]:
            await asyncio.wait(under_way)

    def _forget(self, grant_id: str, done: asyncio.Task[None]) -> None:
        self._running.pop(grant_id, None)
        if not done.cancelled():
            done.exception()  # every caller may have gone: the outcome is in the store

    async def _renew(self, pool: Pool, grant: Grant, stored: SealedUpstream, data_key: bytes) -> None:
        owner = self.entropy(16).hex()
        try:
            ours = await self._acquire(pool, grant, stored, owner)
        except StoreError:
            self._give_back(grant, owner)
            raise
        if not ours:
            return
        tokens = vault.unseal(data_key, grant, stored)
        try:
            refreshed = await self.upstream.refresh(pool, tokens.refresh_token, client_id=grant.upstream_client)
        except UpstreamRefused as error:
            await self._end(grant, "upstream_refused")
            raise UpstreamEnded(str(error)) from error
        except (UpstreamUnavailable, UpstreamMisconfigured) as error:
            # Certainly nothing changed at the IdP; `invalid_client` is our own fault, never the user's (design 9).
            wait = error.retry_after if isinstance(error, UpstreamUnavailable) else _MISCONFIGURED_COOL_DOWN
            await self.store.release_upstream(grant.id, owner, cool_down=wait)
            raise UpstreamTransient(str(error), int(wait)) from error
        except UpstreamError as error:
            await self._unknown(pool, grant, owner, str(error))
            raise UpstreamTransient(str(error), 1) from error
        renewed = refreshed.tokens
        if reason := reason_to_end(self.directory, grant, refreshed):
            await self._end(grant, reason)
            raise UpstreamEnded(f"refreshed, but the user may not have it: {reason}")
        if stored.refused and renewed.access_token == tokens.access_token:
            await self._end(grant, "origin_refused")
            raise UpstreamEnded("the provider gave the refused token again")
        await self._save(grant, owner, vault.seal(data_key, grant, stored.serial + 1, renewed, self.entropy))

    async def _acquire(self, pool: Pool, grant: Grant, stored: SealedUpstream, owner: str) -> bool:
        """Whether it is ours to call the IdP. False: somebody else has stored newer tokens."""
        deadline = self.monotonic() + WAIT_SECONDS
        while True:
            lease = await self.store.lease_upstream(grant.id, stored.serial, owner, LEASE_SECONDS)
            match lease.outcome:
                case "granted":
                    return True
                case "stale":
                    return False
                case "gone":
                    raise UpstreamEnded("the grant was ended meanwhile")
                case "cooling":
                    raise UpstreamTransient("the last refresh failed a moment ago", int(lease.seconds) + 1)
                case "interrupted":
                    if not self.upstream.retries_unknown(pool):
                        await self._end(grant, "unknown_outcome")
                        raise UpstreamEnded("a refresh was interrupted after it may have reached the provider")
                    return True
                case "busy":
                    if self.monotonic() >= deadline:
                        raise UpstreamTransient("another replica is refreshing", 1)
                    await asyncio.sleep(_POLL_SECONDS)

    def _give_back(self, grant: Grant, owner: str) -> None:
        """A lease whose answer was lost may have been given, or may yet be: the store can be late, not deaf.

        The mark that it leaves would read as a call that broke off, and end the grant where a provider takes a refresh
        token once. Nobody has called. Several tries, as the lease may come into force after the first.
        """

        async def tries() -> None:
            for pause in _GIVE_BACK_AFTER:
                await asyncio.sleep(pause)
                with contextlib.suppress(StoreError):
                    await self.store.release_upstream(grant.id, owner, cool_down=0)

        task = asyncio.create_task(tries(), name=f"give back {grant.id}")
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)

    async def _unknown(self, pool: Pool, grant: Grant, owner: str, detail: str) -> None:
        """The call was sent and its outcome is unknown. A rotating IdP may have burnt the stored refresh token."""
        if self.upstream.retries_unknown(pool):
            await self.store.release_upstream(grant.id, owner, cool_down=1.0)
            return
        await self._end(grant, "unknown_outcome")
        raise UpstreamEnded(detail)

    async def _save(self, grant: Grant, owner: str, upstream: SealedUpstream) -> None:
        for attempt in range(1, _SAVE_TRIES + 1):
            try:
                # Safe to repeat: a second success is refused because the first gave the lease back.
                await self.store.save_upstream(grant.id, owner, upstream)
            except StoreError:
                if attempt == _SAVE_TRIES:
                    raise
                await asyncio.sleep(_POLL_SECONDS * attempt)
            else:
                return

    async def _end(self, grant: Grant, reason: EndReason) -> None:
        await self.store.revoke(grant.id)
        self.recorder(telling.ended(grant, reason))

"""Which of the clients that a pool has, or had, at its IdP a call is made as (design 12.11).

A code, a refresh token and an id_token belong to the client that asked for them (RFC 6749 5.2, 6; OpenID Connect Core
3.1.3.7), so whoever signed in with a former client stays with it. Another secret of the same client is tried only when
the IdP has said for certain that it does not take the newer one. Owns the choice, and no message.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sidecar.clock import Clock
from sidecar.events import FormerCredentials, Recorder
from sidecar.records import Pool, UpstreamCredentials
from sidecar.upstream.base import UpstreamClientRefused, UpstreamMisconfigured

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Credentials:
    clock: Clock
    recorder: Recorder

    async def call(self, pool: Pool, client_id: str, operation: str, send: Callable[[Pool], Awaitable[_T]]) -> _T:
        """What `send` returns for the pool as this client, or as its present one when `client_id` is empty.

        Raises UpstreamMisconfigured for a client that the pool does not have any more, and what `send` raises. Of its
        secrets the newest and the one before are tried: more would look like guessing to the IdP.
        """
        own = as_client(pool, client_id, self.clock())
        if not own:
            self._tell(pool, client_id, operation, "gone")
            raise UpstreamMisconfigured("signed in with an upstream client that the pool does not have any more")
        try:
            result = await send(own[0])
        except UpstreamClientRefused:
            if len(own) == 1:
                raise
            result = await send(own[1])
            self._tell(pool, own[1].client_id, operation, "secret")
        else:
            if own[0].client_id != pool.client_id:
                self._tell(pool, client_id, operation, "client")
        return result

    def _tell(self, pool: Pool, client_id: str, operation: str, what: str) -> None:
        self.recorder(FormerCredentials(pool=pool.name, upstream_client=client_id, operation=operation, what=what))


def as_client(pool: Pool, client_id: str, now: int) -> tuple[Pool, ...]:
    """The pool with each secret of this client, the newest first. Empty: it has no such client."""
    wanted = client_id or pool.client_id
    present = UpstreamCredentials(pool.client_id, pool.client_secret)
    former = (each for each in pool.former if not each.until or now < each.until)
    secrets = dict.fromkeys(each.client_secret for each in (present, *former) if each.client_id == wanted)
    return tuple(replace(pool, client_id=wanted, client_secret=secret, former=()) for secret in secrets)

"""The upstream tokens of a grant in Redis: who may refresh them, and what came of it. Owns the lease, not the refresh.

The lease, its mark and the tokens are fields of the grant's hash, so result and release are one step, and all of it
goes when the grant goes.
"""

from typing import cast

from sidecar.store.base import Lease, Refused, SealedUpstream
from sidecar.store.packing import upstream_pairs
from sidecar.store.redis_part import Part, given, milliseconds

_MUST_SERVE_SECONDS = 300.0
"""A token that was renewed because the MCP server refused the last one, and is refused within this, ends the grant."""


class RedisUpstream(Part):
    __slots__ = ()

    async def lease_upstream(
        self, grant_id: str, serial: int, owner: str, seconds: float, *, now: float | None = None
    ) -> Lease:
        outcome, *wait = await self.link.script(
            "upstream_lease", self.keys.grant(grant_id), given(now), serial, owner, milliseconds(seconds)
        )
        return Lease(outcome.decode(), int(wait[0]) / 1000 if wait else 0.0)

    async def save_upstream(self, grant_id: str, owner: str, upstream: SealedUpstream) -> bool:
        return bool(
            await self.link.script("upstream_save", self.keys.grant(grant_id), owner, *upstream_pairs(upstream))
        )

    async def release_upstream(self, grant_id: str, owner: str, *, cool_down: float, now: float | None = None) -> None:
        await self.link.script(
            "upstream_release", self.keys.grant(grant_id), given(now), owner, milliseconds(cool_down)
        )

    async def refuse_upstream(self, grant_id: str, serial: int, *, now: float | None = None) -> Refused:
        outcome = await self.link.script(
            "upstream_refuse", self.keys.grant(grant_id), given(now), serial, milliseconds(_MUST_SERVE_SECONDS)
        )
        return cast("Refused", outcome.decode())

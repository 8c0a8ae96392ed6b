"""Grants in Redis: one hash each, one script for every change. Owns their life from code to end, and their indexes."""

from typing import cast

from sidecar.records import Grant
from sidecar.store.base import (
    AccessView,
    CodeProofs,
    GrantState,
    Issued,
    NewGrant,
    Redeemed,
    Rotated,
    StoreError,
)
from sidecar.store.codec import F, access_field, cutoff, denies
from sidecar.store.packing import grant_pairs, issued_pairs, read_state, read_view, view_fields
from sidecar.store.redis_link import together
from sidecar.store.redis_part import UNCONFIRMED, Part, given, milliseconds, optional

_MARGIN = 60
"""Seconds for which an unused code's grant stays after the code's end, so that it is told from an unknown one."""
_WRONG_VERIFIERS = 3
"""So many wrong verifiers burn a code (design 12.2)."""


class RedisGrants(Part):
    __slots__ = ()

    async def create(self, new: NewGrant) -> bool:
        # Whoever denies writes the denial, then sweeps the index; we write the index, then read the denial. So one of
        # the two sees the other, whichever way they interleave.
        # What begins behind a user's cut-off is told from what that ended by its number, read before all else: no clock
        # is compared, since those of replicas differ.
        grant = new.grant
        behind = cutoff(await self.link.command("GET", self.keys.denied_user(grant.pool_id, grant.identity.subject)))
        await self._list(grant, life=new.code_life + _MARGIN)
        stored = await self.link.script(
            "grant_create",
            self.keys.grant(grant.id),
            milliseconds(new.code_life),
            milliseconds(_MARGIN),
            *grant_pairs(new),
            *(F.CUTOFF, behind),
        )
        if not stored:
            raise StoreError("the store already has a grant of this id")
        client, user, pool = await together(*(self.link.command("GET", key) for key in self.keys.denials(grant)))
        if client is not None or pool is not None or denies(user, behind):
            await self.link.command("DEL", self.keys.grant(grant.id))
            await together(*(self.link.command("ZREM", key, grant.id) for key in self.keys.indexes(grant)))
            return False
        return True

    async def read(self, grant_id: str) -> GrantState | None:
        stored = await self.link.command("HGETALL", self.keys.grant(grant_id))
        return self._readable(lambda: read_state(grant_id, stored))

    async def peek(self, grant_id: str, generation: int) -> AccessView | None:
        values = await self.link.command("HMGET", self.keys.grant(grant_id), *view_fields(generation))
        return self._readable(lambda: read_view(grant_id, values))

    async def redeem(
        self,
        state: GrantState,
        proofs: CodeProofs,
        issued: Issued | None,
        *,
        expires_at: int,
        double_submit: int,
        now: int | None = None,
    ) -> Redeemed:
        # Before the code is consumed, so that no redeemed grant is ever missing from an index.
        if issued is not None:
            await self._list(state.grant, end=expires_at)
        outcome = await self.link.script(
            "grant_redeem",
            self.keys.grant(state.grant.id),
            given(now),
            state.version,
            proofs.client_id,
            optional(proofs.redirect_uri),
            optional(proofs.resource),
            proofs.challenge,
            milliseconds(double_submit),
            _WRONG_VERIFIERS,
            milliseconds(expires_at),
            *_change(issued),
        )
        await self._confirm_softly(state.grant.id, "redeem")
        return cast("Redeemed", outcome.decode())

    async def rotate(
        self,
        state: GrantState,
        presented: int,
        issued: Issued | None,
        answer: bytes,
        *,
        grace: int,
        now: int | None = None,
    ) -> Rotated:
        if issued is not None and issued.refresh is None:
            raise ValueError("a rotation issues a refresh token")
        outcome, *rest = await self.link.script(
            "grant_rotate",
            self.keys.grant(state.grant.id),
            given(now),
            state.version,
            presented,
            milliseconds(grace),
            answer,
            *_change(issued),
        )
        await self._confirm_softly(state.grant.id, "rotate")
        kind = outcome.decode()
        return Rotated(kind, rest[0], int(rest[1])) if rest else Rotated(kind)

    async def revoke(self, grant_id: str) -> bool:
        ended = await self.link.script("grant_end", self.keys.grant(grant_id))
        await self._confirm(grant_id)
        return bool(ended)

    async def revoke_access(self, grant_id: str, generation: int) -> bool:
        ended = await self.link.script("access_revoke", self.keys.grant(grant_id), access_field(generation))
        await self._confirm(grant_id)
        return bool(ended)

    async def _list(self, grant: Grant, *, end: int | None = None, life: int = 0) -> None:
        """Enter the grant in its indexes; an earlier, later end stays."""
        until = "" if end is None else milliseconds(end)
        keys = self.keys.indexes(grant)
        await together(*(self.link.script("index_add", key, grant.id, until, milliseconds(life)) for key in keys))

    async def _confirm(self, grant_id: str) -> None:
        """Also when nothing was there to end: an earlier try may have ended it, unconfirmed."""
        if not await self.link.confirmed(self.keys.barrier(grant_id)):
            raise StoreError(UNCONFIRMED)

    async def _confirm_softly(self, grant_id: str, verb: str) -> None:
        """The change stands and cannot be taken back; an error would only lose the caller's tokens."""
        try:
            confirmed = await self.link.confirmed(self.keys.barrier(grant_id))
        except StoreError:
            confirmed = False
        if not confirmed:
            self.on_shortfall(verb)


def _change(issued: Issued | None) -> list[str | bytes | int]:
    """The end of a script's arguments: how many fields to drop, these, then the fields to set; none: judge only."""
    if issued is None:
        return [0]
    dropped = [access_field(generation) for generation in issued.expired]
    return [len(dropped), *dropped, *issued_pairs(issued)]

"""Records for the store's tests. What is sealed elsewhere is any bytes here, with all the awkward ones in it."""

import time
from dataclasses import replace
from itertools import count

from sidecar.records import Grant, Identity
from sidecar.store.base import Access, CodeProofs, GrantState, Issued, NewGrant, Refresh, SealedUpstream, Store

BYTES = bytes(range(256))
DAY = 86400
START = int(time.time())
_ids = count(1)


def now() -> int:
    """The machine's time, which is also the store's."""
    return int(time.time())


def new_grant(**changes) -> NewGrant:
    at = now()
    grant = Grant(
        id=f"{next(_ids):032x}",
        issuer="https://mcp.example.com",
        pool_id="corp-1",
        client_id="dcr1-client",
        client_name="Näme \u202e\x00 {client}",
        server="notes",
        resource="https://mcp.example.com/mcp",
        scopes=("notes.read", "notes.write"),
        identity=Identity("user|1", "Ümit", "u@example.com", email_verified=True, groups=("a", "b c")),
        redirect_uri="http://127.0.0.1/callback?x=1",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        refreshable=True,
        created_at=at,
        expires_at=at + 90 * DAY,
        reference="ref-1",
    )
    return NewGrant(replace(grant, **changes), b"code wrap" + BYTES, 60, upstream())


def upstream(serial: int = 1) -> SealedUpstream:
    return SealedUpstream(b"upstream %d" % serial + BYTES, START + 3600, refreshable=True, serial=serial)


def proofs(grant: Grant, **changes) -> CodeProofs:
    return replace(CodeProofs(grant.client_id, grant.redirect_uri, grant.resource, grant.code_challenge), **changes)


def issued(generation: int, *, expired: tuple[int, ...] = ()) -> Issued:
    return Issued(
        generation,
        Access(START + 3600, b"access %d" % generation + BYTES, ("notes.read",)),
        Refresh(generation, START + 30 * DAY, b"refresh %d" % generation + BYTES),
        expired,
    )


async def created(store: Store, **changes) -> GrantState:
    new = new_grant(**changes)
    assert await store.create(new)
    return await state_of(store, new.grant.id)


async def redeemed(store: Store, **changes) -> GrantState:
    state = await created(store, **changes)
    assert await redeem(store, state) == "fresh"
    return await state_of(store, state.grant.id)


async def redeem(store: Store, state: GrantState, at: int | None = None, **changes) -> str:
    return await store.redeem(
        state,
        proofs(state.grant, **changes),
        issued(1),
        expires_at=state.grant.expires_at,
        double_submit=1,
        now=at,
    )


async def rotate(store: Store, state: GrantState, presented: int, at: int | None = None):
    """Present a refresh token as the use case does: with new tokens when it looks like the current one."""
    current = state.refresh.generation if state.refresh else 0
    tokens = issued(current + 1, expired=(current - 1,)) if presented == current else None
    return await store.rotate(state, presented, tokens, b"answer %d" % presented + BYTES, grace=60, now=at)


async def state_of(store: Store, grant_id: str) -> GrantState:
    state = await store.read(grant_id)
    assert state is not None
    return state

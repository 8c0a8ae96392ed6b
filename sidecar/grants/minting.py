"""What a redemption and a rotation have in common: a new generation of tokens, wrapped for the grant.

Owns lifetimes of our tokens and the cap on live ones; stores nothing.
"""

from dataclasses import dataclass

from sidecar.clock import Clock
from sidecar.directory import same_resource
from sidecar.grants.answer import TokenAnswer
from sidecar.oauth.errors import InvalidTarget
from sidecar.records import Grant, Lifetimes
from sidecar.store.base import Access, GrantState, Issued, Refresh
from sidecar.tokens import Kind, TokenCodec

MAX_LIVE_ACCESS_TOKENS = 16
"""Per grant. A client that refreshes faster than its tokens expire loses the oldest ones."""


@dataclass(frozen=True, slots=True)
class Minting:
    codec: TokenCodec
    clock: Clock
    lifetimes: Lifetimes

    def issue(
        self, state: GrantState, data_key: bytes, generation: int, scopes: tuple[str, ...]
    ) -> tuple[Issued, TokenAnswer]:
        """Tokens number `generation` of this grant: what the store keeps, and what the client gets."""
        grant, now = state.grant, self.clock()
        access_until = min(now + self.lifetimes.access, grant.expires_at)
        access = self.codec.mint(Kind.ACCESS, grant.id, generation)
        refresh_text, refresh_part = "", None
        # A first refresh token that dies with its access token is of no use (an upstream that cannot be renewed).
        if grant.refreshable and (grant.expires_at > access_until or state.refresh is not None):
            refresh = self.codec.mint(Kind.REFRESH, grant.id, generation)
            refresh_text = self.codec.encode(refresh)
            refresh_part = Refresh(
                generation=generation,
                expires_at=min(now + self.lifetimes.refresh_idle, grant.expires_at),
                wrap=self.codec.wrap(refresh, data_key),
            )
        issued = Issued(
            generation=generation,
            access=Access(
                expires_at=min(access_until + self.lifetimes.leeway, grant.expires_at),
                wrap=self.codec.wrap(access, data_key),
                scopes=scopes,
            ),
            refresh=refresh_part,
            expired=_to_forget(state, now),
        )
        return issued, TokenAnswer(self.codec.encode(access), refresh_text, access_until, scopes)


def check_resource(grant: Grant, requested: str | None) -> None:
    """RFC 8707 2.2: absent means the bound one. Raises InvalidTarget."""
    if requested is not None and not same_resource(grant.resource, requested):
        raise InvalidTarget(reason="the resource is not the one that was granted")


def _to_forget(state: GrantState, now: int) -> tuple[int, ...]:
    live = sorted(generation for generation, access in state.accesses.items() if access.expires_at > now)
    surplus = live[: max(len(live) - MAX_LIVE_ACCESS_TOKENS + 1, 0)]
    return tuple(sorted((state.accesses.keys() - set(live)) | set(surplus)))

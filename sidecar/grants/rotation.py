"""Rotation of a refresh token (RFC 6749 6, OAuth 2.1 4.3): on every use, with a grace period for lost answers."""

from dataclasses import dataclass

from sidecar.directory import Issuer
from sidecar.events import EndReason, Recorder, sign_in
from sidecar.grants import telling
from sidecar.grants.answer import TokenAnswer
from sidecar.grants.minting import Minting, check_resource
from sidecar.grants.upstream_refresh import UpstreamEnded, UpstreamRefresh, UpstreamTransient
from sidecar.oauth.errors import InvalidGrant, InvalidScope, TemporarilyUnavailable, UnauthorizedClient
from sidecar.oauth.params import RefreshRequest
from sidecar.records import Client, Grant, Pool
from sidecar.sealing import SealError
from sidecar.store.base import Grants, GrantState
from sidecar.tokens import Kind, Token

_TRIES = 8
_REASONS: dict[str, EndReason] = {"reused": "refresh_reused", "lost": "lost_write"}


@dataclass(frozen=True, slots=True)
class Rotation:
    store: Grants
    minting: Minting
    upstream_refresh: UpstreamRefresh
    recorder: Recorder

    async def refresh(self, request: RefreshRequest, client: Client, pool: Pool, issuer: Issuer) -> TokenAnswer:
        """The next generation of tokens. Raises InvalidGrant only when the refresh token is dead for good."""
        if not client.refresh:
            raise UnauthorizedClient(reason="the client did not register refresh_token")
        token = self.minting.codec.parse(Kind.REFRESH, request.refresh_token)
        if token is None:
            raise InvalidGrant(reason="not a refresh token of ours")
        renewed = False
        for _ in range(_TRIES):
            state = await self.store.read(token.grant_id)
            if state is None:
                raise InvalidGrant(reason=f"no grant {token.grant_id}: it was ended, or it expired")
            sign_in.set(state.grant.reference)
            if (state.grant.client_id, state.grant.issuer) != (client.id, issuer.url):
                raise InvalidGrant(reason="the refresh token belongs to another client")
            check_resource(state.grant, request.resource)
            if state.grant.expires_at <= self.minting.clock():
                raise InvalidGrant(reason="the grant has reached its absolute end")
            scopes = _narrowed(state.grant, request.scopes)
            if state.refresh is None or state.refresh.generation != token.generation:
                answer = await self._judge(token, state)
            else:
                data_key = self._data_key(token, state.refresh.wrap)
                if not renewed and await self._renew(pool, state, data_key):
                    renewed = True
                    continue
                answer = await self._rotate(token, state, data_key, scopes)
            if answer is not None:
                return answer
        raise TemporarilyUnavailable(reason="the grant kept changing", retry_after=1)

    def _data_key(self, token: Token, wrap: bytes) -> bytes:
        try:
            return self.minting.codec.unwrap(token, wrap)
        except SealError:
            # A generation is minted twice only if its first write was lost: this bearer holds the lost copy.
            raise InvalidGrant(reason="the refresh token does not open its grant") from None

    async def _renew(self, pool: Pool, state: GrantState, data_key: bytes) -> bool:
        """Refresh upstream when its token would end before the one we are about to issue. True: read again."""
        upstream, now = state.upstream, self.minting.clock()
        ends_early = upstream.expires_at and upstream.expires_at - now < self.minting.lifetimes.access
        if not upstream.refreshable or not (ends_early or upstream.refused):
            return False
        try:
            await self.upstream_refresh.renew(pool, state.grant, upstream, data_key)
        except (UpstreamEnded, SealError) as error:
            raise InvalidGrant(reason=f"upstream: {error}") from error
        except UpstreamTransient as error:
            if upstream.expires_at > now and not upstream.refused:
                return False  # what is still valid keeps working, and ours is rotated all the same
            raise TemporarilyUnavailable(reason=f"upstream: {error}", retry_after=error.retry_after) from error
        return True

    async def _rotate(
        self, token: Token, state: GrantState, data_key: bytes, scopes: tuple[str, ...]
    ) -> TokenAnswer | None:
        issued, answer = self.minting.issue(state, data_key, token.generation + 1, scopes)
        kept = self.minting.codec.seal(token, answer.dump())
        rotated = await self.store.rotate(state, token.generation, issued, kept, grace=self.minting.lifetimes.grace)
        return self._conclude(token, state.grant, rotated.outcome, rotated.answer, answer)

    async def _judge(self, token: Token, state: GrantState) -> TokenAnswer | None:
        rotated = await self.store.rotate(state, token.generation, None, b"", grace=self.minting.lifetimes.grace)
        return self._conclude(token, state.grant, rotated.outcome, rotated.answer, None)

    def _conclude(
        self, token: Token, grant: Grant, outcome: str, kept: bytes, fresh: TokenAnswer | None
    ) -> TokenAnswer | None:
        if outcome == "conflict":
            return None
        if outcome == "fresh" and fresh is not None:
            self.recorder(telling.issued(grant, "refresh_token", fresh))
            return fresh
        if outcome == "grace":
            try:
                answer = TokenAnswer.load(self.minting.codec.open(token, kept))
            except SealError:
                raise InvalidGrant(reason="the kept answer is not this token's") from None
            self.recorder(telling.issued(grant, "refresh_grace", answer))
            return answer
        if outcome in _REASONS:
            self.recorder(telling.ended(grant, _REASONS[outcome]))
        raise InvalidGrant(reason=f"refresh token: {outcome}")


def _narrowed(grant: Grant, requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """RFC 6749 6: fewer scopes for this access token, never more; the grant keeps its own."""
    wanted = tuple(scope for scope in requested or () if scope != "offline_access")
    if not wanted:
        return grant.scopes
    if not set(wanted) <= set(grant.scopes):
        raise InvalidScope(reason="more than was granted")
    return wanted

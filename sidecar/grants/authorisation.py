"""Authorisation of one MCP request: from a bearer token to the upstream credential. The use case behind the hot path.

Order: shape and MAC, one store command, audience, expiry, scopes, upstream freshness. Owns the decision, not its HTTP
form.
"""

from dataclasses import dataclass, field

from sidecar.clock import Clock
from sidecar.directory import Server
from sidecar.grants import vault
from sidecar.grants.upstream_refresh import UpstreamEnded, UpstreamRefresh, UpstreamTransient
from sidecar.oauth.errors import InsufficientScope, InvalidToken, TemporarilyUnavailable
from sidecar.records import Grant, Pool
from sidecar.sealing import SealError
from sidecar.store.base import AccessView, Grants
from sidecar.tokens import Kind, Token, TokenCodec

EARLY_SECONDS = 30
"""Upstream tokens are renewed this long before their end, so that none expires on its way."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose request this is, and what the MCP server gets to see of it."""

    grant: Grant
    upstream_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorisation:
    store: Grants
    codec: TokenCodec
    upstream_refresh: UpstreamRefresh
    clock: Clock

    async def authorise(self, server: Server, pool: Pool, text: str) -> Principal:
        """The principal, or an error: InvalidToken, InsufficientScope, TemporarilyUnavailable, StoreError."""
        token = self.codec.parse(Kind.ACCESS, text)
        if token is None:
            raise InvalidToken(reason="not an access token of ours")
        view = await self._view(token)
        now = self.clock()
        _check_audience(view.grant, server, pool)
        if min(view.access.expires_at, view.grant.expires_at) <= now:
            raise InvalidToken(reason="expired")
        missing = set(server.base_scopes) - set(view.access.scopes)
        if missing:
            raise InsufficientScope(reason=f"lacks {' '.join(sorted(missing))}")
        try:
            data_key = self.codec.unwrap(token, view.access.wrap)
            view = await self._freshen(token, view, pool, data_key, now)
            upstream = vault.unseal(data_key, view.grant, view.upstream)
        except SealError:
            raise InvalidToken(reason="the token does not open its grant") from None
        return Principal(view.grant, upstream.access_token)

    async def _view(self, token: Token) -> AccessView:
        view = await self.store.peek(token.grant_id, token.generation)
        if view is None:
            raise InvalidToken(reason="no such grant or token")
        return view

    async def _freshen(self, token: Token, view: AccessView, pool: Pool, data_key: bytes, now: int) -> AccessView:
        upstream = view.upstream
        remaining = upstream.expires_at - now if upstream.expires_at else EARLY_SECONDS + 1
        if remaining > EARLY_SECONDS and not upstream.refused:
            return view
        usable = remaining > 0 and not upstream.refused
        if not upstream.refreshable:
            if usable:
                return view
            raise InvalidToken(reason="the upstream token ended and cannot be renewed")
        try:
            await self.upstream_refresh.renew(pool, view.grant, upstream, data_key)
        except UpstreamEnded as error:
            raise InvalidToken(reason=f"upstream: {error}") from error
        except UpstreamTransient as error:
            if usable:
                return view
            raise TemporarilyUnavailable(reason=f"upstream: {error}", retry_after=error.retry_after) from error
        return await self._view(token)


def _check_audience(grant: Grant, server: Server, pool: Pool) -> None:
    """A token is good at exactly one resource, of one issuer, under one pool."""
    bound = (grant.server, grant.resource, grant.issuer, grant.pool_id)
    if bound != (server.name, server.resource, server.issuer, pool.id):
        raise InvalidToken(reason="issued for another server, issuer or pool")

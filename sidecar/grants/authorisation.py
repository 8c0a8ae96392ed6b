"""Authorisation of one MCP request: from a bearer token to the upstream credential. The use case behind the hot path.

Order: memory, shape and MAC, one store command, audience, expiry, upstream freshness, scopes. Owns the decision, not
its HTTP form.
"""

from dataclasses import dataclass

from sidecar.clock import Clock, Monotonic
from sidecar.directory import Inject, Server
from sidecar.events import sign_in
from sidecar.grants import vault
from sidecar.grants.principal import Principal
from sidecar.grants.principals import Key, Principals
from sidecar.grants.upstream_refresh import UpstreamEnded, UpstreamRefresh, UpstreamTransient
from sidecar.identity_assertions import IdentityAssertions
from sidecar.identity_headers import identity_headers
from sidecar.oauth.errors import InsufficientScope, InvalidToken, TemporarilyUnavailable
from sidecar.records import Grant, Pool
from sidecar.sealing import SealError
from sidecar.store.base import AccessView, Grants
from sidecar.tokens import Kind, Token, TokenCodec

EARLY_SECONDS = 30
"""Upstream tokens are renewed this long before their end, so that none expires on its way."""


@dataclass(frozen=True, slots=True)
class Authorisation:
    store: Grants
    codec: TokenCodec
    upstream_refresh: UpstreamRefresh
    principals: Principals
    clock: Clock
    monotonic: Monotonic
    assertions: IdentityAssertions

    async def authorise(self, server: Server, pool: Pool, text: str) -> tuple[Principal, bool]:
        """The principal, and whether it was remembered.

        Raises InvalidToken, InsufficientScope, TemporarilyUnavailable or StoreError.
        """
        key = Key.of(text, server, pool.id)
        remembered = self.principals.get(key)  # under the whole token's digest, so its MAC was good a moment ago
        principal = remembered or await self._read(text, key, server, pool)
        sign_in.set(principal.grant.reference)
        missing = server.missing_scopes(principal.scopes)
        if missing:
            raise InsufficientScope(principal.scopes, reason=f"lacks {' '.join(missing)}")
        return principal, remembered is not None

    async def _read(self, text: str, key: Key, server: Server, pool: Pool) -> Principal:
        token = self.codec.parse(Kind.ACCESS, text)
        if token is None:
            raise InvalidToken(reason="not an access token of ours")
        read_at = self.monotonic()
        view = await self._view(token)
        now = self.clock()
        _check_audience(view.grant, server, pool)
        _check_life(view, now)
        try:
            data_key = self.codec.unwrap(token, view.access.wrap)
            if await self._renewed(view, pool, data_key, now):
                read_at = self.monotonic()
                view, now = await self._view(token), self.clock()
                _check_life(view, now)  # renewing took time
            upstream = vault.unseal(data_key, view.grant, view.upstream)
        except SealError:
            raise InvalidToken(reason="the token does not open its grant") from None
        ends = (view.access.expires_at, view.grant.expires_at, view.upstream.expires_at or view.grant.expires_at)
        if server.inject.mode == "identity":
            principal = self._asserted(server.inject, view, now, min(ends))
        else:
            principal = Principal(view.grant, view.access.scopes, upstream.access_token, view.upstream.serial)
        self.principals.put(key, principal, read_at=read_at, remaining=min(ends) - now - 1)  # `now` is a whole second
        return principal

    def _asserted(self, inject: Inject, view: AccessView, now: int, ends: int) -> Principal:
        """Without the upstream token, which is kept and renewed all the same: whom the IdP has disabled is out then.

        Remembered like every principal, so there is a signature once in two seconds and not for each call.
        """
        grant, scopes = view.grant, view.access.scopes
        assertion = self.assertions.sign(grant, scopes, now=now, ends=ends)
        given = {**identity_headers(grant, scopes), inject.header: inject.prefix + assertion}
        return Principal(grant, scopes, upstream_token="", upstream_serial=0, identity=given)

    async def _view(self, token: Token) -> AccessView:
        view = await self.store.peek(token.grant_id, token.generation)
        if view is None:
            raise InvalidToken(reason=f"no grant {token.grant_id}, or no such token of it")
        sign_in.set(view.grant.reference)
        if not set(view.access.scopes) <= set(view.grant.scopes):  # the grant's are sealed, the token's are not
            raise InvalidToken(reason="the store gives the token more scopes than its grant has")
        return view

    async def _renewed(self, view: AccessView, pool: Pool, data_key: bytes, now: int) -> bool:
        """Whether the upstream tokens were renewed, so that the view is out of date."""
        upstream = view.upstream
        remaining = upstream.expires_at - now if upstream.expires_at else EARLY_SECONDS + 1
        if remaining > EARLY_SECONDS and not upstream.refused:
            return False
        usable = remaining > 0 and not upstream.refused
        if not upstream.refreshable:
            if usable:
                return False
            raise InvalidToken(reason="the upstream token ended and cannot be renewed")
        try:
            await self.upstream_refresh.renew(pool, view.grant, upstream, data_key)
        except UpstreamEnded as error:
            raise InvalidToken(reason=f"upstream: {error}") from error
        except UpstreamTransient as error:
            if usable:
                return False
            raise TemporarilyUnavailable(reason=f"upstream: {error}", retry_after=error.retry_after) from error
        return True


def _check_life(view: AccessView, now: int) -> None:
    if min(view.access.expires_at, view.grant.expires_at) <= now:
        raise InvalidToken(reason="expired")


def _check_audience(grant: Grant, server: Server, pool: Pool) -> None:
    """A token is good at exactly one resource, of one issuer, under one pool."""
    bound = (grant.server, grant.resource, grant.issuer, grant.pool_id)
    if bound != (server.name, server.resource, server.issuer, pool.id):
        raise InvalidToken(reason="issued for another server, issuer or pool")

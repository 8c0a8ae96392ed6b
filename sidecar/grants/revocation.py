"""Revocation by a client (RFC 7009): a refresh token ends its grant, an access token ends itself."""

from dataclasses import dataclass

from sidecar.directory import Issuer
from sidecar.events import AccessTokenRevoked, Recorder, sign_in
from sidecar.grants import telling, vault
from sidecar.oauth.params import RevocationRequest
from sidecar.records import Client, Grant, Pool, UpstreamTokens
from sidecar.sealing import SealError
from sidecar.store.base import Grants, GrantState
from sidecar.tokens import Kind, Token, TokenCodec
from sidecar.upstream.base import Upstream, UpstreamError


@dataclass(frozen=True, slots=True)
class Revocation:
    store: Grants
    codec: TokenCodec
    upstream: Upstream
    recorder: Recorder

    async def revoke(self, request: RevocationRequest, client: Client, pool: Pool, issuer: Issuer) -> None:
        """Foreign, unknown and expired tokens: no effect and no error (RFC 7009 2.2). Raises StoreError.

        The hint is not needed: our tokens say their kind.
        """
        refresh = self.codec.parse(Kind.REFRESH, request.token)
        token = refresh or self.codec.parse(Kind.ACCESS, request.token)
        if token is None:
            return
        state = await self.store.read(token.grant_id)
        if state is None or (state.grant.client_id, state.grant.issuer) != (client.id, issuer.url):
            return
        sign_in.set(state.grant.reference)
        if refresh is None:
            if await self.store.revoke_access(token.grant_id, token.generation):
                grant = state.grant
                self.recorder(
                    AccessTokenRevoked(
                        grant=grant.id, client=client.id, user=grant.identity.subject, server=grant.server
                    )
                )
            return
        # Any generation will do: the MAC proves that we gave it to this client, and it wants the grant gone.
        upstream = self._upstream_tokens(refresh, state) if self.upstream.revokes(pool) else None
        if await self.store.revoke(token.grant_id):
            self.recorder(telling.ended(state.grant, "revoked"))
        if upstream is not None:
            await self._revoke_upstream(pool, state.grant, upstream)

    def _upstream_tokens(self, token: Token, state: GrantState) -> UpstreamTokens | None:
        """Only a live token opens them; an old one ends our grant and nothing else."""
        if state.refresh is None:
            return None
        try:
            return vault.unseal(self.codec.unwrap(token, state.refresh.wrap), state.grant, state.upstream)
        except SealError:
            return None

    async def _revoke_upstream(self, pool: Pool, grant: Grant, tokens: UpstreamTokens) -> None:
        try:
            await self.upstream.revoke(pool, tokens, client_id=grant.upstream_client)
        except UpstreamError:
            return  # best effort: ours is dead, and the adapter has recorded the failure

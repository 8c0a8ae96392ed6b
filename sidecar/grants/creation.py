"""Creation of a grant when the user has come back from the IdP. Owns what a grant is made of, not who may have one."""

from dataclasses import dataclass

from sidecar.clock import Clock, Entropy
from sidecar.directory import Server
from sidecar.grants import vault
from sidecar.oauth.errors import AccessDenied, ServerError
from sidecar.records import AuthorizationRequest, Client, Grant, Identity, Lifetimes, Pool, UpstreamTokens
from sidecar.store.base import Grants, NewGrant
from sidecar.tokens import Kind, TokenCodec


@dataclass(frozen=True, slots=True)
class GrantCreation:
    store: Grants
    codec: TokenCodec
    entropy: Entropy
    clock: Clock
    lifetimes: Lifetimes

    async def create(
        self,
        *,
        request: AuthorizationRequest,
        client: Client,
        pool: Pool,
        server: Server,
        identity: Identity,
        tokens: UpstreamTokens,
        upstream_client: str = "",
    ) -> tuple[Grant, str]:
        """Store a new grant and return it with its code. Raises AccessDenied for a denied client or user."""
        now = self.clock()
        expires_at = now + self.lifetimes.grant
        if tokens.expires_at and not tokens.refresh_token:
            # Nothing can renew the upstream token, so the grant ends with it (design 9).
            expires_at = min(expires_at, tokens.expires_at)
        if expires_at <= now:
            raise ServerError(reason="the identity provider issued a token that has already expired")
        grant = Grant(
            id=self.entropy(16).hex(),
            issuer=request.issuer,
            pool_id=pool.id,
            client_id=client.id,
            client_name=client.name,
            server=server.name,
            resource=server.resource,
            scopes=_granted(request.scopes, pool, tokens),
            identity=identity,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            refreshable=client.refresh,
            created_at=now,
            expires_at=expires_at,
            reference=request.reference,
            upstream_client=upstream_client or pool.client_id,
        )
        code = self.codec.mint(Kind.CODE, grant.id, 0)
        data_key = self.entropy(32)
        created = await self.store.create(
            NewGrant(
                grant=grant,
                code_wrap=self.codec.wrap(code, data_key),
                code_life=self.lifetimes.code,
                upstream=vault.seal(data_key, grant, 1, tokens, self.entropy),
            )
        )
        if not created:
            raise AccessDenied(reason="the client or the user is denied")
        return grant, self.codec.encode(code)


def _granted(consented: tuple[str, ...], pool: Pool, tokens: UpstreamTokens) -> tuple[str, ...]:
    """What was consented, less what the IdP was asked for under the same name and did not grant."""
    withheld = set(pool.scopes) - set(tokens.scopes) if tokens.scopes else set()
    return tuple(scope for scope in consented if scope not in withheld)

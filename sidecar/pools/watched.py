"""The upstream, with an ear for "I do not know this client": `upstream.base.Upstream`. Changes nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sidecar.records import Pool, UpstreamTokens
from sidecar.upstream.base import Refreshed, SignIn, Upstream, UpstreamClientRefused


@dataclass(frozen=True, slots=True)
class Watched:
    upstream: Upstream
    unknown: Callable[[Pool], None]
    """Told when the IdP did not take the pool's present client."""

    async def authorization_url(self, pool: Pool, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        return await self.upstream.authorization_url(
            pool, redirect_uri=redirect_uri, state=state, nonce=nonce, challenge=challenge
        )

    async def sign_in(
        self,
        pool: Pool,
        *,
        code: str,
        redirect_uri: str,
        verifier: str,
        nonce: str,
        iss: str | None,
        client_id: str = "",
    ) -> SignIn:
        with self._listening(pool, client_id):
            return await self.upstream.sign_in(
                pool,
                code=code,
                redirect_uri=redirect_uri,
                verifier=verifier,
                nonce=nonce,
                iss=iss,
                client_id=client_id,
            )

    async def refresh(self, pool: Pool, refresh_token: str, *, client_id: str = "") -> Refreshed:
        with self._listening(pool, client_id):
            return await self.upstream.refresh(pool, refresh_token, client_id=client_id)

    async def revoke(self, pool: Pool, tokens: UpstreamTokens, *, client_id: str = "") -> None:
        await self.upstream.revoke(pool, tokens, client_id=client_id)

    def revokes(self, pool: Pool) -> bool:
        return self.upstream.revokes(pool)

    def retries_unknown(self, pool: Pool) -> bool:
        return self.upstream.retries_unknown(pool)

    @contextmanager
    def _listening(self, pool: Pool, client_id: str) -> Iterator[None]:
        try:
            yield
        except UpstreamClientRefused:
            if client_id in {"", pool.client_id}:
                self.unknown(pool)
            raise

"""The far end of the use cases: an identity provider that answers what a test tells it to."""

import asyncio
from collections import deque

from sidecar.records import Pool, UpstreamTokens
from sidecar.upstream.base import Refreshed, SignIn, UpstreamError


class ScriptedUpstream:
    """`refresh` answers from a queue; a test may hold it back with `gate`."""

    def __init__(self) -> None:
        self.answers: deque[UpstreamTokens | Refreshed | UpstreamError] = deque()
        self.refreshed: list[str] = []
        self.revoked: list[UpstreamTokens] = []
        self.clients: list[str] = []
        """As which client at the IdP each call was to be made."""
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.retry_unknown = False
        self.revocation = False

    async def authorization_url(self, pool: Pool, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        return f"https://idp.example/authorize?state={state}"

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
        raise NotImplementedError

    async def refresh(self, pool: Pool, refresh_token: str, *, client_id: str = "") -> Refreshed:
        self.refreshed.append(refresh_token)
        self.clients.append(client_id)
        self.asked.set()
        await self.gate.wait()
        answer = self.answers.popleft()
        if isinstance(answer, UpstreamError):
            raise answer
        return answer if isinstance(answer, Refreshed) else Refreshed(answer)

    async def revoke(self, pool: Pool, tokens: UpstreamTokens, *, client_id: str = "") -> None:
        self.revoked.append(tokens)
        self.clients.append(client_id)

    def revokes(self, pool: Pool) -> bool:
        return self.revocation

    def retries_unknown(self, pool: Pool) -> bool:
        return self.retry_unknown

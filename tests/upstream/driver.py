"""One sign-in as a browser and our callback would do it, against a provider that needs no page."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from sidecar.records import Pool
from sidecar.upstream.base import SignIn, Upstream
from tests.fakes.idp import s256

REDIRECT = "https://mcp.example.com/callback"
VERIFIER = "v" * 43
NONCE = "nonce-1"


@dataclass(frozen=True)
class Driver:
    upstream: Upstream

    async def authorization_url(self, pool: Pool) -> str:
        return await self.upstream.authorization_url(
            pool, redirect_uri=REDIRECT, state="state-1", nonce=NONCE, challenge=s256(VERIFIER)
        )

    async def returned(self, pool: Pool) -> dict[str, str]:
        """The parameters with which the browser comes back."""
        url = await self.authorization_url(pool)
        async with aiohttp.ClientSession() as browser, browser.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
            return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    async def sign_in(self, pool: Pool) -> SignIn:
        back = await self.returned(pool)
        return await self.finish(pool, code=back["code"], iss=back.get("iss"))

    async def finish(self, pool: Pool, *, code: str, iss: str | None) -> SignIn:
        return await self.upstream.sign_in(
            pool, code=code, redirect_uri=REDIRECT, verifier=VERIFIER, nonce=NONCE, iss=iss
        )

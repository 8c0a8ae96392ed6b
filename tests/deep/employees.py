"""Who has to do with Canaille: people with an account there, and the MCP server that takes its tokens."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from joserfc import jwt
from mcp.server.auth.provider import AccessToken

from tests.deep import canaille as idp
from tests.deep.canaille import Canaille
from tests.fakes.browser import Browser, Page
from tests.flows.person import Person
from tests.flows.running import eventually


@dataclass
class CanaillesTokens:
    """The MCP server's TokenVerifier: signed by Canaille, for this client or whichever, and not ended since."""

    canaille: Canaille
    client_id: str = ""
    arrived: list[str] = field(default_factory=list)
    """Each once, in order."""
    audiences: set[str] = field(default_factory=set)

    async def verify_token(self, token: str) -> AccessToken | None:
        if token not in self.arrived:
            self.arrived.append(token)
        claims = jwt.decode(token, await self.canaille.keys(), algorithms=["RS256", "RS512"]).claims
        (audience,) = claims["aud"]
        user = await self.canaille.userinfo(token)
        if user is None or claims["iss"] != self.canaille.issuer or self.client_id not in {"", audience}:
            return None
        self.audiences.add(audience)
        return AccessToken(
            token=token,
            client_id=audience,
            scopes=[],
            expires_at=claims["exp"],
            subject=user["sub"],
            claims=user | {"iss": claims["iss"]},
        )


@dataclass
class Employee(Person):
    """Somebody with an account at Canaille."""

    answer: str = "accept"
    shown: list[Page] = field(default_factory=list)
    """Canaille's pages of the last sign-in."""

    async def at_idp(self, browser: Browser, page: Page) -> list[Page]:
        await next_second()
        after = await idp.sign_in(browser, page, self.login)
        if not after[-1].outside:  # Canaille asks for consent once
            after.append(await browser.press(after[-1], self.answer))
        self.shown = [page, *after[:-1]]
        return after

    @property
    def access_token(self) -> str:
        assert self.storage.tokens is not None
        return self.storage.tokens.access_token

    @property
    def paths_shown(self) -> list[str]:
        return [urlsplit(page.url).path for page in self.shown]


async def next_second() -> None:
    """Canaille's tokens hold times and names only: two of one second are the same token, which its database refuses."""
    now = int(time.time())

    async def over() -> bool:
        return int(time.time()) > now

    await eventually(over)

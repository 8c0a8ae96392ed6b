"""A person at a computer: an MCP client (the official SDK) that knows one URL, and a browser in front of a user."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.fakes.browser import Browser, Page

REDIRECT = "http://127.0.0.1:33418/callback"
"""Where the client would listen. Nothing does: the browser stops in front of it and hands the URL over."""


@dataclass
class Storage:
    """The SDK's TokenStorage."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    seen: list[OAuthToken] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.seen.append(tokens)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Person:
    login: str
    storage: Storage = field(default_factory=Storage)
    pages: list[Page] = field(default_factory=list)
    """The pages of every sign-in so far, the last one being the client's own."""
    sign_ins: int = 0
    requests: list[httpx2.Request] = field(default_factory=list)
    responses: list[httpx2.Response] = field(default_factory=list)
    auth: OAuthClientProvider | None = None
    """Of the client in use."""
    document: str | None = None
    """The URL of the document that describes the client, when it has one."""
    redirect: str = REDIRECT

    @asynccontextmanager
    async def client(self, url: str, mode: str = "auto") -> AsyncIterator[Client]:
        """An SDK client; it signs in when, and only when, it is told to by a challenge."""
        name = f"Test client of {self.login}"
        metadata = OAuthClientMetadata(client_name=name, redirect_uris=[AnyUrl(self.redirect)])
        self.auth = OAuthClientProvider(url, metadata, self.storage, self._sign_in, self._answer, self.document)
        async with (
            httpx2.AsyncClient(auth=self.auth, timeout=20, event_hooks=self._hooks()) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client

    async def whoami(self, url: str, mode: str = "auto") -> dict[str, Any]:
        async with self.client(url, mode) as client:
            return await told(client)

    async def believes_expired(self) -> bool:
        """Whether the client in use takes its access token for expired, so that it refreshes before its next call."""
        assert self.auth is not None
        return not self.auth.context.is_token_valid()

    async def refresh(self, issuer: str) -> OAuthToken:
        """As the client would, but now."""
        assert self.storage.client is not None
        assert self.storage.tokens is not None
        basic = httpx2.BasicAuth(self.storage.client.client_id, self.storage.client.client_secret or "")
        form = {"grant_type": "refresh_token", "refresh_token": self.storage.tokens.refresh_token}
        async with httpx2.AsyncClient(auth=basic) as http:
            return OAuthToken.model_validate_json((await http.post(f"{issuer}/token", data=form)).content)

    async def revoke(self, issuer: str) -> None:
        """Say that the sign-in is over, as a client does that is told to sign out."""
        assert self.storage.client is not None
        assert self.storage.tokens is not None
        basic = httpx2.BasicAuth(self.storage.client.client_id, self.storage.client.client_secret or "")
        async with httpx2.AsyncClient(auth=basic) as http:
            answer = await http.post(f"{issuer}/revoke", data={"token": self.storage.tokens.refresh_token})
        assert answer.status_code == 200, answer.text

    async def _sign_in(self, url: str) -> None:
        self.sign_ins += 1
        async with Browser(self.redirect) as browser:
            consent = await browser.open(url)
            idp = await browser.press(consent, r"allow|approve|continue")
            self.pages += [consent, idp, *await self.at_idp(browser, idp)]

    async def at_idp(self, browser: Browser, page: Page) -> list[Page]:
        """What the user does at the provider, from its first page on: the pages after it."""
        return [await browser.press(page, self.login)]

    async def _answer(self) -> AuthorizationCodeResult:
        answer = dict(parse_qsl(urlsplit(self.pages[-1].url).query))
        return AuthorizationCodeResult(code=answer.get("code", ""), state=answer.get("state"), iss=answer.get("iss"))

    def _hooks(self) -> dict[str, list[Any]]:
        async def request(sent: httpx2.Request) -> None:
            self.requests.append(sent)

        async def response(got: httpx2.Response) -> None:
            self.responses.append(got)

        return {"request": [request], "response": [response]}


async def told(client: Client) -> dict[str, Any]:
    """What `whoami` says."""
    result = await client.call_tool("whoami", {})
    assert not result.is_error, result
    answer: dict[str, Any] = json.loads(result.content[0].text)
    return answer

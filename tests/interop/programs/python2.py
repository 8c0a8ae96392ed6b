"""A client written with `mcp` 2.x, as its documentation shows."""

import asyncio
import json
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from state import answer, browse, errand, load, save


class Storage:
    async def get_tokens(self) -> OAuthToken | None:
        kept = load("tokens")
        return OAuthToken.model_validate(kept) if kept else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        save("tokens", tokens.model_dump(mode="json"))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        kept = load("client")
        return OAuthClientInformationFull.model_validate(kept) if kept else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        save("client", client_info.model_dump(mode="json"))


came_back: dict[str, str] = {}


async def open_browser(url: str) -> None:
    came_back.update(await browse(url))


async def callback() -> AuthorizationCodeResult:
    return AuthorizationCodeResult(code=came_back["code"], state=came_back.get("state"), iss=came_back.get("iss"))


async def main() -> None:
    metadata = OAuthClientMetadata.model_validate(
        {"client_name": errand["name"], "redirect_uris": [errand["redirect"]]}
    )
    document = errand.get("document") or None
    auth = OAuthClientProvider(errand["url"], metadata, Storage(), open_browser, callback, document)
    mode = "legacy" if errand.get("era") == "2025-11-25" else "auto"
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, follow_redirects=True) as http,
        Client(streamable_http_client(errand["url"], http_client=http), mode=mode) as client,
    ):

        async def call() -> Any:
            result = await client.call_tool("whoami", {})
            return json.loads(result.content[0].text)  # type: ignore[union-attr]

        async def tools() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        await answer(call, tools)


if __name__ == "__main__":
    asyncio.run(main())

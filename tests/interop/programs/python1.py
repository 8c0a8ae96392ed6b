"""A client written with `mcp` 1.x, as its documentation shows."""

import asyncio
import json
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
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


async def callback() -> tuple[str, str | None]:
    return came_back["code"], came_back.get("state")


async def main() -> None:
    metadata = OAuthClientMetadata.model_validate(
        {"client_name": errand["name"], "redirect_uris": [errand["redirect"]]}
    )
    document = errand.get("document") or None
    auth = OAuthClientProvider(errand["url"], metadata, Storage(), open_browser, callback, client_metadata_url=document)
    async with (
        httpx.AsyncClient(auth=auth, timeout=30, follow_redirects=True) as http,
        streamable_http_client(errand["url"], http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()

        async def call() -> Any:
            result = await session.call_tool("whoami", {})
            return json.loads(result.content[0].text)  # type: ignore[union-attr]

        async def tools() -> list[str]:
            return [tool.name for tool in (await session.list_tools()).tools]

        await answer(call, tools)


if __name__ == "__main__":
    asyncio.run(main())

"""A program that uses FastMCP's client and its `OAuth`: it starts the browser and listens for the redirect itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.filetree import FileTreeStore, FileTreeV1KeySanitizationStrategy
from state import answer, errand


async def main() -> None:
    folder = Path(errand["state"]).with_suffix(".d")
    folder.mkdir(exist_ok=True)
    auth = OAuth(
        client_name=errand["name"],
        token_storage=FileTreeStore(
            data_directory=folder, key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(folder)
        ),
        client_metadata_url=errand.get("document") or None,
        callback_timeout=20,
    )
    mode = "legacy" if errand.get("era") == "2025-11-25" else "auto"
    async with Client(errand["url"], auth=auth, mode=mode) as client:

        async def call() -> Any:
            result = await client.call_tool("whoami", {})
            return json.loads(result.content[0].text)  # type: ignore[union-attr]

        async def tools() -> list[str]:
            return [tool.name for tool in await client.list_tools()]

        await answer(call, tools)


if __name__ == "__main__":
    asyncio.run(main())

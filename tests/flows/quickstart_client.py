"""Use an MCP server knowing its URL only: python quickstart_client.py http://localhost:8080/mcp"""

# ruff: noqa: T201 - a program that talks to its user
import asyncio
import sys
import webbrowser
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


class Memory:
    """Tokens and registration, kept for as long as this program runs."""

    tokens = client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


async def main(url):
    returned = asyncio.get_running_loop().create_future()

    async def page(reader, writer):
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nYou can close this page.\n"
        )
        writer.close()
        if target.startswith("/callback?") and not returned.done():
            returned.set_result(dict(parse_qsl(urlsplit(target).query)))

    async def show(link):
        print("Sign in here, if no browser opens:", link, file=sys.stderr)
        webbrowser.open(link)

    async def wait_for_the_user():
        answer = await returned
        return AuthorizationCodeResult(code=answer.get("code", ""), state=answer.get("state"), iss=answer.get("iss"))

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    redirect = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
    client = OAuthClientMetadata(client_name="Quick start", redirect_uris=[redirect])
    auth = OAuthClientProvider(url, client, Memory(), show, wait_for_the_user)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as mcp,
    ):
        print("tools:", ", ".join(tool.name for tool in (await mcp.list_tools()).tools))
        print("whoami:", (await mcp.call_tool("whoami", {})).content[0].text)


if len(sys.argv) != 2 or not sys.argv[1].startswith("http"):
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1]))

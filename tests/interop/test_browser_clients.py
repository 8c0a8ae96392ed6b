"""MCP clients that are web pages: Chromium's own CORS, a page on another origin, each step by `fetch`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from aiohttp import web

from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import aiohttp_on
from sidecar.oauth.pkce import s256
from tests.fakes.browser import Browser
from tests.fakes.chromium import CHROMIUM, MISSING, Tab, running_chromium
from tests.flows.running import DISCOVER, MCP_HEADERS, Running, running
from tests.interop.table import cell

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

ROW = "A web page (Chromium)"
VERIFIER = "v" * 43
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "page", "version": "1"}},
}


@dataclass
class Page:
    """A tab that shows a page of this origin, which has nothing but scripts of ours."""

    tab: Tab
    origin: str

    async def fetch(self, url: str, *, method: str = "GET", body: str | None = None, **headers: str) -> dict[str, Any]:
        """What the page's script can see of the answer; `error` when the browser kept it from the page."""
        options = json.dumps({"method": method, "headers": headers, **({"body": body} if body is not None else {})})
        script = f"""fetch({json.dumps(url)}, {options}).then(async answer => ({{
            status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text()
        }})).catch(error => ({{ error: String(error) }}))"""
        said = await self.tab.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        found: dict[str, Any] = said["result"]["value"]
        return found

    async def version(self) -> str:
        return str((await self.tab.tell("Browser.getVersion"))["product"]).rpartition("/")[2]

    async def call(self, url: str, message: object, token: str = "", **more: str) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        headers = {**MCP_HEADERS, **bearer, "Content-Type": "application/json", **more}
        return await self.fetch(url, method="POST", body=json.dumps(message), **headers)


@asynccontextmanager
async def page() -> AsyncIterator[Page]:
    async def empty(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>client</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", empty)
    with listen() as listener:
        origin = f"http://127.0.0.1:{port_of(listener)}"
        async with aiohttp_on(listener, app), running_chromium() as tab:
            await tab.open(f"{origin}/")
            yield Page(tab, origin)


async def code_for(demo: Running, client_id: str, redirect: str) -> str:
    """The person approves in another tab."""
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect, "resource": demo.url}
    query |= {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}
    async with Browser(redirect) as browser:
        idp = await browser.press(await browser.open(f"{demo.origin}/authorize?{urlencode(query)}"), "continue")
        end = await browser.press(idp, "alice")
    return dict(parse_qsl(urlsplit(end.url).query))["code"]


@cell("Discover, read the challenge, register, redeem, call", ROW)
@pytest.mark.req(184, 185, 186)
async def test_a_page_that_the_operator_named_does_everything_by_fetch(tmp_path: Path, record_property: Any) -> None:
    async with page() as client, running(tmp_path, server={"allowed_origins": [client.origin]}) as demo:
        record_property("version", await client.version())
        challenged = await client.call(demo.url, DISCOVER)
        assert challenged["status"] == 401
        challenge = challenged["headers"]["www-authenticate"]
        where = challenge.split('resource_metadata="')[1].partition('"')[0]

        resource = json.loads((await client.fetch(where, **{"MCP-Protocol-Version": "2025-11-25"}))["text"])
        issuer = resource["authorization_servers"][0]
        metadata = json.loads((await client.fetch(f"{issuer}/.well-known/oauth-authorization-server"))["text"])

        body = json.dumps({"redirect_uris": [f"{client.origin}/cb"], "token_endpoint_auth_method": "none"})
        sent = {"method": "POST", "body": body, "Content-Type": "application/json"}
        registered = await client.fetch(metadata["registration_endpoint"], **sent)
        assert registered["status"] == 201, registered
        client_id = json.loads(registered["text"])["client_id"]

        form = {"grant_type": "authorization_code", "client_id": client_id, "code_verifier": VERIFIER}
        form["code"] = await code_for(demo, client_id, f"{client.origin}/cb")
        sent = {"method": "POST", "body": urlencode(form), "Content-Type": "application/x-www-form-urlencoded"}
        redeemed = await client.fetch(metadata["token_endpoint"], **sent)
        assert redeemed["status"] == 200, redeemed
        token = json.loads(redeemed["text"])["access_token"]

        begun = await client.call(demo.url, INITIALIZE, token)
        assert begun["status"] == 200, begun
        assert "serverInfo" in begun["text"]
        session = begun["headers"]["mcp-session-id"]
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await client.call(demo.url, told, token, **{"Mcp-Session-Id": session}))["status"] == 202
        listed = await client.call(demo.url, DISCOVER, token, **{"Mcp-Session-Id": session})
        assert "whoami" in listed["text"]

        sent["body"] = urlencode({"client_id": client_id, "token": token})
        assert (await client.fetch(metadata["revocation_endpoint"], **sent))["status"] == 200


@cell("A page that nobody named: no MCP traffic", ROW)
@pytest.mark.req(188)
async def test_a_page_that_nobody_named_reads_documents_and_reaches_no_mcp_server(
    tmp_path: Path, record_property: Any
) -> None:
    async with page() as client, running(tmp_path) as demo:
        record_property("version", await client.version())
        document = await client.fetch(f"{demo.origin}/.well-known/oauth-protected-resource/mcp")
        assert document["status"] == 200
        before = await demo.reached_mcp_server()
        refused = await client.call(demo.url, DISCOVER)
        assert refused.get("status", 403) in {401, 403}
        assert await demo.reached_mcp_server() == before

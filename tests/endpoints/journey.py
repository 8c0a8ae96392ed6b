"""One client and one user from registration to revocation, over HTTP: the oauth and the check listener, a fake IdP.

async with journeys() as journey:
    await journey.register()
    tokens = await journey.sign_in()
    status = await journey.call(tokens["access_token"])
"""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from sidecar.app import build, check_app
from sidecar.directory import Directory, Server
from sidecar.telemetry import EventLog, open_log
from tests.endpoints.front import VERIFIER, Answer, Browser, Front, running_front

REDIRECT = "https://app.example/cb"
HOST = {"Host": "mcp.example.com"}


@dataclass
class Journey:
    front: Front
    check: TestClient[Any, Any]
    stream: io.StringIO
    """The log as JSON lines, from level debug on."""
    client: dict[str, Any] = field(default_factory=dict)
    """The 201 of the registration."""
    cookies: set[str] = field(default_factory=set)
    """Every cookie value that any browser was given."""

    async def register(self, **members: Any) -> int:
        body = {
            "redirect_uris": [REDIRECT],
            "client_name": "Test App",
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
            **members,
        }
        async with self.front.session.post(self.front.base + "/register", json=body, headers=HOST) as response:
            self.client = await response.json()
            return response.status

    async def ask(self, **changes: str | None) -> tuple[Browser, Answer]:
        """A browser that shows the consent page."""
        browser = self.front.browser()
        page = await browser.ask(self.client["client_id"], **changes)
        self.cookies |= set(browser.cookies.values())
        return browser, page

    async def come_back(self, **changes: str | None) -> Answer:
        """What the browser gets at /callback after approval and sign-in."""
        browser, page = await self.ask(**changes)
        away = await browser.approve(page)
        self.cookies |= set(browser.cookies.values())
        return await browser.come_back(await self.front.at_idp(away.location))

    async def sign_in(self, **changes: str | None) -> dict[str, Any]:
        code = (await self.come_back(**changes)).query["code"]
        status, tokens = await self.redeem(code)
        assert status == 200, tokens
        return tokens

    async def redeem(self, code: str, verifier: str = VERIFIER) -> tuple[int, dict[str, Any]]:
        fields = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return await self.post("/token", redirect_uri=REDIRECT, **fields)

    async def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return await self.post("/token", grant_type="refresh_token", refresh_token=token)

    async def post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        """As the registered client, with its secret in the form."""
        credentials = {"client_id": self.client["client_id"]}
        if "client_secret" in self.client:
            credentials["client_secret"] = self.client["client_secret"]
        async with self.front.session.post(self.front.base + path, data=credentials | fields, headers=HOST) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else {}

    async def call(self, token: str, **headers: str) -> tuple[int, dict[str, str]]:
        """Envoy's question about one MCP request with this token: status and headers of the answer."""
        sent = {**HOST, "Authorization": f"Bearer {token}", **headers}
        async with self.check.post("/check/mcp", headers=sent) as response:
            return response.status, {name.lower(): value for name, value in response.headers.items()}

    @asynccontextmanager
    async def restarted(self, directory: Directory) -> AsyncIterator["Journey"]:
        """The check after a restart with another configuration, over the same store."""
        services = self.front.services
        after = build(replace(services.settings, directory=directory), services.adapters, services.sources)
        async with TestClient(TestServer(check_app(after), host="127.0.0.1")) as check:
            yield replace(self, check=check)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def lines_of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def samples(self) -> dict[str, float]:
        """Every counter that has moved, as it would be scraped."""
        return {
            f"{sample.name.removeprefix('dcr_sidecar_')}{dict(sorted(sample.labels.items()))}": sample.value
            for metric in self.front.services.adapters.telemetry.registry.collect()
            for sample in metric.samples
            if metric.type == "counter" and sample.name.endswith("_total") and sample.value
        }


@asynccontextmanager
async def journeys(*servers: Server, **pool: Any) -> AsyncIterator[Journey]:
    stream = io.StringIO()
    async with running_front(*servers, **pool) as front:
        front.services.adapters.telemetry.add_sink(EventLog(open_log("json", "debug", stream)))
        async with TestClient(TestServer(check_app(front.services), host="127.0.0.1")) as check:
            yield Journey(front, check, stream)

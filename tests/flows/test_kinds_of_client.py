"""The official client, described by a document or configured by the operator, with real parts everywhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import AnyUrl

from sidecar.demo.ports import listen, port_of
from sidecar.events import ClientRegistered
from tests.flows.person import REDIRECT, Person
from tests.flows.running import Running, running
from tests.upstream.certificates import private_tls

SECRET = "5up3rs3cretpartner-5up3rs3cretpartner"


@dataclass
class Site:
    """A client's own web site, which has its document."""

    url: str
    changes: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    @property
    def document(self) -> dict[str, Any]:
        return {
            "client_id": self.url,
            "client_name": "Documented client",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            **self.changes,
        }

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.document)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[tuple[Site, dict[str, Any]]]:
    """The site, and the configuration that takes its documents though it is on this machine."""
    tls, authority = private_tls(folder, "localhost")
    with listen() as listener:
        found = Site(f"https://localhost:{port_of(listener)}/client.json")
        app = web.Application()
        app.router.add_get("/client.json", found.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls).start()
        try:
            documents = {"internal_hosts": ["localhost"], "ca_file": str(authority)}
            yield found, {"registration": {"documents": documents}}
        finally:
            await runner.cleanup()


@pytest.mark.req(75, 76, 78, 82, 85, 199)
async def test_a_documented_client_signs_in_refreshes_and_calls_without_registering(tmp_path: Path) -> None:
    async with site(tmp_path) as (app, more), running(tmp_path / "demo", more=more) as demo:
        alice = Person("alice", document=app.url)
        assert (await alice.whoami(demo.url))["user"] == "alice"
        assert "Described by <strong>localhost</strong>" in alice.pages[0].text
        assert alice.storage.client is not None
        assert alice.storage.client.client_id == app.url
        assert app.asked == 1
        assert demo.happened(ClientRegistered) == []
        assert (await asyncio.gather(*(alice.whoami(demo.url) for _ in range(2))))[0]["user"] == "alice"
        await refreshed(alice, demo)
        bob = Person("bob")  # beside it, one that registers
        assert (await bob.whoami(demo.url))["user"] == "bob"
        assert len(demo.happened(ClientRegistered)) == 1


@pytest.mark.req(77)
async def test_a_document_on_this_machine_is_fetched_for_nobody_whom_the_operator_did_not_name(tmp_path: Path) -> None:
    async with site(tmp_path) as (app, _), running(tmp_path / "demo") as demo:
        query = f"response_type=code&client_id={app.url}&redirect_uri={REDIRECT}&code_challenge={'a' * 43}"
        page = await demo.request("GET", f"{demo.origin}/authorize?{query}&code_challenge_method=S256")
        assert page.status == 400
        assert "Location" not in page.headers
        assert app.asked == 0


async def test_a_partner_whom_the_operator_entered_signs_in_with_its_secret(tmp_path: Path) -> None:
    partner = {"name": "partner", "pool": "demo", "redirect_uris": [REDIRECT], "client_secret": SECRET}
    async with running(tmp_path, more={"clients": [partner], "registration": {"dcr": "off", "cimd": "off"}}) as demo:
        alice = Person("alice")
        alice.storage.client = OAuthClientInformationFull(
            client_id="partner",
            client_secret=SECRET,
            redirect_uris=[AnyUrl(REDIRECT)],
            token_endpoint_auth_method="client_secret_basic",
            issuer=demo.origin,
        )
        assert (await alice.whoami(demo.url))["user"] == "alice"
        assert "set up by the operator" in alice.pages[0].text
        await refreshed(alice, demo)
        metadata = await demo.request("GET", f"{demo.origin}/.well-known/oauth-authorization-server")
        assert "registration_endpoint" not in metadata.json
        assert "client_id_metadata_document_supported" not in metadata.json


async def test_where_an_initial_access_token_is_asked_for_whoever_has_one_registers_once(tmp_path: Path) -> None:
    """RFC 7591 3: made by an operator, at the admin listener, which Envoy does not lead to."""
    operator, more = "0perat0r-t0ken-0perat0r-t0ken-xyz", {"registration": {"dcr": "token"}}
    async with running(tmp_path, more={**more, "admin": {"token": operator}}) as demo:
        body = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
        assert (await demo.request("POST", f"{demo.origin}/register", json=body)).status == 401
        connector = aiohttp.UnixConnector(demo.stack.plan.folder.socket("admin"))
        async with (
            aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {operator}"}) as session,
            session.post("http://admin/admin/initial-access-tokens", json={"pool": "demo", "label": "one"}) as made,
        ):
            assert made.status == 201, await made.text()
            token = {"Authorization": f"Bearer {(await made.json())['token']}"}
        first = await demo.request("POST", f"{demo.origin}/register", json=body, headers=token)
        assert first.status == 201, first.body
        second = await demo.request("POST", f"{demo.origin}/register", json=body, headers=token)
        assert (second.status, second.json["error"]) == (401, "invalid_token")
        assert (await demo.request("POST", f"{demo.origin}/admin/initial-access-tokens")).status == 404
        alice = Person("alice")
        alice.storage.client = OAuthClientInformationFull(
            client_id=first.json["client_id"],
            redirect_uris=[AnyUrl(REDIRECT)],
            token_endpoint_auth_method="none",
            issuer=demo.origin,
        )
        assert (await alice.whoami(demo.url))["user"] == "alice"


async def refreshed(person: Person, demo: Running) -> None:
    """The refresh token works, with the way of authenticating that the client has."""
    client, tokens = person.storage.client, person.storage.tokens
    assert client is not None
    assert tokens is not None
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "client_id": client.client_id}
    secret = {"client_secret": client.client_secret} if client.client_secret else {}
    answer = await demo.request("POST", f"{demo.origin}/token", data=form | secret)
    assert answer.status == 200, answer.body
    called = await demo.call(answer.json["access_token"])
    assert "Missing session ID" in called.body  # the MCP server itself says so

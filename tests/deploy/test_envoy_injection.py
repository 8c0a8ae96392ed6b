"""What MCP servers get in each mode, through a real Envoy from the real check: they believe exactly this."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fakeredis import FakeServer
from joserfc import jwt
from joserfc.jwk import KeySet

from sidecar import headers
from sidecar.app import check_app
from sidecar.app.serving import HTTP
from sidecar.directory import Directory, HeaderCredentials, Inject, Issuer, Server
from sidecar.envoy_config import Address, EnvoyPlan, bootstrap
from sidecar.events import CallDecided, OriginRefused
from sidecar.sealing import Keyring
from tests.endpoints.conftest import Face, open_face, settings_for
from tests.endpoints.signed_in import PUBLIC, tokens_for
from tests.fakes.clock import FakeClock
from tests.fakes.edge import Backend, Edge, Seen, origin_answer
from tests.fakes.envoy import free_port, running_envoy
from tests.fakes.idp import FakeIdp

URL = "https://mcp.example.com"
FORGED = {
    **dict.fromkeys((*headers.IDENTITY, *headers.FOREIGN_IDENTITY), "mallory"),
    **{f"{beginning}id": "mallory" for beginning in headers.FOREIGN_PREFIXES},
    "x-dcr-anything": "1",
    "x.dcr.user": "mallory",
    "x-upstream": "mallory",
    "cookie": "a=b",
}
OWN = HeaderCredentials(("pat_",), ("x-api-key",))


def directory(idp: FakeIdp, port: int) -> Directory:
    def server(name: str, inject: Inject = Inject(), own: HeaderCredentials | None = None) -> Server:  # noqa: B008
        origin = f"http://127.0.0.1:{port}"
        return Server(name, f"{URL}/{name}", origin, URL, "corp", inject=inject, header_credentials=own)

    servers = (
        server("plain"),
        server("other", Inject(header="x-upstream", prefix="")),
        server("told", Inject("identity", headers.ASSERTION, "")),
        server("bearer", Inject("identity", "authorization", "Bearer ")),
        server("own", own=OWN),
    )
    return Directory(servers, (Issuer(URL, "corp"),), MappingProxyType({"corp": idp.pool()}))


@dataclass
class Deployed:
    face: Face
    edge: Edge
    tokens: dict[str, str]
    """An access token per server."""

    async def call(self, server: str, token: str = "", **sent: str) -> tuple[Any, str]:
        """The answer's status and challenge."""
        authorization = {"authorization": f"Bearer {token}"} if token else {}
        async with self.edge.request("POST", f"/{server}", headers={**authorization, **sent}) as answer:
            return answer.status, answer.headers.get("www-authenticate", "")

    async def reached(self, server: str, token: str = "", **sent: str) -> Seen:
        """What of this request came to the MCP server."""
        before = len(self.edge.origin.seen)
        assert await self.call(server, token, **sent) == (200, "")
        assert len(self.edge.origin.seen) == before + 1
        return self.edge.origin.seen[-1]


def identity(seen: Seen) -> dict[str, str]:
    """Every header that says who calls, or that a client made up."""
    return {name.lower(): value for name, value in seen.headers if name.lower() in FORGED or "dcr" in name.lower()}


@pytest.fixture
async def deployed(clock: FakeClock, keyring: Keyring) -> AsyncIterator[Deployed]:
    async with AsyncExitStack() as stack:
        idp = await stack.enter_async_context(FakeIdp.running(clock=clock))
        origin = await stack.enter_async_context(Backend(origin_answer).running())
        settings = settings_for(directory(idp, origin.port), keyring)
        face = await stack.enter_async_context(open_face(idp, clock, settings, FakeServer()))
        check = TestServer(check_app(face.services), host="127.0.0.1")
        await check.start_server(**HTTP)
        stack.push_async_callback(check.close)
        plan = replace(
            EnvoyPlan(settings.directory),
            oauth=Address("127.0.0.1", face.client.port or 0),
            check=Address("127.0.0.1", check.port or 0),
            listen=Address("127.0.0.1", free_port()),
        )
        envoy = await stack.enter_async_context(running_envoy(bootstrap(plan)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        edge = Edge(envoy, plan, Backend(origin_answer), Backend(origin_answer), origin, session)
        registered = await face.register(**PUBLIC, client_name="Zoë's")
        tokens = {
            server.name: (await tokens_for(face, registered, server=server.name))["access_token"]
            for server in settings.directory.servers
        }
        yield Deployed(face, edge, tokens)


@pytest.mark.req(119, 179)
async def test_the_upstream_token_comes_alone(deployed: Deployed) -> None:
    seen = await deployed.reached("plain", deployed.tokens["plain"], **FORGED)
    assert seen.value("authorization") == "Bearer up-1"
    assert identity(seen) == {}


@pytest.mark.req(119, 179)
async def test_it_comes_in_the_configured_header_and_ours_is_gone(deployed: Deployed) -> None:
    """Another header, no prefix: nothing is left in `authorization`, and what the client put there is replaced."""
    seen = await deployed.reached("other", deployed.tokens["other"], **FORGED)
    assert identity(seen) == {"x-upstream": "up-1"}
    assert seen.values("authorization") == []


@pytest.mark.req(119, 179)
async def test_identity_comes_signed_and_plain_without_any_token(deployed: Deployed) -> None:
    seen = await deployed.reached("told", deployed.tokens["told"], **FORGED)
    found = identity(seen)
    assertion = found.pop(headers.ASSERTION)
    claims = await verified(deployed, assertion)
    assert found == {
        "x-dcr-user": "alice",
        "x-dcr-email": "alice@example.com",
        "x-dcr-client": claims["client_id"],
        "x-dcr-client-name": "Zo%C3%AB's",
    }
    assert (claims["iss"], claims["aud"], claims["sub"]) == (URL, f"{URL}/told", "alice")
    assert seen.values("authorization") == []
    assert "up-1" not in str(seen.headers)


async def verified(deployed: Deployed, assertion: str) -> dict[str, Any]:
    """As an MCP server does it: keys from where our metadata, both through Envoy, says."""
    async with deployed.edge.request("GET", "/.well-known/oauth-authorization-server") as answer:
        path = (await answer.json())["jwks_uri"].removeprefix(URL)
    async with deployed.edge.request("GET", path) as answer:
        assert answer.headers["cache-control"] == "public, max-age=300"
        keys = KeySet.import_key_set(await answer.json(content_type=None))
    return jwt.decode(assertion, keys, algorithms=["ES256"]).claims


async def test_an_assertion_may_come_as_the_bearer_token(deployed: Deployed) -> None:
    seen = await deployed.reached("bearer", deployed.tokens["bearer"], **FORGED)
    scheme, _, assertion = (seen.value("authorization") or "").partition(" ")
    assert (scheme, (await verified(deployed, assertion))["aud"]) == ("Bearer", f"{URL}/bearer")
    assert seen.values(headers.ASSERTION) == []


@pytest.mark.req(179)
async def test_the_servers_own_credential_passes_as_it_was_sent(deployed: Deployed) -> None:
    by_prefix = await deployed.reached("own", "pat_1", **FORGED)
    assert (by_prefix.value("authorization"), identity(by_prefix)) == ("Bearer pat_1", {})
    by_header = await deployed.reached("own", **{**FORGED, "x-api-key": "secret-1"})
    assert (by_header.value("x-api-key"), identity(by_header)) == ("secret-1", {})
    assert by_header.values("authorization") == []
    logged = await deployed.edge.envoy.logged(client="header credential x-api-key")
    assert logged["server"] == "own"
    assert "secret-1" not in deployed.edge.envoy.access_text
    assert "pat_1" not in deployed.edge.envoy.access_text


async def test_two_credentials_are_one_too_many(deployed: Deployed) -> None:
    for token in (deployed.tokens["own"], "pat_1"):
        assert (await deployed.call("own", token, **{"x-api-key": "1"}))[0] == 400
    assert deployed.edge.origin.seen == []


async def test_elsewhere_the_header_is_one_like_any_other(deployed: Deployed) -> None:
    """It opens nothing, and with a token of ours it passes to the server whose business it is."""
    assert (await deployed.call("plain", **{"x-api-key": "1"}))[0] == 401
    assert (await deployed.call("plain", "pat_1"))[0] == 401
    seen = await deployed.reached("plain", deployed.tokens["plain"], **{"x-api-key": "1"})
    assert (seen.value("authorization"), seen.value("x-api-key")) == ("Bearer up-1", "1")


@pytest.mark.req(4, 169)
@pytest.mark.parametrize(("server", "reported"), [("plain", True), ("other", True), ("told", False), ("bearer", False)])
async def test_only_a_refused_upstream_token_is_marked(deployed: Deployed, server: str, reported: bool) -> None:
    deployed.edge.origin.answer = refuses
    status, challenge = await deployed.call(server, deployed.tokens[server])
    assert status == 401
    assert f'resource_metadata="{URL}/.well-known/oauth-protected-resource/{server}"' in challenge
    assert [event.server for event in deployed.face.events_of(OriginRefused)] == ([server] if reported else [])


@pytest.mark.req(4, 169)
async def test_a_refused_credential_of_the_servers_own_gets_our_challenge_and_marks_nothing(deployed: Deployed) -> None:
    deployed.edge.origin.answer = refuses
    for token, sent in (("pat_1", {}), ("", {"x-api-key": "1"})):
        status, challenge = await deployed.call("own", token, **sent)
        assert status == 401
        assert challenge.startswith("Bearer resource_metadata=")
    assert [event.outcome for event in deployed.face.events_of(CallDecided)] == ["passed", "passed"]
    assert deployed.face.events_of(OriginRefused) == []


async def refuses(_request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"error": "no"}, status=401, headers={"WWW-Authenticate": 'Basic realm="origin"'})

"""Several MCP servers and identity providers behind one Envoy and one sidecar: official client, real parts.

Beside the demo's own server, whose issuer is the root of its host, there are one with a path issuer over another
identity provider, one on a host of its own that shares the first's pool, and one that is relayed.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sidecar.clock import system_clock
from sidecar.demo.mcp_server import SignedTokens, demo_app
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import asgi_on
from sidecar.events import FormerCredentials, GrantEnded, SignedIn
from sidecar.records import Lifetimes
from tests.fakes.browser import Browser, Page
from tests.fakes.idp import FakeIdp
from tests.flows.person import Person
from tests.flows.running import Running, free_port, running

IDENTITY = {"mode": "identity", "header": "authorization"}
SHORT = Lifetimes(access=660)


class AtOnce(Person):
    """Whose identity provider knows who it is without a page."""

    async def at_idp(self, _browser: Browser, _page: Page) -> list[Page]:
        return []


def pool_of(idp: FakeIdp, name: str, **more: Any) -> dict[str, Any]:
    """As an operator writes it down."""
    settings = {
        "name": name,
        "id": f"{name}-1",
        "provider": "oidc",
        "issuer": idp.issuer,
        "scopes": ["openid", "email"],
    }
    return {**settings, "client_id": idp.client_id, "client_secret": idp.client_secret, **more}


def inserted(url: str, document: str) -> str:
    """RFC 9728 3.1."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{document}{parts.path}"


@dataclass
class Many:
    demo: Running
    corp: FakeIdp
    other: FakeIdp
    urls: dict[str, str]


@asynccontextmanager
async def mcp_server(public_url: str, issuer: str, document: str = "oauth-authorization-server") -> AsyncIterator[str]:
    """A demo server that believes our assertions, or whom the document says: its address."""
    listener = listen()
    verifier = SignedTokens(issuer, public_url, system_clock, document, "JWT")
    app = demo_app(public_url=public_url, idp_issuer=issuer, verifier=verifier)
    async with asgi_on(listener, app):
        yield f"http://127.0.0.1:{port_of(listener)}"


@pytest.fixture
async def many(tmp_path: Path) -> AsyncIterator[Many]:
    port = free_port()
    root, beside = f"http://localhost:{port}", f"http://127.0.0.1:{port}"
    urls = {"root": f"{root}/mcp", "notes": f"{root}/notes/mcp", "beside": f"{beside}/mcp", "open": f"{root}/open/mcp"}
    issuers = {"root": root, "notes": f"{root}/notes", "beside": beside}
    async with AsyncExitStack() as stack:
        corp = await stack.enter_async_context(FakeIdp.running())
        other = await stack.enter_async_context(FakeIdp.running(client_id="notes-at-other", user={"sub": "bob"}))
        relayed = await stack.enter_async_context(mcp_server(urls["open"], corp.issuer, "openid-configuration"))
        servers: list[dict[str, Any]] = [
            {
                "name": name,
                "resource": urls[name],
                "origin": await stack.enter_async_context(mcp_server(urls[name], issuer)),
                "issuer": issuer,
                "pool": "notes" if name == "notes" else "corp",
                "inject": IDENTITY,
            }
            for name, issuer in issuers.items()
        ]
        servers.append({"name": "open", "resource": urls["open"], "origin": relayed, "without_pool": "relay"})
        more = {"servers": servers, "pools": [pool_of(corp, "corp"), pool_of(other, "notes")]}
        demo = await stack.enter_async_context(running(tmp_path, port=port, more=more))
        yield Many(demo, corp, other, urls)


async def test_one_sidecar_serves_several_servers_over_two_identity_providers(many: Many) -> None:
    people = {name: AtOnce(name) for name in ("root", "notes", "beside")}
    told = {name: await person.whoami(many.urls[name]) for name, person in people.items()}
    assert {name: answer["user"] for name, answer in told.items()} == {
        "root": "alice",
        "notes": "bob",
        "beside": "alice",
    }
    assert len({answer["token_issuer"] for answer in told.values()}) == 3
    assert [event.server for event in many.demo.happened(SignedIn)] == list(people)
    assert (len(many.corp.sessions), len(many.other.sessions)) == (2, 1)
    for name, person in people.items():
        assert person.storage.tokens is not None
        token = person.storage.tokens.access_token
        for other, url in many.urls.items():
            answer = await many.demo.call(token, url=url)
            assert (answer.status == 401) == (name != other), (name, other)
            if other in people and name != other:
                metadata = inserted(url, "oauth-protected-resource")
                assert f'resource_metadata="{metadata}"' in answer.headers["www-authenticate"]
    # Once more with what they have: nobody signs in again.
    assert [(await person.whoami(many.urls[name]))["user"] for name, person in people.items()] == [
        "alice",
        "bob",
        "alice",
    ]
    assert [person.sign_ins for person in people.values()] == [1, 1, 1]


async def test_the_relayed_server_speaks_for_itself_and_the_others_do_not(many: Many) -> None:
    origin = many.urls["root"].removesuffix("/mcp")
    documents = {
        path: await many.demo.request("GET", f"{origin}/.well-known/oauth-protected-resource{path}")
        for path in ("/mcp", "/notes/mcp", "/open/mcp", "")
    }
    assert [answer.status for answer in documents.values()] == [200, 200, 200, 404]
    named = [answer.json["authorization_servers"][0] for answer in documents.values() if answer.status == 200]
    assert named == [origin, f"{origin}/notes", many.corp.issuer]
    servers = {
        path: await many.demo.request("GET", f"{origin}/.well-known/oauth-authorization-server{path}")
        for path in ("", "/notes", "/open", "/open/mcp")
    }
    assert [answer.status for answer in servers.values()] == [200, 200, 404, 404]
    assert [servers[path].json["registration_endpoint"] for path in ("", "/notes")] == [
        f"{origin}/register",
        f"{origin}/notes/register",
    ]
    own = await many.demo.call("whatever", url=many.urls["open"])
    assert own.status == 401
    assert "open/mcp" in own.headers["www-authenticate"]


async def test_a_new_client_at_the_idp_leaves_everybody_signed_in(tmp_path: Path) -> None:
    """Restarted with another `client_id`: who was there stays with the old one, who comes has the new one."""
    port = free_port()
    url = f"http://localhost:{port}/mcp"
    alice, later = AtOnce("alice"), AtOnce("alice")
    # Upstream tokens that end before ours would, so that every refresh of ours needs one there.
    async with FakeIdp.running(expires_in=600) as idp, mcp_server(url, f"http://localhost:{port}") as origin:
        server = {"name": "demo", "resource": url, "origin": origin, "pool": "corp", "inject": IDENTITY}

        @asynccontextmanager
        async def started(**pool: Any) -> AsyncIterator[Running]:
            more = {"servers": [server], "pools": [pool_of(idp, "corp", **pool)]}
            async with running(tmp_path, port=port, lifetimes=SHORT, more=more) as demo:
                yield demo

        async with started() as demo:
            await alice.whoami(url)
        old = {"client_id": idp.client_id, "client_secret": idp.client_secret}
        idp.accepts = {idp.client_id: (idp.client_secret,)}
        idp.client_id, idp.client_secret = "new-client", "another secret"
        async with started(former=[old]) as demo:
            alice.storage.tokens = await alice.refresh(demo.origin)
            assert (await alice.whoami(url))["user"] == "alice"
            await later.whoami(url)
            later.storage.tokens = await later.refresh(demo.origin)
            assert [event.what for event in demo.happened(FormerCredentials)] == ["client"]
            assert demo.happened(GrantEnded) == []
        assert (alice.sign_ins, later.sign_ins) == (1, 1)
        assert [session.client for session in idp.sessions] == [old["client_id"], "new-client"]
        assert [len(session.access_tokens) for session in idp.sessions] == [2, 2]

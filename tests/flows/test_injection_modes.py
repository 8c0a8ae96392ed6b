"""What the MCP server gets in each mode: official client, real Envoy, real sidecar, demo server (design 10)."""

import hashlib
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from sidecar.events import CallDecided, CredentialPassed, OriginRefused
from tests.flows.person import Person, told
from tests.flows.running import running

PAT = "demo_pat_0123456789abcdef"
BEARER = {"inject": {"mode": "identity", "header": "authorization"}}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.req(119, 179)
async def test_an_mcp_server_verifies_who_calls_with_our_published_keys(tmp_path: Path) -> None:
    """The official SDK's verifier, fed from our RFC 8414 document; the IdP's token stays here."""
    alice = Person("alice")
    async with running(tmp_path, server=BEARER) as demo:
        answer = await alice.whoami(demo.url)
        assert (answer["user"], answer["email"]) == ("alice", "alice@example.com")
        assert answer["token_issuer"] == demo.origin
        assert answer["identity"]["x-dcr-user"] == "alice"
        assert answer["identity"]["x-dcr-email"] == "alice@example.com"
        assert answer["identity"]["x-dcr-client-name"] == "Test client of alice"
        ours = {sha256(token) for seen in alice.storage.seen for token in (seen.access_token, seen.refresh_token or "")}
        assert answer["token_sha256"] not in ours
        assert not {"cookie", "x-dcr-source", "x-dcr-assertion"} & set(answer["headers"])


@pytest.mark.req(4, 119)
async def test_a_server_that_does_not_believe_us_marks_no_upstream_token(tmp_path: Path) -> None:
    """It expects the IdP's token and gets an assertion: 401 with our challenge, and nothing happens to the grant."""
    alice = Person("alice")
    async with running(tmp_path) as demo:
        await alice.whoami(demo.url)
    assert alice.storage.tokens is not None
    token = alice.storage.tokens.access_token
    async with running(tmp_path, port=demo.stack.plan.port, server={"inject": {"mode": "identity"}}) as demo:
        for _ in range(2):
            answer = await demo.call(token)
            assert answer.status == 401
            assert f'resource_metadata="{demo.origin}/.well-known/' in answer.headers["www-authenticate"]
        assert [event.outcome for event in demo.happened(CallDecided)] == ["allowed", "allowed"]
        assert demo.happened(OriginRefused) == []
    async with running(tmp_path, port=demo.stack.plan.port) as demo:
        assert (await demo.call(token)).status != 401


async def whoami_with(token: str, url: str) -> dict[str, Any]:
    """A program that was given a token instead of a browser."""
    sent = {"Authorization": f"Bearer {token}", "Cookie": "a=b", "x-dcr-user": "mallory"}
    async with (
        httpx2.AsyncClient(headers=sent, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        return await told(client)


@pytest.mark.req(179)
async def test_a_personal_access_token_passes_beside_signed_in_users(tmp_path: Path) -> None:
    """On a server that opts in; wrong ones get 401 from the server, with our challenge."""
    alice = Person("alice")
    own = {"header_credentials": {"prefixes": ["demo_pat_"]}}
    async with running(tmp_path, server=own, personal={PAT: "robot"}) as demo:
        assert (await alice.whoami(demo.url))["user"] == "alice"
        answer = await whoami_with(PAT, demo.url)
        assert (answer["user"], answer["token_sha256"], answer["identity"]) == ("robot", sha256(PAT), {})
        assert "cookie" not in answer["headers"]
        passed = demo.happened(CredentialPassed)
        assert {event.credential for event in passed} == {"demo_pat_"}
        assert len(passed) == [event.outcome for event in demo.happened(CallDecided)].count("passed")
        wrong = await demo.call("demo_pat_wrong")
        assert wrong.status == 401
        assert f'resource_metadata="{demo.origin}/.well-known/' in wrong.headers["www-authenticate"]
        assert demo.happened(OriginRefused) == []
        assert (await alice.whoami(demo.url))["user"] == "alice"
        log = demo.stack.plan.folder.log("sidecar").read_text()
    assert '"event":"credential_passed"' in log
    assert PAT not in log


@pytest.mark.req(171)
async def test_elsewhere_the_same_token_opens_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, personal={PAT: "robot"}) as demo:
        before = await demo.reached_mcp_server()
        assert (await demo.call(PAT)).status == 401
        assert await demo.reached_mcp_server() == before

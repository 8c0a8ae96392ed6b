"""The official Python SDK's client, knowing one URL, against the whole thing with real parts."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio

from sidecar import events
from sidecar.oauth.pkce import s256
from tests.fakes.browser import Browser
from tests.flows.person import Person, told
from tests.flows.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

JWT = re.compile(r"eyJ[\w-]+\.eyJ")
STALE_SECONDS = 2.5
"""How long a revoked token may be believed: the cache's two seconds and the way there."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("demo")) as found:
        yield found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.req(9, 13, 21, 23, 37, 101, 119, 169, 179, 199)
async def test_a_client_that_knows_the_url_gets_in_as_its_user(demo: Running) -> None:
    """Discover, register, consent, sign in, token, tools/list, whoami."""
    alice = Person("alice")
    async with alice.client(demo.url) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["whoami", "count"]
        answer = await told(client)
    assert (answer["user"], answer["email"]) == ("alice", "alice@example.com")
    assert alice.sign_ins == 1
    assert alice.storage.client is not None
    assert alice.storage.client.issuer == demo.origin


@pytest.mark.req(4, 119, 179)
async def test_the_mcp_server_gets_the_upstream_token_and_nothing_of_ours(demo: Running) -> None:
    alice = Person("alice")
    answer = await alice.whoami(demo.url)
    assert answer["token_issuer"] == demo.stack.idp.issuer
    ours = [token for seen in alice.storage.seen for token in (seen.access_token, seen.refresh_token) if token]
    assert len(ours) == 2
    assert answer["token_sha256"] not in {sha256(token) for token in ours}
    assert "authorization" in answer["headers"]
    assert "cookie" not in answer["headers"]
    assert not [name for name in answer["headers"] if name.startswith(("x-dcr-", "x-envoy-auth", "origin"))]


@pytest.mark.req(4, 119)
async def test_the_client_sees_neither_the_idp_nor_its_tokens(demo: Running) -> None:
    alice = Person("alice")
    await alice.whoami(demo.url)
    seen = [str(request.url) for request in alice.requests]
    assert all(url.startswith(demo.origin) for url in seen)
    told_to_client = [*seen, alice.pages[-1].url, *(str(token) for token in alice.storage.seen)]
    assert not [text for text in told_to_client if JWT.search(text)]
    for response in alice.responses:
        assert demo.stack.idp.issuer not in str(response.headers)


@pytest.mark.req(99, 113, 116)
async def test_what_goes_to_the_idp_is_ours_alone(demo: Running) -> None:
    alice = Person("alice")
    await alice.whoami(demo.url)
    consent, idp, back = alice.pages
    sent = dict(parse_qsl(urlsplit(idp.url).query))
    assert sent["redirect_uri"] == f"{demo.origin}/callback"
    assert sent["client_id"] == demo.stack.idp.party.client_id
    assert "resource" not in sent
    asked = dict(parse_qsl(urlsplit(consent.url).query))
    assert not {asked["state"], asked["code_challenge"], asked["client_id"]} & set(sent.values())
    answer = parse_qsl(urlsplit(back.url).query)
    assert sorted(name for name, _ in answer) == ["code", "iss", "state"]
    assert dict(answer)["iss"] == demo.origin


async def test_two_people_at_once_stay_two_people(demo: Running) -> None:
    alice, bob = Person("alice"), Person("bob")

    async def three_times(person: Person) -> list[str]:
        async with person.client(demo.url) as client:
            return [(await told(client))["user"] for _ in range(3)]

    assert await asyncio.gather(three_times(alice), three_times(bob)) == [["alice"] * 3, ["bob"] * 3]


@pytest.mark.req(190)
@pytest.mark.parametrize(
    ("mode", "version"),
    [
        pytest.param("legacy", "2025-11-25", id="stateful"),
        pytest.param("2026-07-28", "2026-07-28", id="stateless"),
        pytest.param("auto", "2026-07-28", id="probing"),
    ],
)
async def test_both_wire_eras_pass(demo: Running, mode: str, version: str) -> None:
    alice = Person("alice")
    async with alice.client(demo.url, mode) as client:
        answer = await told(client)
    assert answer["user"] == "alice"
    calls = [request for request in alice.requests if str(request.url) == demo.url and request.method == "POST"]
    assert calls[-1].headers["mcp-protocol-version"] == version
    assert ("mcp-session-id" in calls[-1].headers) is (mode == "legacy")
    ended = [
        request.method for request in alice.requests if str(request.url) == demo.url and request.method == "DELETE"
    ]
    assert bool(ended) is (mode == "legacy")


@pytest.mark.req(189)
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_stream_arrives_while_it_happens(demo: Running, mode: str) -> None:
    alice, arrived = Person("alice"), []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        arrived.append((time.monotonic(), done, message))

    async with alice.client(demo.url, mode) as client:
        result = await client.call_tool("count", {"to": 4, "seconds": 0.2}, progress_callback=progress)
        ended = time.monotonic()
    assert not result.is_error
    assert [(done, message) for _, done, message in arrived] == [(float(n), f"{n} of 4") for n in range(1, 5)]
    # The server sleeps 0.2 s after each number: buffered, all four would come with the result.
    assert ended - arrived[0][0] > 0.5
    assert arrived[-1][0] - arrived[0][0] > 0.3


@pytest.mark.req(171)
async def test_the_idps_own_token_does_not_open_the_door(demo: Running) -> None:
    """Token passthrough: what the MCP server itself would take, the check refuses."""
    idp, verifier = demo.stack.idp, "v" * 43
    query = {"response_type": "code", "client_id": idp.party.client_id, "redirect_uri": idp.party.redirect_uri}
    query |= {"scope": "openid", "code_challenge": s256(verifier), "code_challenge_method": "S256"}
    async with Browser(idp.party.redirect_uri) as browser:
        back = await browser.press(await browser.open(f"{idp.issuer}/authorize?{urlencode(query)}"), "alice")
    code = dict(parse_qsl(urlsplit(back.url).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": idp.party.redirect_uri}
    basic = {"Authorization": aiohttp.encode_basic_auth(idp.party.client_id, idp.party.client_secret)}
    tokens = await demo.request("POST", f"{idp.issuer}/token", data=form | {"code_verifier": verifier}, headers=basic)
    token = tokens.json["access_token"]
    direct = await demo.call(token, url=f"{demo.stack.mcp_origin}/mcp")
    assert direct.status != 401
    refused = await demo.call(token)
    assert refused.status == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.req(164, 170)
async def test_revoking_ends_it_at_once(demo: Running) -> None:
    alice = Person("alice")
    await alice.whoami(demo.url)
    tokens, client = alice.storage.tokens, alice.storage.client
    assert tokens is not None
    assert tokens.refresh_token is not None
    assert client is not None
    assert (await demo.call(tokens.access_token)).status != 401
    metadata = (await demo.request("GET", f"{demo.origin}/.well-known/oauth-authorization-server")).json
    basic = {"Authorization": aiohttp.encode_basic_auth(client.client_id, client.client_secret or "")}
    revoked = await demo.request(
        "POST", metadata["revocation_endpoint"], data={"token": tokens.refresh_token}, headers=basic
    )
    assert revoked.status == 200
    async with asyncio.timeout(STALE_SECONDS):
        while (refused := await demo.call(tokens.access_token)).status != 401:
            pass
    assert refused.headers["www-authenticate"].startswith("Bearer ")
    well_known = f"{demo.origin}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{well_known}"' in refused.headers["www-authenticate"]
    await alice.whoami(demo.url)
    assert alice.sign_ins == 2


@pytest.mark.req(194)
async def test_every_step_is_an_event(demo: Running) -> None:
    demo.events.clear()
    await Person("bob").whoami(demo.url)
    audited = [event.name for event in demo.events if event.audit]
    assert audited == ["client_registered", "consent_given", "signed_in", "token_issued"]
    allowed = [event for event in demo.happened(events.CallDecided) if event.outcome == "allowed"]
    assert {event.user for event in allowed} == {"bob"}
    assert demo.happened(events.UnexpectedError) == []

"""Many servers behind one sidecar: a host with three issuers, two hosts that share one, and nothing of one at another.

What the documents say is walked as a client walks it: challenge, RFC 9728 document, RFC 8414 document, registration.
"""

import re
from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import pytest
from fakeredis import FakeServer

from sidecar.directory import Directory, Issuer, Server
from sidecar.records import StaticClient
from sidecar.sealing import Keyring
from tests.endpoints.checker import Checker, checking
from tests.endpoints.conftest import Face, open_face, settings_for
from tests.endpoints.front import Browser, running_front
from tests.endpoints.signed_in import PUBLIC, REDIRECT, sign_in
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp

HOST, AUTH = "https://many.example.com", "https://auth.example.com"


def server(name: str, resource: str, issuer: str, pool: str, **more: Any) -> Server:
    return Server(name, resource, "http://127.0.0.1:9", issuer, pool, base_scopes=(f"{name}.read",), **more)


SERVERS = {
    each.name: each
    for each in (
        server("root", f"{HOST}/mcp", HOST, "corp"),
        server("below", f"{HOST}/mcp/below", HOST, "corp"),
        server("notes", f"{HOST}/notes/mcp", f"{HOST}/notes", "notes"),
        server("files", f"{HOST}/files/mcp", f"{HOST}/files", "corp"),  # an issuer of its own over the same pool
        server("one", "https://one.example.com/mcp", AUTH, "shared"),
        server("two", "https://two.example.com/mcp", AUTH, "shared"),
    )
}
OPEN = Server("open", f"{HOST}/open", "http://127.0.0.1:9", HOST, "", without_pool="relay")
ISSUERS = {HOST: "corp", f"{HOST}/notes": "notes", f"{HOST}/files": "corp", AUTH: "shared"}
PAIRS = [pytest.param(mine, other, id=f"{mine}-at-{other}") for mine, other in permutations(SERVERS, 2)]
ACROSS = [pair for pair in PAIRS if SERVERS[pair.values[0]].issuer != SERVERS[pair.values[1]].issuer]


@pytest.fixture
async def many(idp: FakeIdp, clock: FakeClock, keyring: Keyring) -> AsyncIterator[Face]:
    pools = {name: idp.pool(name=name, id=f"{name}-1") for name in set(ISSUERS.values())}
    partner = StaticClient("partner", "corp", "The Partner", (REDIRECT,))
    issuers = tuple(Issuer(url, pool) for url, pool in ISSUERS.items())
    served = Directory((*SERVERS.values(), OPEN), issuers, pools, {partner.id: partner})
    async with open_face(idp, clock, settings_for(served, keyring), FakeServer()) as opened:
        yield opened


def at(url: str) -> dict[str, str]:
    """A URL's host and path as the face wants them."""
    parts = urlsplit(url)
    return {"path": parts.path, "host": parts.netloc}


def inserted(url: str, document: str) -> str:
    """RFC 8414 3, RFC 9728 3."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{document}{parts.path}"


async def registered_at(face: Face, issuer: str) -> dict[str, Any]:
    response = await face.post_json(**at(f"{issuer}/register"), body={"redirect_uris": [REDIRECT], **PUBLIC})
    assert response.status == 201, await response.text()
    document: dict[str, Any] = await response.json()
    return document


async def tokens_at(face: Face, name: str, client: dict[str, Any] | None = None) -> dict[str, Any]:
    issuer = SERVERS[name].issuer
    client = client or await registered_at(face, issuer)
    code = await sign_in(face, client, server=name)
    fields = face.code_fields(code=code, client_id=client["client_id"])
    response = await face.post_form(**at(f"{issuer}/token"), fields=fields)
    assert response.status == 200, await response.text()
    return {**await response.json(), "client_id": client["client_id"]}


async def refreshed(face: Face, issuer: str, tokens: dict[str, Any], **more: str) -> tuple[int, str]:
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": tokens["client_id"]}
    response = await face.post_form(**at(f"{issuer}/token"), fields=fields | more)
    return response.status, (await response.json()).get("error", "")


async def status(check: Checker, name: str, token: str | None) -> int:
    return (await check(**at(SERVERS[name].resource), token=token)).status


@pytest.mark.parametrize("name", SERVERS)
async def test_a_client_finds_the_way_from_the_challenge_to_its_registration(many: Face, name: str) -> None:
    mine = SERVERS[name]
    async with checking(many) as check:
        answer = await check(**at(mine.resource))
    assert answer.status == 401
    (metadata,) = re.findall(r'resource_metadata="([^"]+)"', answer.headers["WWW-Authenticate"])
    assert metadata == inserted(mine.resource, "oauth-protected-resource")
    resource = await many.get_json(**at(metadata))
    assert (resource["resource"], resource["authorization_servers"]) == (mine.resource, [mine.issuer])
    assert resource["scopes_supported"] == [f"{name}.read"]
    said = await many.get_json(**at(inserted(mine.issuer, "oauth-authorization-server")))
    assert said["issuer"] == mine.issuer
    for endpoint in ("authorization", "token", "registration", "revocation"):
        assert said[f"{endpoint}_endpoint"].startswith(f"{mine.issuer}/")
        assert said[f"{endpoint}_endpoint"].count("/") == mine.issuer.count("/") + 1
    client = await registered_at(many, mine.issuer)
    assert client["registration_client_uri"].startswith(f"{mine.issuer}/register/")


async def test_no_two_documents_are_alike_and_none_is_where_nobody_lives(many: Face) -> None:
    found = [await many.get_json(**at(inserted(url, "oauth-authorization-server"))) for url in ISSUERS]
    assert [document["issuer"] for document in found] == list(ISSUERS)
    lost = [inserted(each.resource, "oauth-authorization-server") for each in (*SERVERS.values(), OPEN)]
    lost += [inserted(url, "oauth-protected-resource") for url in (*ISSUERS, OPEN.resource, f"{HOST}/mcp/other")]
    for url in lost:
        assert (await many.get(**at(url))).status == 404, url


@pytest.mark.parametrize(("mine", "other"), PAIRS)
async def test_a_token_for_one_server_is_useless_at_another(many: Face, mine: str, other: str) -> None:
    tokens = await tokens_at(many, mine)
    async with checking(many) as check:
        answer = await check(**at(SERVERS[other].resource), token=tokens["access_token"])
        assert answer.status == 401
        assert inserted(SERVERS[other].resource, "oauth-protected-resource") in answer.headers["WWW-Authenticate"]
        assert await status(check, mine, tokens["access_token"]) == 200


@pytest.mark.parametrize(("mine", "other"), PAIRS)
async def test_a_refresh_token_buys_nothing_for_another_server(many: Face, mine: str, other: str) -> None:
    """At the other issuer the client is unknown; at its own the grant is for one resource (RFC 8707 2.2)."""
    tokens, here, there = await tokens_at(many, mine), SERVERS[mine].issuer, SERVERS[other].issuer
    if here != there:
        assert await refreshed(many, there, tokens) == (401, "invalid_client")
    assert await refreshed(many, here, tokens, resource=SERVERS[other].resource) == (400, "invalid_target")
    assert await refreshed(many, here, tokens, resource=SERVERS[mine].resource) == (200, "")


async def test_a_configured_client_of_a_pool_keeps_the_grants_of_its_issuers_apart(many: Face) -> None:
    """It is known at both, unlike one that registered itself."""
    partner = {"client_id": "partner"}
    tokens = await tokens_at(many, "files", partner)
    assert await refreshed(many, HOST, tokens) == (400, "invalid_grant")
    code = await sign_in(many, partner, server="files")
    response = await many.post_form(**at(f"{HOST}/token"), fields=many.code_fields(code=code, client_id="partner"))
    assert (await response.json())["error"] == "invalid_grant"
    async with checking(many) as check:
        for token in (tokens["access_token"], tokens["refresh_token"]):
            gone = await many.post_form(**at(f"{HOST}/revoke"), fields={"token": token, "client_id": "partner"})
            assert gone.status == 200
        assert await status(check, "files", tokens["access_token"]) == 200
    assert await refreshed(many, f"{HOST}/files", tokens) == (200, "")


@pytest.mark.parametrize(("mine", "other"), ACROSS)
async def test_a_client_of_one_issuer_is_unknown_at_another(many: Face, mine: str, other: str) -> None:
    tokens, there = await tokens_at(many, mine), SERVERS[other].issuer
    ended = await many.post_form(
        **at(f"{there}/revoke"), fields={"token": tokens["refresh_token"], "client_id": tokens["client_id"]}
    )
    assert (ended.status, (await ended.json())["error"]) == (401, "invalid_client")
    asked = at(f"{there}/authorize")
    query = f"response_type=code&client_id={tokens['client_id']}&redirect_uri=https://app.example/cb"
    page = await many.get(f"{asked['path']}?{query}", host=asked["host"])
    assert (page.status, "Location" in page.headers) == (400, False)
    async with checking(many) as check:
        assert await status(check, mine, tokens["access_token"]) == 200


async def test_an_issuer_of_several_servers_wants_to_know_which(many: Face) -> None:
    client = await registered_at(many, AUTH)
    query = f"response_type=code&client_id={client['client_id']}&redirect_uri={REDIRECT}"
    query += f"&code_challenge={'c' * 43}&code_challenge_method=S256"
    answers = {
        resource: await many.get(f"/authorize?{query}{resource}", host="auth.example.com")
        for resource in ("", "&resource=https://one.example.com/mcp", f"&resource={HOST}/mcp")
    }
    assert [answer.status for answer in answers.values()] == [303, 200, 303]
    assert all("error=invalid_target" in a.headers["Location"] for a in answers.values() if a.status == 303)


@pytest.mark.parametrize("name", SERVERS)
async def test_a_page_of_one_servers_host_is_a_stranger_at_the_others(many: Face, name: str) -> None:
    mine = SERVERS[name]
    async with checking(many) as check:
        for other in SERVERS.values():
            answer = await check(**at(other.resource), extra={"Origin": mine.resource_origin})
            assert answer.status == (401 if other.authority == mine.authority else 403)


ROOT, PATH = "https://mcp.example.com", "https://mcp.example.com/notes"
TWO = (server("root", f"{ROOT}/mcp", ROOT, "corp"), server("notes", f"{PATH}/mcp", PATH, "corp"))
WISHES = {ROOT: {"resource": f"{ROOT}/mcp"}, PATH: {"resource": f"{PATH}/mcp"}}


async def test_one_browser_signs_in_at_two_issuers_of_a_host_at_once() -> None:
    """Cookies of one host are seen by both: neither's stand in the other's way."""
    async with running_front(*TWO, issuers=(ROOT, PATH)) as front:
        cookies: dict[str, str] = {}
        tabs = {url: Browser(front, url, cookies) for url in (ROOT, PATH)}
        clients = {url: await front.register("https://app.example/cb", issuer=url) for url in tabs}
        pages = {url: await tab.ask(clients[url], **WISHES[url]) for url, tab in tabs.items()}
        backs = {}
        for url, tab in tabs.items():
            away = await tab.approve(pages[url])
            assert away.query["redirect_uri"] == f"{url}/callback"
            backs[url] = await front.at_idp(away.location)
        assert len(tabs[ROOT].txn_cookies()) == 2
        for url, tab in reversed(tabs.items()):
            done = await tab.come_back(backs[url])
            assert done.query["iss"] == url
            assert done.query["code"]
        assert tabs[ROOT].txn_cookies() == []


@pytest.mark.parametrize(("mine", "other"), [pytest.param(ROOT, PATH, id="root"), pytest.param(PATH, ROOT, id="path")])
async def test_a_return_to_the_wrong_issuer_takes_nothing_away(mine: str, other: str) -> None:
    """RFC 9700 4.4: what an IdP behind one issuer is told stays there; the right return still ends the sign-in."""
    async with running_front(*TWO, issuers=(ROOT, PATH)) as front:
        tab = Browser(front, mine)
        back = await tab.leave_for_idp(await front.register("https://app.example/cb", issuer=mine), **WISHES[mine])
        wrong = await Browser(front, other, tab.cookies).come_back(back)
        assert (wrong.status, "Location" in wrong.headers) == (400, False)
        assert front.idp.seen("token") == []
        assert (await tab.come_back(back)).query["code"]


@pytest.mark.parametrize(("mine", "other"), [pytest.param(ROOT, PATH, id="root"), pytest.param(PATH, ROOT, id="path")])
async def test_a_consent_form_is_for_one_issuer(mine: str, other: str) -> None:
    async with running_front(*TWO, issuers=(ROOT, PATH)) as front:
        tab = Browser(front, mine)
        page = await tab.ask(await front.register("https://app.example/cb", issuer=mine), **WISHES[mine])
        wrong = await Browser(front, other, tab.cookies).answer(page.form)
        assert (wrong.status, "Location" in wrong.headers) == (400, False)
        assert (await tab.approve(page)).status == 303

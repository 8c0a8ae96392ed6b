"""GET, PUT and DELETE /register/{client_id} as clients call them (RFC 7592)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from fakeredis import FakeAsyncRedis

from sidecar.app import check_app
from sidecar.events import ClientDeleted, ClientUnreadable, ClientUpdated, GrantEnded, RegistrationRefused
from sidecar.management import AT_ONCE
from sidecar.oauth.registration import RegistrationPolicy
from sidecar.store.listing import OfClient
from tests.endpoints.conftest import ISSUER, Face
from tests.endpoints.front import LONG
from tests.endpoints.signed_in import PUBLIC, REDIRECT, sign_in, tokens_for
from tests.store.build import created

POST = {"token_endpoint_auth_method": "client_secret_post"}
SET_BY_US = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
    "client_secret",
)


async def manage(
    face: Face, method: str, document: dict[str, Any], token: str | None = "", **more: Any
) -> ClientResponse:
    """With the document's own token unless another is given; None sends none."""
    token = document["registration_access_token"] if token == "" else token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return await face.request(method, urlsplit(document["registration_client_uri"]).path, headers=headers, **more)


async def put(face: Face, document: dict[str, Any], **members: Any) -> ClientResponse:
    body = {"client_id": document["client_id"], "redirect_uris": [REDIRECT], **members}
    return await manage(face, "PUT", document, json=body)


async def refused(response: ClientResponse) -> tuple[Any, ...]:
    """What a refusal shows, but for its reference."""
    headers = {name: value for name, value in response.headers.items() if name not in {"Date", "x-dcr-reference"}}
    return response.status, await response.text(), headers


async def gone(face: Face, document: dict[str, Any]) -> bool:
    return {(await manage(face, method, document, json={})).status for method in ("GET", "PUT", "DELETE")} == {401}


@pytest.fixture
async def check(face: Face) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(check_app(face.services), host="127.0.0.1")) as client:
        yield client


async def calls(check: TestClient[Any, Any], token: str) -> int:
    headers = {"Host": "mcp.example.com", "Authorization": f"Bearer {token}"}
    async with check.post("/check/mcp", headers=headers) as response:
        return response.status


@asynccontextmanager
async def unreadable(face: Face, key: str) -> AsyncIterator[None]:
    """Meanwhile the store answers with an error to whoever asks for this key."""
    async with FakeAsyncRedis(server=face.redis) as redis:
        await redis.rename(key, "aside")
        await redis.set(key, "of another type")
        yield
        await redis.rename("aside", key)


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.req(66)
@pytest.mark.parametrize(
    ("path", "host", "base"),
    [
        pytest.param("/register", "mcp.example.com", ISSUER, id="root"),
        pytest.param("/tenant1/register", "multi.example.com", "https://multi.example.com/tenant1", id="path"),
    ],
)
async def test_a_registration_says_where_and_with_what_it_is_managed(face: Face, path, host, base):
    document = await (await face.post_json(path, {"redirect_uris": [REDIRECT]}, host=host)).json()
    assert document["registration_client_uri"] == f"{base}/register/{document['client_id']}"
    assert document["registration_access_token"].startswith("dcrm_")
    assert (await manage(face, "GET", document, host=host)).status == 200


@pytest.mark.req(67)
@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
async def test_reading_gives_what_was_registered_and_nobody_keeps_it(face: Face, method):
    document = await face.register(client_name="Notes", contacts=["a@b.c"], token_endpoint_auth_method=method)
    async with face.replica() as other:
        for each in (face, other):
            response = await manage(each, "GET", document)
            assert response.status == 200
            assert response.headers["Cache-Control"] == "no-store"
            assert await response.json() == document
    assert document["registration_access_token"].encode() not in await face.dump()


async def test_reading_outlives_a_store_that_forgot(face: Face):
    document = await face.register(client_name="Notes", **PUBLIC, application_type="native")
    await face.forget_everything()
    del document["client_name"]
    assert await (await manage(face, "GET", document)).json() == document


# Who may --------------------------------------------------------------------------------------------------------------


@pytest.mark.req(68, 69, 74)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_every_reason_why_not_is_one_refusal(face: Face, method):
    """MG-01."""
    mine, other, deleted = [await face.register(**PUBLIC) for _ in range(3)]
    access = (await tokens_for(face))["access_token"]
    assert (await manage(face, "DELETE", deleted)).status == 204
    unknown = mine | {"registration_client_uri": f"{ISSUER}/register/{mine['client_id'][:-4]}AAAA"}
    absurd = mine | {"registration_client_uri": f"{ISSUER}/register/x"}
    keys = await face.key_count()
    asked = [
        (mine, None),
        (mine, other["registration_access_token"]),
        (mine, mine["registration_access_token"][:-1]),
        (mine, access),
        (mine, "!"),
        (deleted, ""),
        (unknown, ""),
        (absurd, ""),
    ]
    answers = [await refused(await manage(face, method, *each, json={"client_id": "x"})) for each in asked]
    assert all(answer == answers[0] for answer in answers)
    status, body, headers = answers[0]
    assert (status, headers["Cache-Control"]) == (401, "no-store")
    assert headers["WWW-Authenticate"].startswith("Bearer ")
    assert '"invalid_token"' in body
    assert await face.key_count() == keys
    assert (await manage(face, "GET", mine)).status == 200
    assert len(face.events_of(RegistrationRefused)) == len(asked)


async def test_the_token_is_read_from_one_authorization_header_only(face: Face):
    document = await face.register()
    path, token = urlsplit(document["registration_client_uri"]).path, document["registration_access_token"]
    assert (await face.get(f"{path}?access_token={token}")).status == 401
    assert (await face.get(path, headers={"Authorization": f"Basic {token}"})).status == 401
    assert (await face.get(path, headers={"authorization": f"bearer {token}"})).status == 200


async def test_a_client_is_managed_at_its_own_issuer_only(face: Face):
    document = await face.register()
    elsewhere = document | {"registration_client_uri": f"/tenant1/register/{document['client_id']}"}
    for method in ("GET", "PUT", "DELETE"):
        assert (await manage(face, method, elsewhere, host="multi.example.com", json={})).status == 401
    assert (await manage(face, "GET", document)).status == 200


@pytest.mark.req(74)
@pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD"])
async def test_other_verbs_are_405(face: Face, method):
    response = await manage(face, method, await face.register())
    assert (response.status, response.headers["Allow"]) == (405, "DELETE, GET, OPTIONS, PUT")


async def test_a_browser_client_may_manage_itself(face: Face):
    document = await face.register()
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    preflight = await face.request("OPTIONS", urlsplit(document["registration_client_uri"]).path, headers=asked)
    assert preflight.status == 204
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    for token in ("", None):
        assert (await manage(face, "GET", document, token)).headers["Access-Control-Allow-Origin"] == "*"


async def test_who_registered_before_registration_was_switched_off_manages_itself(face: Face):
    document = await face.register()
    async with face.with_settings(dcr="off") as other:
        assert (await manage(other, "GET", document)).status == 200
        assert (await manage(other, "DELETE", document)).status == 204


# Replacing ------------------------------------------------------------------------------------------------------------


@pytest.mark.req(71, 193)
@pytest.mark.parametrize("uri", [pytest.param(REDIRECT, id="sealed"), pytest.param(LONG, id="stored")])
async def test_a_replacement_is_whole_and_the_same_on_every_replica(face: Face, uri):
    document = await face.register(client_name="Old", contacts=["a@b.c"], redirect_uris=[uri], **POST)
    response = await put(face, document, redirect_uris=["https://app.example/new"], client_uri="https://app.example")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    changed = await response.json()
    for name in ("client_name", "contacts"):
        del document[name]
    assert changed == document | {
        "redirect_uris": ["https://app.example/new"],
        "client_uri": "https://app.example",
        "grant_types": ["authorization_code"],
    }
    async with face.replica() as other:
        assert await (await manage(other, "GET", document)).json() == changed
        assert await other.knows(document)
    assert face.events_of(ClientUpdated) == [
        ClientUpdated(issuer=ISSUER, client=document["client_id"], client_name="", redirect_hosts=("app.example",))
    ]


@pytest.mark.req(70)
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"client_id": "dcr1-other"}, id="another-id"),
        pytest.param({"client_id": None}, id="no-id"),
        *(pytest.param({name: "x"}, id=name) for name in SET_BY_US),
        pytest.param({"client_secret": None}, id="null-secret"),
        pytest.param({"client_secret": "\ud800"}, id="no-text"),
        pytest.param({"token_endpoint_auth_method": "none"}, id="method"),
    ],
)
async def test_what_a_client_may_not_set_is_refused_and_changes_nothing(face: Face, members):
    """MG-04."""
    document = await face.register(**POST)
    before = await face.dump()
    response = await put(face, document, **members)
    assert (response.status, (await response.json())["error"]) == (400, "invalid_client_metadata")
    assert await face.dump() == before
    assert (await manage(face, "GET", document)).status == 200


@pytest.mark.req(70)
async def test_a_secret_may_be_repeated_by_who_has_one(face: Face):
    confidential, public = await face.register(**POST), await face.register(**PUBLIC)
    assert (await put(face, confidential, client_secret=confidential["client_secret"])).status == 200
    for secret in ("", "x"):
        assert (await put(face, public, client_secret=secret)).status == 400


@pytest.mark.req(72)
@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param({"redirect_uris": None}, "invalid_redirect_uri", id="no-redirect"),
        pytest.param({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", id="script"),
        pytest.param({"redirect_uris": ["https://else.example/cb"]}, "invalid_redirect_uri", id="host"),
        pytest.param({"client_name": "a\u202eb"}, "invalid_client_metadata", id="bidi"),
        pytest.param({"grant_types": ["implicit"]}, "invalid_client_metadata", id="grants"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata", id="method"),
    ],
)
async def test_a_replacement_passes_the_policy_of_a_registration(face: Face, members, error):
    async with face.with_settings(registration=RegistrationPolicy(redirect_hosts=("app.example",))) as strict:
        document = await strict.register(**POST)
        response = await put(strict, document, **members)
        assert (response.status, (await response.json())["error"]) == (400, error)
        mixed = await put(strict, document, redirect_uris=[REDIRECT, "https://else.example/cb"])
        assert (await mixed.json())["redirect_uris"] == [REDIRECT]


async def test_only_json_replaces(face: Face):
    document = await face.register()
    for body in (b"[]", b"{", b'"x"'):
        headers = {"Authorization": f"Bearer {document['registration_access_token']}"}
        path = urlsplit(document["registration_client_uri"]).path
        for kind in ("application/json", "text/plain"):
            response = await face.request("PUT", path, data=body, headers=headers | {"Content-Type": kind})
            assert (response.status, (await response.json())["error"]) == (400, "invalid_client_metadata")


@pytest.mark.req(196)
async def test_of_parallel_replacements_one_stands_whole(face: Face):
    """MG-05: the token does not change, so nobody is locked out."""
    document = await face.register()
    names = [f"n{number}" for number in range(8)]
    async with face.replica() as other:
        answers = await asyncio.gather(
            *(
                put(each, document, client_name=name, redirect_uris=[f"https://{name}.example/cb"])
                for each, name in zip([face, other] * 4, names, strict=True)
            )
        )
        assert {answer.status for answer in answers} == {200}
        now = await (await manage(other, "GET", document)).json()
    assert now["redirect_uris"] == [f"https://{now['client_name']}.example/cb"]


async def test_a_changed_client_is_never_forgotten_and_use_keeps_what_was_changed(face: Face):
    document = await face.register(**POST)
    await put(face, document, client_name="New", **POST)
    assert await face.knows(document)
    store = face.services.adapters.store
    assert await store.link.command("PTTL", store.keys.client(document["client_id"])) == -1
    assert (await (await manage(face, "GET", document)).json())["client_name"] == "New"


async def test_writing_to_the_store_forges_no_redirect_uri(face: Face):
    document = await face.register()
    await put(face, document, redirect_uris=["https://app.example/new"])
    store = face.services.adapters.store
    async with FakeAsyncRedis(server=face.redis) as redis:
        await redis.hset(store.keys.client(document["client_id"]), "b", b"\x00\x01" + bytes(40))
    assert await gone(face, document)


@pytest.mark.req(71)
async def test_a_changed_client_whose_entry_cannot_be_read_has_nothing_back_that_it_gave_up(face: Face):
    """As after a downgrade: the entry is of a schema that nobody here knows."""
    changed, untouched = await face.register(**PUBLIC), await face.register(**PUBLIC)
    assert (await put(face, changed, **PUBLIC, redirect_uris=["https://app.example/new"])).status == 200
    store = face.services.adapters.store
    async with FakeAsyncRedis(server=face.redis) as redis:
        for document in (changed, untouched):
            await redis.hset(store.keys.client(document["client_id"]), "s", "9")
        for document, status in ((changed, 400), (untouched, 303)):
            fields = f"client_id={document['client_id']}&redirect_uri={REDIRECT}&response_type=code"
            assert (await face.get(f"/authorize?{fields}")).status == status
        assert await gone(face, changed)
        response = await face.post_form("/token", face.code_fields(client_id=changed["client_id"]))
        assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
        assert (await manage(face, "GET", untouched)).status == 200
        told = face.events_of(ClientUnreadable)
        assert set(told) == {ClientUnreadable(issuer=ISSUER, client=changed["client_id"])}
        assert await redis.hget(store.keys.client(changed["client_id"]), "s") == b"9", "kept for who can read it"
        await redis.hset(store.keys.client(changed["client_id"]), "s", "1")
    assert (await manage(face, "GET", changed)).status == 200


# What was approved for other values -----------------------------------------------------------------------------------


@pytest.mark.req(72)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"redirect_uris": ["https://app.example/new"]}, id="redirect"),
        pytest.param({"client_name": "Another"}, id="name"),
    ],
)
async def test_a_code_for_other_values_is_worth_nothing(face: Face, change):
    document = await face.register(**PUBLIC)
    code = await sign_in(face, document)
    assert (await put(face, document, **PUBLIC, **change)).status == 200
    response = await face.post_form("/token", face.code_fields(code=code, client_id=document["client_id"]))
    assert (response.status, (await response.json())["error"]) == (400, "invalid_grant")


async def test_grants_outlive_a_change(face: Face, check):
    document = await face.register(**PUBLIC)
    tokens = await tokens_for(face, document)
    assert (await put(face, document, **PUBLIC, client_name="New")).status == 200
    assert await calls(check, tokens["access_token"]) == 200


# Deleting -------------------------------------------------------------------------------------------------------------


@pytest.mark.req(73, 131)
@pytest.mark.parametrize("uri", [pytest.param([REDIRECT], id="sealed"), pytest.param([REDIRECT, LONG], id="stored")])
async def test_a_deleted_client_and_all_it_held_are_gone_on_every_replica(face: Face, check, uri):
    """MG-06."""
    document = await face.register(client_name="Notes", redirect_uris=uri, **PUBLIC)
    spared = await tokens_for(face)
    tokens, code = await tokens_for(face, document), await sign_in(face, document)
    assert await calls(check, tokens["access_token"]) == 200
    assert (await manage(face, "DELETE", document)).status == 204
    client_id = document["client_id"]
    assert await calls(check, tokens["access_token"]) == 401
    async with face.replica() as other:
        for each in (face, other):
            assert await gone(each, document)
            refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
            for fields in (each.code_fields(code=code), refresh):
                response = await each.post_form("/token", fields | {"client_id": client_id})
                assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
            revoked = await each.post_form("/revoke", {"token": tokens["access_token"], "client_id": client_id})
            assert revoked.status == 401
            page = await each.get(f"/authorize?client_id={client_id}&redirect_uri={REDIRECT}&response_type=code")
            assert (page.status, page.content_type, "Location" in page.headers) == (400, "text/html", False)
    assert await calls(check, spared["access_token"]) == 200
    ended = face.events_of(GrantEnded)
    assert [(event.reason, event.client, event.user) for event in ended] == [("client_deleted", client_id, "alice")] * 2
    assert face.events_of(ClientDeleted) == [
        ClientDeleted(issuer=ISSUER, client=client_id, client_name="Notes", grants=2)
    ]


@pytest.mark.req(73)
async def test_nothing_begins_again_for_a_deleted_client(face: Face):
    document = await face.register(**POST)
    await put(face, document, **POST)
    assert (await manage(face, "DELETE", document)).status == 204
    keys = await face.key_count()
    assert await gone(face, document)
    assert not await face.knows(document)
    assert await face.key_count() == keys
    store = face.services.adapters.store
    assert await store.registered(document["client_id"]) is None


@pytest.mark.req(73)
async def test_a_sign_in_under_way_makes_no_grant_behind_the_sweep(face: Face):
    document = await face.register(**PUBLIC)
    await face.services.adapters.store.deny(document["client_id"])
    with pytest.raises(AssertionError):
        await sign_in(face, document)
    assert (await manage(face, "DELETE", document)).status == 204


@pytest.mark.req(73)
@pytest.mark.parametrize("broken", ["index", "grant"])
async def test_a_sweep_that_broke_off_denies_at_once_and_goes_on_when_asked_again(face: Face, check, broken):
    document = await face.register(**PUBLIC)
    tokens = [await tokens_for(face, document) for _ in range(3)]
    store = face.services.adapters.store
    listed = (await store.grants_listed(OfClient(document["client_id"]))).items
    key = store.keys.grants_of(document["client_id"]) if broken == "index" else store.keys.grant(listed[1])
    async with face.replica() as other:
        async with unreadable(face, key):
            assert (await manage(other, "DELETE", document)).status == 503
        response = await manage(other, "GET", document)
        assert response.status == 401, "denied already"
        assert (await manage(other, "PUT", document, json={})).status == 401
        response = await other.post_form("/token", other.code_fields(client_id=document["client_id"]))
        assert (await response.json())["error"] == "invalid_client"
        assert (await manage(other, "DELETE", document)).status == 204
        assert await gone(other, document)
    assert [await calls(check, each["access_token"]) for each in tokens] == [401] * 3


@pytest.mark.req(73)
async def test_a_deletion_is_answered_soon_and_what_is_left_of_many_grants_is_ended_behind_it(face: Face, check):
    document = await face.register(client_name="Notes", **PUBLIC)
    tokens = [await tokens_for(face, document) for _ in range(3)]
    store, client_id = face.services.adapters.store, document["client_id"]
    for _ in range(AT_ONCE):
        await created(store, client_id=client_id, pool_id="corp-1")
    assert (await manage(face, "DELETE", document)).status == 204
    assert (await manage(face, "GET", document)).status == 401, "denied already"
    assert face.events_of(ClientDeleted) == []
    async with face.replica() as other:
        await other.services.operators.sweeper.resume()
        assert await gone(other, document)
        (event,) = other.events_of(ClientDeleted)
    assert (event.client, event.client_name, event.issuer) == (client_id, "Notes", ISSUER)
    assert await store.count_grants(OfClient(client_id)) == 0
    assert [await calls(check, each["access_token"]) for each in tokens] == [401] * 3


@pytest.mark.req(196)
async def test_of_parallel_deletions_and_changes_nothing_is_left(face: Face):
    document = await face.register(**PUBLIC)
    await tokens_for(face, document)
    async with face.replica() as other:
        answers = await asyncio.gather(
            *(manage(each, "DELETE", document) for each in (face, other)),
            *(put(each, document, **PUBLIC) for each in (face, other)),
        )
    assert {answer.status for answer in answers} <= {204, 401, 200}
    assert 204 in {answer.status for answer in answers}
    assert await gone(face, document)
    store = face.services.adapters.store
    assert await store.link.command("EXISTS", store.keys.client(document["client_id"])) == 0
    assert await store.count_grants(OfClient(document["client_id"])) == 0
    assert await store.sweeps_pending() == ()
    assert len([*face.events_of(ClientDeleted), *other.events_of(ClientDeleted)]) == 1

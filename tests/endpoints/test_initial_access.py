"""POST /register where an initial access token is needed (RFC 7591 3, requirement 64)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from fakeredis import FakeAsyncRedis
from prometheus_client import CollectorRegistry

from sidecar.app import Adapters, Services, Sources, build, oauth_app
from sidecar.budgets import Budget, Budgets
from sidecar.events import ClientRegistered, InitialAccessTokenCreated, InitialAccessTokenRevoked, RegistrationRefused
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.store.base import StoreError
from sidecar.store.redis import open_store
from sidecar.telemetry import Telemetry
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, sign_in, tokens_for
from tests.fakes.client_documents import FakeClientDocuments
from tests.store.servers import running, valkey_binary

BODY = {"redirect_uris": ["http://127.0.0.1:3000/cb"]}
DAY = 86400


@pytest.fixture
async def closed(face: Face) -> AsyncIterator[Face]:
    """The face where registration needs a token."""
    async with face.with_settings(dcr="token") as opened:
        yield opened


async def invited(face: Face, pool: str = "corp", *, uses: int = 1, seconds: int = DAY, label: str = "laptop") -> str:
    services = face.services
    token, _ = await services.initial_access.create(
        services.settings.directory.pools[pool], label=label, uses=uses, seconds=seconds
    )
    return token


async def register(face: Face, *authorizations: str, body: object = BODY, **more: Any) -> ClientResponse:
    return await face.post_json("/register", body, headers=[("Authorization", each) for each in authorizations], **more)


async def attempt(face: Face, token: str, **more: Any) -> int:
    return (await register(face, f"Bearer {token}", **more)).status


async def shown(response: ClientResponse) -> tuple[Any, ...]:
    """What a refusal shows, but for its reference."""
    headers = {name: value for name, value in response.headers.items() if name not in {"Date", "x-dcr-reference"}}
    return response.status, await response.text(), headers


async def left(face: Face) -> list[int]:
    corp = face.services.settings.directory.pools["corp"]
    return [token.left for token in await face.services.initial_access.listed(corp)]


@pytest.mark.req(64)
async def test_with_a_token_a_client_registers_and_signs_in(closed: Face):
    response = await register(closed, f"Bearer {await invited(closed)}", body={**BODY, **PUBLIC})
    assert response.status == 201
    document = await response.json()
    assert (await tokens_for(closed, document))["access_token"]
    assert await sign_in(closed, document)


@pytest.mark.req(64)
async def test_without_a_token_the_answer_is_401_bearer_json(closed: Face):
    response = await register(closed)
    assert (response.status, response.content_type) == (401, "application/json")
    assert response.headers.getall("WWW-Authenticate") == ['Bearer realm="dcr-sidecar"']
    assert (await response.json())["error"] == "invalid_token"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    assert await closed.key_count() == 0


async def _spent(face: Face) -> str:
    token = await invited(face)
    assert await attempt(face, token) == 201
    return token


async def _expired(face: Face) -> str:
    now, face.clock.now = face.clock.now, int(time.time()) - 60
    token = await invited(face, seconds=60)
    face.clock.now = now
    return token


async def _revoked(face: Face) -> str:
    token = await invited(face)
    corp = face.services.settings.directory.pools["corp"]
    (record,) = await face.services.initial_access.listed(corp)
    assert await face.services.initial_access.revoke(record.id, str)
    return token


async def _other_pools(face: Face) -> str:
    return await invited(face, "one")


async def _forgotten(face: Face) -> str:
    token = await invited(face)
    await face.forget_everything()
    return token


async def _registration_access_token(face: Face) -> str:
    document = await (await register(face, f"Bearer {await invited(face)}")).json()
    return str(document["registration_access_token"])


@pytest.mark.req(64)
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(_spent, id="spent"),
        pytest.param(_expired, id="expired"),
        pytest.param(_revoked, id="revoked"),
        pytest.param(_other_pools, id="another-pools"),
        pytest.param(_forgotten, id="lost-by-the-store"),
        pytest.param(_registration_access_token, id="another-kind"),
    ],
)
async def test_every_token_that_is_not_good_gets_the_answer_of_none(closed: Face, made: Callable[[Face], Any]):
    token = await made(closed)
    clients = len(closed.events_of(ClientRegistered))
    assert await shown(await register(closed, f"Bearer {token}")) == await shown(await register(closed))
    assert len(closed.events_of(ClientRegistered)) == clients
    (refused, none) = closed.events_of(RegistrationRefused)
    assert (refused.error, none.error) == ("invalid_token", "invalid_token")
    assert token not in repr(closed.events)


@pytest.mark.req(64)
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("Bearer", id="empty"),
        pytest.param("Bearer junk", id="junk"),
        pytest.param("Bearer {0}A", id="longer"),
        pytest.param("Bearer {1}", id="without-its-prefix"),
        pytest.param("Bearer {0},{0}", id="twice-in-one"),
        pytest.param("Basic {0}", id="another-scheme"),
        pytest.param("{0}", id="no-scheme"),
        pytest.param("Bearer \u00e9", id="no-ascii"),
        pytest.param("Bearer " + "A" * 8000, id="long"),
    ],
)
async def test_what_is_no_token_gets_the_answer_of_none_and_the_same_work(
    closed: Face, monkeypatch: pytest.MonkeyPatch, authorization: str
):
    token = await invited(closed)
    asked: list[str] = []
    link = closed.services.adapters.store.link  # type: ignore[attr-defined]
    script = link.script

    async def counted(name: str, *arguments: Any) -> Any:
        asked.append(name)
        return await script(name, *arguments)

    monkeypatch.setattr(link, "script", counted)
    none = await shown(await register(closed))
    sent = authorization.format(token, token.removeprefix("dcri_"))
    assert await shown(await register(closed, sent)) == none
    assert asked == ["limit", "initial_access_spend"] * 2
    assert await left(closed) == [1]
    assert await attempt(closed, token) == 201


@pytest.mark.req(64)
async def test_two_authorization_headers_are_none(closed: Face):
    token = await invited(closed)
    assert (await register(closed, f"Bearer {token}", f"Bearer {token}")).status == 401
    assert await left(closed) == [1]


async def test_a_token_under_a_key_that_still_opens_is_good_and_under_a_retired_one_not(face: Face, keyring: Keyring):
    old, new = (next(key for key in keyring.keys if key.id == number) for number in (0, 1))
    before = Keyring((replace(old, state=KeyState.ACTIVE), replace(new, state=KeyState.PENDING)))
    async with face.with_settings(dcr="token", keyring=before) as earlier:
        token = await invited(earlier, uses=3)
        assert await attempt(earlier, token) == 201
    async with face.with_settings(dcr="token") as now:
        assert await attempt(now, token) == 201
    retired = Keyring((replace(old, state=KeyState.RETIRED), new))
    async with face.with_settings(dcr="token", keyring=retired) as later:
        assert await attempt(later, token) == 401
    stranger = Keyring((Key(0, KeyState.ACTIVE, bytes(range(32))),))
    async with face.with_settings(dcr="token", keyring=stranger) as other:
        assert await attempt(other, token) == 401


@pytest.mark.req(64)
async def test_a_bad_body_spends_nothing_and_a_stranger_does_not_learn_that_it_is_bad(closed: Face):
    token = await invited(closed)
    for body in ({}, "nonsense", {"redirect_uris": ["javascript:alert(1)"]}):
        assert await attempt(closed, token, body=body) == 400
        assert (await register(closed, body=body)).status == 401
    form = await closed.post_form("/register", {"a": "b"}, headers={"Authorization": f"Bearer {token}"})
    assert form.status == 400
    assert await left(closed) == [1]
    assert await attempt(closed, token) == 201
    assert await left(closed) == [0]


@pytest.mark.req(64)
async def test_a_registration_that_the_store_could_not_keep_spends_nothing(
    closed: Face, monkeypatch: pytest.MonkeyPatch
):
    token = await invited(closed)
    link = closed.services.adapters.store.link  # type: ignore[attr-defined]
    script = link.script

    async def broken(name: str, *arguments: Any) -> Any:
        if name == "client_put":
            raise StoreError("the store is down")
        return await script(name, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(link, "script", broken)
        assert await attempt(closed, token) == 503
    assert await left(closed) == [1]
    assert await attempt(closed, token) == 201
    assert await left(closed) == [0]


@pytest.mark.req(62, 64)
async def test_the_limit_goes_first_and_spends_nothing(face: Face):
    async with face.with_settings(dcr="token", limits=Budgets(registrations=Budget(1, 2))) as closed:
        token = await invited(closed)
        assert [await attempt(closed, "junk") for _ in range(2)] == [401, 401]
        assert await attempt(closed, token) == 429
        assert await left(closed) == [1]


@pytest.mark.req(62, 64)
async def test_strangers_use_up_nothing_of_the_pools_budget(face: Face):
    async with face.with_settings(dcr="token", limits=Budgets(pool_registrations=Budget(1, 1))) as closed:
        token = await invited(closed, uses=2)
        assert [await attempt(closed, "junk") for _ in range(3)] == [401] * 3
        assert [await attempt(closed, token) for _ in range(2)] == [201, 429]
        assert await left(closed) == [1]


@pytest.mark.req(64)
async def test_replicas_count_uses_together(closed: Face):
    async with closed.replica() as other:
        token = await invited(closed, uses=2)
        assert [await attempt(each, token) for each in (closed, other, closed, other)] == [201, 201, 401, 401]


@pytest.mark.req(64)
@pytest.mark.parametrize("authorization", ["Bearer junk", "Bearer dcri_" + "A" * 64, "Basic !", "Bearer"])
async def test_where_everybody_may_register_an_authorization_header_means_nothing(face: Face, authorization: str):
    assert (await register(face, authorization)).status == 201
    assert (await register(face, authorization, authorization)).status == 201


async def test_where_everybody_may_register_a_token_is_not_used_up(face: Face):
    token = await invited(face)
    assert await attempt(face, token) == 201
    assert await left(face) == [1]
    assert face.events_of(ClientRegistered)[-1].initial_access_token == ""


@pytest.mark.req(66, 67, 71, 73)
async def test_a_client_manages_its_registration_without_another_token(closed: Face):
    document = await (await register(closed, f"Bearer {await invited(closed)}")).json()
    path = f"/register/{document['client_id']}"
    own = {"Authorization": f"Bearer {document['registration_access_token']}"}
    assert (await closed.get(path, headers=own)).status == 200
    changed = {"client_id": document["client_id"], "redirect_uris": ["http://127.0.0.1/other"]}
    assert (await closed.request("PUT", path, json=changed, headers=own)).status == 200
    assert (await closed.request("DELETE", path, headers=own)).status == 204


async def test_an_initial_access_token_manages_nothing(closed: Face):
    token = await invited(closed, uses=5)
    document = await (await register(closed, f"Bearer {token}")).json()
    answer = await closed.get(f"/register/{document['client_id']}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 401


async def test_the_metadata_still_says_where_to_register(closed: Face):
    metadata = await closed.get_json("/.well-known/oauth-authorization-server")
    assert metadata["registration_endpoint"] == "https://mcp.example.com/register"


async def test_a_page_may_send_the_token(closed: Face):
    asked = {
        "Origin": "https://inspector.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    response = await closed.request("OPTIONS", "/register", headers=asked)
    assert response.status == 204
    assert {"Authorization", "Content-Type"} <= set(response.headers["Access-Control-Allow-Headers"].split(", "))


@pytest.mark.req(64, 119)
async def test_the_trail_says_which_token_let_a_client_in_and_nobody_keeps_the_token(closed: Face):
    token = await invited(closed, uses=2, label="Ümit's laptop")
    assert await attempt(closed, token) == 201
    (made,) = closed.events_of(InitialAccessTokenCreated)
    assert (made.pool, made.label, made.uses) == ("corp", "Ümit's laptop", 2)
    assert made.expires_at == closed.clock.now + DAY
    assert closed.events_of(ClientRegistered)[0].initial_access_token == made.initial_access_token
    assert await closed.services.initial_access.revoke(made.initial_access_token, str)
    assert not await closed.services.initial_access.revoke(made.initial_access_token, str)
    (ended,) = closed.events_of(InitialAccessTokenRevoked)
    assert (ended.initial_access_token, ended.label, ended.unused) == (made.initial_access_token, "Ümit's laptop", 1)
    assert token not in repr(closed.events)


@pytest.mark.req(64, 193)
async def test_no_token_and_nothing_made_of_it_is_in_the_store(closed: Face):
    token = await invited(closed, uses=2)
    assert await attempt(closed, token) == 201
    assert token[-38:].encode() not in await closed.dump()
    async with FakeAsyncRedis(server=closed.redis) as redis:
        (key,) = [key async for key in redis.scan_iter(match="*:a:*")]
        assert set(await redis.hgetall(key)) == {b"s", b"d", b"p", b"n", b"e"}


# Many at once, on a real server --------------------------------------------------------------------------------------


@asynccontextmanager
async def _replicas(face: Face, url: str, many: int) -> AsyncIterator[list[tuple[TestClient[Any, Any], Services]]]:
    async with AsyncExitStack() as stack:
        served = []
        for _ in range(many):
            store = await stack.enter_async_context(open_store(url, timeout_ms=10_000))
            far, telemetry = face.services.adapters, Telemetry(CollectorRegistry())
            settings = replace(face.services.settings, dcr="token")
            adapters = Adapters(store, far.upstream, far.documents, FakeClientDocuments(), far.registrar, telemetry)
            services = build(settings, adapters, Sources())
            server = TestServer(oauth_app(services), host="127.0.0.1")
            served.append((await stack.enter_async_context(TestClient(server)), services))
        yield served


@pytest.mark.req(64, 196)
async def test_of_fifty_at_once_a_token_for_five_lets_five_in(face: Face):
    with running(valkey_binary()) as server:
        async with _replicas(face, server.url, 5) as replicas:
            services = replicas[0][1]
            corp = services.settings.directory.pools["corp"]
            token, _ = await services.initial_access.create(corp, label="", uses=5, seconds=DAY)
            sent = {"Host": "mcp.example.com", "Authorization": f"Bearer {token}"}

            async def one(number: int) -> int:
                async with replicas[number % 5][0].post("/register", json=BODY, headers=sent) as response:
                    return response.status

            assert Counter(await asyncio.gather(*map(one, range(50)))) == {201: 5, 401: 45}
            assert [each.left for each in await services.initial_access.listed(corp)] == [0]

"""/admin/initial-access-tokens as operators call it, and what a token that was made there is good for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from sidecar.app import admin_app
from sidecar.events import InitialAccessTokenCreated, InitialAccessTokenRevoked
from sidecar.initial_access import MAX_SECONDS, MAX_USES
from tests.endpoints.conftest import Face

PATH = "/admin/initial-access-tokens"
ADMIN = "fake-admin-token-of-the-tests-0123456789"
OPERATOR = {"Authorization": f"Bearer {ADMIN}"}
WEEK = 7 * 86400

Admin = TestClient[Any, Any]


@pytest.fixture
async def closed(face: Face) -> AsyncIterator[Face]:
    async with face.with_settings(dcr="token", admin_token=ADMIN) as opened:
        yield opened


@pytest.fixture
async def admin(closed: Face) -> AsyncIterator[Admin]:
    async with TestClient(TestServer(admin_app(closed.services), host="127.0.0.1"), headers=OPERATOR) as client:
        yield client


async def create(admin: Admin, **members: Any) -> dict[str, Any]:
    response = await admin.post(PATH, json={"pool": "corp", **members})
    assert response.status == 201, await response.text()
    made: dict[str, Any] = await response.json()
    return made


async def listed(admin: Admin, **query: str) -> list[dict[str, Any]]:
    response = await admin.get(PATH, params=query)
    assert response.status == 200, await response.text()
    return list((await response.json())["tokens"])


async def register(face: Face, token: str) -> int:
    body, headers = {"redirect_uris": ["http://127.0.0.1/cb"]}, {"Authorization": f"Bearer {token}"}
    return (await face.post_json("/register", body, headers=headers)).status


@pytest.mark.req(64)
async def test_what_is_made_here_lets_a_client_register_until_it_is_used_up(closed: Face, admin: Admin):
    made = await create(admin, label="Ümit's laptop", uses=2, expires_in=3600)
    assert [await register(closed, made["token"]) for _ in range(3)] == [201, 201, 401]
    (row,) = await listed(admin)
    assert row == {name: value for name, value in made.items() if name not in {"token", "needed"}} | {"left": 0}
    assert (made["uses"], made["left"], made["pool"], made["label"]) == (2, 2, "corp", "Ümit's laptop")
    assert made["expires_at"] - made["created_at"] == 3600


async def test_what_is_left_out_is_one_use_within_a_week(admin: Admin):
    made = await create(admin)
    assert (made["uses"], made["expires_at"] - made["created_at"], made["label"]) == (1, WEEK, "")
    assert made["needed"] is True


async def test_where_it_makes_no_difference_the_answer_says_so(face: Face):
    async with (
        face.with_settings(admin_token=ADMIN) as opened,
        TestClient(TestServer(admin_app(opened.services), host="127.0.0.1"), headers=OPERATOR) as admin,
    ):
        assert (await create(admin))["needed"] is False


async def test_the_token_is_told_once_and_to_nobody_else(closed: Face, admin: Admin):
    response = await admin.post(PATH, json={"pool": "corp"})
    assert response.headers["Cache-Control"] == "no-store"
    token = (await response.json())["token"]
    assert token not in await (await admin.get(PATH)).text()
    assert token not in repr(closed.events)


@pytest.mark.req(64)
async def test_a_revoked_one_is_good_for_nothing_and_who_registered_stays(closed: Face, admin: Admin):
    made = await create(admin, uses=5)
    body = {"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "client_secret_post"}
    headers = {"Authorization": f"Bearer {made['token']}"}
    document = await (await closed.post_json("/register", body, headers=headers)).json()
    assert (await admin.delete(f"{PATH}/{made['id']}")).status == 204
    assert await register(closed, made["token"]) == 401
    assert await listed(admin) == []
    assert await closed.knows(document)
    again = await admin.delete(f"{PATH}/{made['id']}")
    assert (again.status, (await again.json())["error"]) == (404, "not_found")
    (ended,) = closed.events_of(InitialAccessTokenRevoked)
    assert (ended.pool, ended.initial_access_token, ended.unused) == ("corp", made["id"], 4)


async def test_tokens_are_listed_of_one_pool_or_of_all(admin: Admin):
    first, second = await create(admin), await create(admin, pool="one")
    assert {row["id"] for row in await listed(admin)} == {first["id"], second["id"]}
    assert [row["id"] for row in await listed(admin, pool="one")] == [second["id"]]
    assert await listed(admin, pool="two") == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        pytest.param({"pool": "no-such"}, "There is no pool of this name.", id="unknown-pool"),
        pytest.param({"uses": 0}, "uses: ", id="no-use"),
        pytest.param({"uses": MAX_USES + 1}, "uses: ", id="too-many"),
        pytest.param({"uses": "3"}, "uses: ", id="text"),
        pytest.param({"uses": True}, "uses: ", id="flag"),
        pytest.param({"expires_in": 59}, "expires_in: ", id="too-short"),
        pytest.param({"expires_in": MAX_SECONDS + 1}, "expires_in: ", id="too-long"),
        pytest.param({"label": "x" * 101}, "label: ", id="long-label"),
        pytest.param({"label": "a\nb"}, "label: ", id="control"),
        pytest.param({"label": "a\u202eb"}, "label: ", id="direction"),
        pytest.param({"token": "dcri_mine"}, "an unknown member", id="chosen"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_and_told(
    closed: Face, admin: Admin, members: dict[str, Any], said: str
):
    response = await admin.post(PATH, json={"pool": "corp", **members})
    assert response.status == (404 if "pool" in members else 400)
    assert said in (await response.json())["error_description"]
    assert closed.events_of(InitialAccessTokenCreated) == []


async def test_an_unknown_pool_has_no_list(admin: Admin):
    assert (await admin.get(PATH, params={"pool": "no-such"})).status == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_else_may(closed: Face, admin: Admin, method: str):
    made = await create(admin)
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {made['token']}"}):
        assert (await admin.request(method, PATH, json={"pool": "corp"}, headers=headers)).status == 401
    assert (await admin.delete(f"{PATH}/{made['id']}", headers={"Authorization": "Bearer x"})).status == 401
    assert (await closed.request(method, PATH, headers=OPERATOR)).status == 404


async def test_the_document_describes_them(admin: Admin):
    document = await (await admin.get("/admin/openapi.json")).json()
    assert set(document["paths"][PATH]) == {"get", "post"}
    assert set(document["paths"][f"{PATH}/{{id}}"]) == {"delete"}

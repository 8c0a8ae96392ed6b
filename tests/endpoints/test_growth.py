"""How long the registry keeps a client, and that nobody is stuck when it does not any more (design 8)."""

from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from fakeredis import FakeAsyncRedis

from sidecar.store.codec import Keys
from tests.endpoints.conftest import CHALLENGE, ISSUER, Face
from tests.endpoints.front import LONG
from tests.endpoints.signed_in import PUBLIC, REDIRECT, sign_in, tokens_for

DAY = 86400
UNUSED, USED, FOREVER = DAY, 180 * DAY, -1
"""Days that an entry lives: until the first use, after the last one, once changed."""
KEYS = Keys("test")


async def life(face: Face, client_id: str) -> int:
    """What is left of the entry's life, up to whole minutes, in s; -1 without an end, -2 without an entry."""
    async with FakeAsyncRedis(server=face.redis) as redis:
        left = int(await redis.pttl(KEYS.client(client_id)))
    return left if left < 0 else -(-left // 60_000) * 60


async def nearly_over(face: Face, client_id: str) -> None:
    async with FakeAsyncRedis(server=face.redis) as redis:
        assert await redis.expire(KEYS.client(client_id), 60)


async def reap(face: Face, client_id: str) -> None:
    """What the store does by itself when the life is over."""
    async with FakeAsyncRedis(server=face.redis) as redis:
        assert await redis.delete(KEYS.client(client_id)) == 1


async def entries(face: Face) -> int:
    async with FakeAsyncRedis(server=face.redis) as redis:
        return len([key async for key in redis.scan_iter(match=KEYS.client("").rpartition(":")[0] + ":*")])


async def ask(face: Face, client_id: str) -> int:
    """What the browser gets at /authorize."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": f"{ISSUER}/mcp",
    }
    return (await face.get(f"/authorize?{urlencode(query)}")).status


async def refresh(face: Face, tokens: dict[str, Any]) -> int:
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": tokens["client_id"],
    }
    return (await face.post_form("/token", fields)).status


async def manage(face: Face, method: str, document: dict[str, Any], **more: Any) -> int:
    headers = {"Authorization": f"Bearer {document['registration_access_token']}"}
    path = urlsplit(document["registration_client_uri"]).path
    return (await face.request(method, path, headers=headers, **more)).status


# How long -----------------------------------------------------------------------------------------------------------


@pytest.mark.req(63)
async def test_a_client_that_nobody_uses_is_kept_for_a_day(face: Face):
    """A consent page is shown to anybody, so it is no use, and neither is the client's own look at itself."""
    document = await face.register(**PUBLIC)
    assert await life(face, document["client_id"]) == UNUSED
    await nearly_over(face, document["client_id"])
    assert await ask(face, document["client_id"]) == 200
    assert await manage(face, "GET", document) == 200
    assert await life(face, document["client_id"]) == 60


@pytest.mark.req(63)
async def test_a_use_slides_the_life_of_an_entry(face: Face):
    document = await face.register(**PUBLIC)
    tokens = await tokens_for(face, document)
    assert await life(face, document["client_id"]) == USED
    await nearly_over(face, document["client_id"])
    assert await refresh(face, tokens) == 200
    assert await life(face, document["client_id"]) == USED


@pytest.mark.req(63)
@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_a_code_or_token_that_is_none_renews_nothing(face: Face, path: str):
    """A public client is authenticated by its id: whoever floods the registry could keep all of it for half a year."""
    document = await face.register(**PUBLIC)
    fields = face.code_fields(client_id=document["client_id"], token="dcrr_junk")
    for _ in range(2):
        assert (await face.post_form(path, fields)).status in {200, 400}
        assert await life(face, document["client_id"]) == UNUSED


@pytest.mark.req(63)
async def test_a_client_that_was_changed_is_kept_for_good(face: Face):
    document = await face.register(**PUBLIC)
    body = {"client_id": document["client_id"], "redirect_uris": [REDIRECT], **PUBLIC}
    assert await manage(face, "PUT", document, json=body) == 200
    assert await life(face, document["client_id"]) == FOREVER
    await tokens_for(face, document)
    assert await life(face, document["client_id"]) == FOREVER


@pytest.mark.req(63)
async def test_a_client_that_was_deleted_is_denied_for_good(face: Face):
    document = await face.register(**PUBLIC)
    assert await manage(face, "DELETE", document) == 204
    assert await ask(face, document["client_id"]) == 400
    assert await life(face, document["client_id"]) == -2
    async with FakeAsyncRedis(server=face.redis) as redis:
        assert await redis.pttl(KEYS.denied_client(document["client_id"])) == FOREVER


# Nobody is stuck ----------------------------------------------------------------------------------------------------


@pytest.mark.req(63)
@pytest.mark.parametrize("method", ["none", "client_secret_post"])
async def test_a_client_that_was_reaped_signs_in_and_is_back(face: Face, method: str):
    document = await face.register(**{**PUBLIC, "token_endpoint_auth_method": method}, client_name="Notes")
    await reap(face, document["client_id"])
    face.clock.advance(400 * DAY)
    assert await ask(face, document["client_id"]) == 200
    code = await sign_in(face, document)
    secret = {"client_secret": document["client_secret"]} if "client_secret" in document else {}
    fields = face.code_fields(code=code, client_id=document["client_id"], **secret)
    assert (await face.post_form("/token", fields)).status == 200
    assert await life(face, document["client_id"]) == USED
    assert await manage(face, "GET", document) == 200


@pytest.mark.req(63)
async def test_a_client_that_was_reaped_goes_on_with_its_tokens(face: Face):
    document = await face.register(**PUBLIC)
    tokens = await tokens_for(face, document)
    await reap(face, document["client_id"])
    assert await refresh(face, tokens) == 200
    assert await life(face, document["client_id"]) == USED


@pytest.mark.req(63)
async def test_a_client_whose_id_has_no_room_for_it_is_unknown_once_it_was_reaped(face: Face):
    """Told as every unknown client is, so that it registers again."""
    document = await face.register(**PUBLIC, redirect_uris=[REDIRECT, LONG])
    assert await ask(face, document["client_id"]) == 200
    await reap(face, document["client_id"])
    assert await ask(face, document["client_id"]) == 400
    response = await face.post_form("/token", face.code_fields(client_id=document["client_id"]))
    assert (response.status, (await response.json())["error"]) == (401, "invalid_client")


# One entry for each registration --------------------------------------------------------------------------------------


@pytest.mark.req(63)
async def test_every_201_carries_a_fresh_id_also_for_identical_bodies(face: Face):
    """So that no two users' clients are one, whose end would be both's."""
    made = [await face.register(**PUBLIC, client_name="Notes") for _ in range(20)]
    assert len({document["client_id"] for document in made}) == 20
    assert len({document["registration_access_token"] for document in made}) == 20
    assert await entries(face) == 20
    assert await manage(face, "DELETE", made[0]) == 204
    assert [await ask(face, document["client_id"]) for document in made[:2]] == [400, 200]

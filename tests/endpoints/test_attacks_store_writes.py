"""Somebody who writes to the store, and is signed in here, becomes nobody else by it (threat RD-06)."""

import pytest
from fakeredis import FakeAsyncRedis

from tests.endpoints.checker import checking
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import tokens_for
from tests.endpoints.test_identity import asserting

TURNED = [
    pytest.param(b'"email":"alice@example.com"', b'"email":"chief@example.com"', id="email"),
    pytest.param(b'"groups":[]', b'"groups":["admins"]', id="groups"),
    pytest.param(b'"name":""', b'"name":"The Chief"', id="name"),
    pytest.param(b'"subject":"alice"', b'"subject":"chief"', id="subject"),
    pytest.param(b'"notes.write"]', b'"notes.write","notes.admin"]', id="scopes"),
    pytest.param(b'"client_name":""', b'"client_name":"Trusted"', id="client-name"),
]


async def turned(face: Face, field: str, before: bytes, after: bytes) -> None:
    """The only grant's field has other words now."""
    async with FakeAsyncRedis(server=face.redis) as redis:
        (key,) = [key async for key in redis.scan_iter("*:g:*")]
        stands = await redis.hget(key, field)
        assert before in stands
        await redis.hset(key, field, stands.replace(before, after))


async def called(face: Face, token: str) -> int:
    async with checking(face) as check:
        return (await check(token=token)).status


@pytest.mark.parametrize(("before", "after"), TURNED)
async def test_a_grant_with_other_words_in_it_opens_nothing(face: Face, before: bytes, after: bytes) -> None:
    """Nothing of who signed in, and of what was granted, is signed for once the store says something else."""
    async with face.with_settings(directory=asserting(face)) as told:
        tokens = await tokens_for(told)
        assert await called(told, tokens["access_token"]) == 200
        told.clock.advance(3)
        await turned(told, "g", before, after)
        assert await called(told, tokens["access_token"]) == 401


async def test_an_access_token_never_has_more_scopes_than_its_grant(face: Face) -> None:
    tokens = await tokens_for(face)
    await turned(face, "a:1", b"notes.write", b"notes.write notes.admin")
    assert await called(face, tokens["access_token"]) == 401

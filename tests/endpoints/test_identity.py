"""`inject.mode: identity`: the MCP server learns who calls from our word, and gets no upstream token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from sidecar import headers
from sidecar.directory import Directory, Inject
from sidecar.events import CallDecided
from sidecar.records import UpstreamTokens
from sidecar.sealing import Key, Keyring, KeyState
from tests.endpoints.checker import checking, removed
from tests.endpoints.conftest import ISSUER, MULTI, Face
from tests.endpoints.signed_in import PUBLIC, tokens_for
from tests.fakes.entropy import SeededEntropy

JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"


def asserting(face: Face, inject: Inject = Inject("identity", headers.ASSERTION, "")) -> Directory:  # noqa: B008
    """What the tests serve, with assertions for `notes`."""
    served = face.services.settings.directory
    servers = tuple(replace(server, inject=inject) if server.name == "notes" else server for server in served.servers)
    return Directory(servers, served.issuers, served.pools)


@pytest.fixture
async def told(face: Face) -> AsyncIterator[Face]:
    async with face.with_settings(directory=asserting(face)) as other:
        yield other


@asynccontextmanager
async def called(face: Face, tokens: dict[str, Any]) -> AsyncIterator[Any]:
    async with checking(face) as check:
        yield await check(token=tokens["access_token"])


async def verified(face: Face, assertion: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(await face.get_json(JWKS))
    return jwt.decode(assertion, keys, algorithms=["ES256"]).claims


@pytest.mark.req(119, 179)
async def test_the_server_gets_our_word_and_nothing_of_the_upstreams(told: Face) -> None:
    tokens = await tokens_for(told)
    async with called(told, tokens) as response:
        assert response.status == 200
        given = response.headers
    assert {name: given[name] for name in headers.IDENTITY if name in given and name != headers.ASSERTION} == {
        "x-dcr-user": "alice",
        "x-dcr-email": "alice@example.com",
        "x-dcr-client": tokens["client_id"],
        "x-dcr-scopes": "notes.read notes.write",
    }
    assert "up-1" not in str(given)
    assert tokens["access_token"] not in str(given)
    absent = {name for name in headers.IDENTITY if name not in given}
    assert {"authorization", "cookie", *absent, *headers.FOREIGN_IDENTITY} <= removed(response)
    assert given["x-dcr-log-user"] == "alice@example.com"


@pytest.mark.req(119)
async def test_the_assertion_is_verified_with_what_discovery_names(told: Face) -> None:
    tokens = await tokens_for(told)
    async with called(told, tokens) as response:
        claims = await verified(told, response.headers[headers.ASSERTION])
    assert (await told.get_json(METADATA))["jwks_uri"] == f"{ISSUER}{JWKS}"
    assert claims | {"jti": ""} == {
        "iss": ISSUER,
        "aud": f"{ISSUER}/mcp",
        "sub": "alice",
        "client_id": tokens["client_id"],
        "scope": "notes.read notes.write",
        "email": "alice@example.com",
        "email_verified": True,
        "iat": told.clock.now,
        "exp": told.clock.now + 300,
        "jti": "",
    }


async def test_it_travels_in_the_header_that_the_server_reads(face: Face) -> None:
    inject = Inject("identity", "authorization", "Bearer ")
    async with face.with_settings(directory=asserting(face, inject)) as told:
        async with called(told, await tokens_for(told)) as response:
            scheme, _, assertion = response.headers["Authorization"].partition(" ")
        assert (scheme, (await verified(told, assertion))["sub"]) == ("Bearer", "alice")
        assert headers.ASSERTION in removed(response)
        assert "authorization" not in removed(response)


async def test_one_signature_serves_two_seconds(told: Face) -> None:
    tokens = await tokens_for(told)
    found = []
    async with checking(told) as check:
        for step in (0, 1, 2):
            told.clock.advance(step)
            found.append((await check(token=tokens["access_token"])).headers[headers.ASSERTION])
    assert found[0] == found[1] != found[2]


async def test_it_never_outlives_the_access_token(told: Face) -> None:
    tokens = await tokens_for(told)
    told.clock.advance(3600 - 10)
    async with called(told, tokens) as response:
        claims = await verified(told, response.headers[headers.ASSERTION])
    assert claims["exp"] == told.clock.now + 10 + told.services.settings.lifetimes.leeway


async def test_an_assertion_opens_nothing_here(told: Face) -> None:
    """A server that passed it on to another of ours would pass nothing on."""
    tokens = await tokens_for(told)
    async with checking(told) as check:
        assertion = (await check(token=tokens["access_token"])).headers[headers.ASSERTION]
        assert (await check(token=assertion)).status == 401


async def test_envoy_has_nothing_to_report_when_the_server_refuses_it(told: Face) -> None:
    """The upstream token was not shown, so no 401 says anything about it."""
    async with called(told, await tokens_for(told)) as response:
        assert "x-dcr-log-serial" not in response.headers
        assert response.headers["x-dcr-log-server"] == "notes"


@pytest.mark.req(154)
async def test_a_user_whom_the_idp_has_disabled_is_out_at_the_next_renewal(told: Face) -> None:
    """Upstream tokens are kept and renewed although no server sees them."""
    upstream = UpstreamTokens("up-1", "unknown-to-the-idp", told.clock() + 60)
    tokens = await tokens_for(told, await told.register(**PUBLIC), tokens=upstream)
    told.clock.advance(100)
    async with called(told, tokens) as response:
        assert response.status == 401
    assert told.events_of(CallDecided)[-1].outcome == "invalid_token"


async def test_keys_are_published_for_servers_that_get_assertions_and_no_others(face: Face, told: Face) -> None:
    for host, path in (("mcp.example.com", JWKS), ("multi.example.com", f"/tenant1{JWKS}")):
        assert (await face.get(path, host=host)).status == 404
    assert "jwks_uri" not in await face.get_json(METADATA)
    response = await told.get(JWKS)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "d" not in (await response.json(content_type=None))["keys"][0]
    for host in ("gone.example.com", "bare.example.com", "evil.example"):
        assert (await told.get(JWKS, host=host)).status == 404


async def test_an_issuer_with_a_path_publishes_below_it(face: Face) -> None:
    served = face.services.settings.directory
    inject = Inject("identity", headers.ASSERTION, "")
    servers = tuple(replace(server, inject=inject) for server in served.servers)
    async with face.with_settings(directory=Directory(servers, served.issuers, served.pools)) as told:
        found = {
            path: (await told.get_json(path, host="multi.example.com"))["keys"][0]["kid"]
            for path in (f"/tenant1{JWKS}", f"/tenant2{JWKS}")
        }
        assert len(set(found.values())) == 2
        document = await told.get_json(f"{METADATA}/tenant1", host="multi.example.com")
        assert document["jwks_uri"] == f"{MULTI}/tenant1{JWKS}"
        assert (await told.get(JWKS, host="multi.example.com")).status == 404


@pytest.mark.req(193)
async def test_the_next_key_is_published_before_it_signs(told: Face) -> None:
    """A verifier that cached the set meets no unknown key when the keyring moves on."""
    first = next(key for key in told.services.settings.keyring.keys if key.state is KeyState.ACTIVE)
    later = Key(7, KeyState.PENDING, SeededEntropy(7)(32))
    moved = (replace(first, state=KeyState.OPEN), replace(later, state=KeyState.ACTIVE))
    tokens = await tokens_for(told)
    async with told.with_settings(keyring=Keyring((first, later))) as before:
        cached = await before.get_json(JWKS)
        assert len(cached["keys"]) == 2
    async with told.with_settings(keyring=Keyring(moved)) as after, called(after, tokens) as response:
        assertion = response.headers[headers.ASSERTION]
    assert jwt.decode(assertion, KeySet.import_key_set(cached), algorithms=["ES256"]).claims["sub"] == "alice"
    retired = (replace(first, state=KeyState.RETIRED), moved[1])
    async with told.with_settings(keyring=Keyring(retired)) as later_on:
        assert len((await later_on.get_json(JWKS))["keys"]) == 1


async def test_replicas_sign_with_one_key(told: Face) -> None:
    tokens = await tokens_for(told)
    async with told.replica() as other, called(other, tokens) as response:
        assert (await verified(told, response.headers[headers.ASSERTION]))["sub"] == "alice"

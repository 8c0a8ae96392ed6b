"""What follows when the MCP server refuses an upstream token: one renewal, then the end; no loop (design 10)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from sidecar.app import check_app
from sidecar.events import GrantEnded, OriginRefused
from sidecar.records import UpstreamTokens
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, tokens_for


class Envoy:
    """What Envoy sends to the check's listener."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client

    async def call(self, token: str) -> tuple[int, dict[str, str]]:
        sent = {"Host": "mcp.example.com", "Authorization": f"Bearer {token}"}
        async with self.client.post("/check/mcp", headers=sent) as response:
            return response.status, {name.lower(): value for name, value in response.headers.items()}

    async def refused(self, allowed: dict[str, str]) -> int:
        said = {name: allowed[name] for name in ("x-dcr-log-grant", "x-dcr-log-serial")}
        async with self.client.post("/refused", headers=said) as response:
            return response.status


@pytest.fixture
async def envoy(face: Face) -> AsyncIterator[Envoy]:
    async with TestClient(TestServer(check_app(face.services), host="127.0.0.1")) as client:
        yield Envoy(client)


async def signed_in(face: Face, *, refreshable: bool = True) -> dict[str, Any]:
    """With a refresh token that the fake IdP knows."""
    face.idp.knows("up-r-1")
    tokens = UpstreamTokens("up-1", "up-r-1" if refreshable else "", face.clock() + 7200)
    return await tokens_for(face, await face.register(**PUBLIC), tokens=tokens)


async def test_a_refused_token_is_renewed_before_its_next_use(face: Face, envoy: Envoy) -> None:
    tokens = await signed_in(face)
    status, allowed = await envoy.call(tokens["access_token"])
    assert (status, allowed["authorization"]) == (200, "Bearer up-1")
    assert await envoy.refused(allowed) == 204
    status, again = await envoy.call(tokens["access_token"])
    assert status == 200
    assert again["authorization"] not in ("Bearer up-1", "")
    assert len(face.idp.seen("token")) == 1


async def test_a_renewed_token_that_is_refused_too_ends_the_grant(face: Face, envoy: Envoy) -> None:
    """The client signs in again; the IdP is asked once."""
    tokens = await signed_in(face)
    for _ in range(2):
        _, allowed = await envoy.call(tokens["access_token"])
        await envoy.refused(allowed)
    assert (await envoy.call(tokens["access_token"]))[0] == 401
    assert len(face.idp.seen("token")) == 1
    assert [event.outcome for event in face.events_of(OriginRefused)] == ["marked", "ended"]
    assert [event.reason for event in face.events_of(GrantEnded)] == ["origin_refused"]


async def test_parallel_refusals_of_one_token_count_once(face: Face, envoy: Envoy) -> None:
    tokens = await signed_in(face)
    _, allowed = await envoy.call(tokens["access_token"])
    for _ in range(3):
        await envoy.refused(allowed)
    assert (await envoy.call(tokens["access_token"]))[0] == 200
    assert [event.outcome for event in face.events_of(OriginRefused)] == ["marked", "stale", "stale"]


async def test_a_token_that_nothing_renews_is_over_at_once(face: Face, envoy: Envoy) -> None:
    tokens = await signed_in(face, refreshable=False)
    _, allowed = await envoy.call(tokens["access_token"])
    await envoy.refused(allowed)
    assert (await envoy.call(tokens["access_token"]))[0] == 401


@pytest.mark.parametrize("grant", ["", "x", "0" * 32, "{a}", "0" * 31 + "G"])
async def test_a_word_about_nothing_changes_nothing(face: Face, envoy: Envoy, grant: str) -> None:
    tokens = await signed_in(face)
    before = await face.key_count()
    for serial in ("1", "0", "-1", "x", ""):
        await envoy.refused({"x-dcr-log-grant": grant, "x-dcr-log-serial": serial})
    assert (await envoy.call(tokens["access_token"]))[0] == 200
    assert await face.key_count() == before

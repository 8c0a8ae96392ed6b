"""What happens when parts stop, time passes and processes come back. Each test has its own set of parts."""

import asyncio
import time
from pathlib import Path

import pytest

from sidecar import events
from sidecar.grants.authorisation import EARLY_SECONDS
from sidecar.records import Lifetimes
from tests.flows.person import Person, told
from tests.flows.running import eventually, free_port, running

SHORT = 2


@pytest.mark.req(65, 154)
async def test_after_a_restart_both_are_still_signed_in(tmp_path: Path) -> None:
    alice, bob, port = Person("alice"), Person("bob"), free_port()
    async with running(tmp_path, port=port) as demo:
        await asyncio.gather(alice.whoami(demo.url), bob.whoami(demo.url))
        issuer = demo.stack.idp.issuer
    async with running(tmp_path, port=port) as demo:
        told = await asyncio.gather(alice.whoami(demo.url), bob.whoami(demo.url))
        assert [answer["user"] for answer in told] == ["alice", "bob"]
        assert (alice.sign_ins, bob.sign_ins) == (1, 1)
        assert demo.happened(events.ClientRegistered) == []
        assert demo.stack.idp.issuer == issuer


@pytest.mark.req(180)
async def test_without_its_store_everything_is_503_and_nothing_passes(tmp_path: Path) -> None:
    alice = Person("alice")
    async with running(tmp_path) as demo:
        await alice.whoami(demo.url)
        assert alice.storage.tokens is not None
        await demo.stop_store()
        token = alice.storage.tokens.access_token

        async def refused() -> bool:
            return (await demo.call(token)).status == 503

        await eventually(refused)
        before = await demo.reached_mcp_server()
        answer = await demo.call(token)
        assert (answer.status, await demo.reached_mcp_server()) == (503, before)
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json["error"] == "temporarily_unavailable"
        registered = await demo.request(
            "POST", f"{demo.origin}/register", json={"redirect_uris": ["http://127.0.0.1/"]}
        )
        assert registered.status == 503
        assert int(registered.headers["retry-after"]) >= 1
        assert (await demo.request("GET", f"{demo.stack.ops}/readyz")).status == 503
        assert (await demo.request("GET", f"{demo.stack.ops}/livez")).status == 200


@pytest.mark.req(180)
async def test_without_the_sidecar_everything_is_503_and_nothing_passes(tmp_path: Path) -> None:
    alice = Person("alice")
    async with running(tmp_path) as demo:
        await alice.whoami(demo.url)
        assert alice.storage.tokens is not None
        before = await demo.reached_mcp_server()
        await demo.stop_sidecar()
        for token in (alice.storage.tokens.access_token, ""):
            answer = await demo.call(token)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
        assert await demo.reached_mcp_server() == before


@pytest.mark.req(127, 147)
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_expired_access_token_is_refreshed_without_the_user(tmp_path: Path, mode: str) -> None:
    alice = Person("alice")
    async with running(tmp_path, lifetimes=Lifetimes(access=SHORT, leeway=0)) as demo:
        async with alice.client(demo.url, mode) as client:
            await client.list_tools()
            first = alice.storage.tokens
            assert first is not None
            assert first.expires_in == SHORT
            await eventually(alice.believes_expired)

            async def refused(token: str = first.access_token) -> bool:
                return (await demo.call(token)).status == 401

            await eventually(refused)
            assert (await told(client))["user"] == "alice"
            second = alice.storage.tokens
        assert second is not None
        assert second.refresh_token not in {None, first.refresh_token}
        assert [event.flow for event in demo.happened(events.TokenIssued)][:2] == [
            "authorization_code",
            "refresh_token",
        ]
    assert alice.sign_ins == 1


@pytest.mark.req(195)
async def test_a_token_works_for_as_long_as_it_was_promised(tmp_path: Path) -> None:
    """An earlier 401 makes the SDK sign the user in all over: it refreshes only what it knows to be expired."""
    alice = Person("alice")
    async with running(tmp_path, lifetimes=Lifetimes(access=SHORT)) as demo:
        await alice.whoami(demo.url)

        async def late_in_a_second() -> bool:
            return time.time() % 1 > 0.8

        await eventually(late_in_a_second)
        tokens = await alice.refresh(demo.origin)
        promised = time.monotonic() + tokens.expires_in

        async def nearly_over() -> bool:
            return time.monotonic() > promised - 0.4

        await eventually(nearly_over)
        assert (await demo.call(tokens.access_token)).status != 401


@pytest.mark.req(154)
async def test_an_upstream_token_near_its_end_is_refreshed_behind_the_clients_back(tmp_path: Path) -> None:
    alice = Person("alice")
    async with running(tmp_path, upstream_seconds=EARLY_SECONDS + SHORT) as demo:
        first = await alice.whoami(demo.url)
        async with asyncio.timeout(10):
            while (second := await alice.whoami(demo.url))["token_sha256"] == first["token_sha256"]:
                pass
        assert second["user"] == "alice"
        assert "refresh" in [event.operation for event in demo.happened(events.UpstreamCalled) if event.outcome == "ok"]
    assert alice.sign_ins == 1
    assert len(alice.storage.seen) == 1

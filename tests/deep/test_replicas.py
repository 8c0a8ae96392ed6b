"""The life of a token on two replicas through real Envoy: one store, one truth (design 9, 10)."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from sidecar.events import CallDecided, GrantEnded, UpstreamCalled
from sidecar.grants.authorisation import EARLY_SECONDS
from sidecar.grants.principals import STALENESS_SECONDS
from sidecar.records import Lifetimes
from tests.deep.replicas import Two, two_replicas
from tests.flows.person import Person
from tests.flows.running import Answer

# A call through Envoy and back is part of what is measured, on a machine that does much else.
SLACK = 1.0


@dataclass(frozen=True)
class SignedIn:
    access: str
    refresh: str
    auth: str


async def signed_in(two: Two) -> SignedIn:
    """Alice's tokens and her client, as the official SDK got them through the first replica."""
    alice = Person("alice")
    await alice.whoami(two.one.url)
    tokens, client = alice.storage.tokens, alice.storage.client
    assert tokens is not None
    assert client is not None
    assert client.client_id is not None
    auth = aiohttp.encode_basic_auth(client.client_id, client.client_secret or "")
    return SignedIn(tokens.access_token, tokens.refresh_token or "", auth)


async def refreshed(two: Two, replica: int, who: SignedIn, token: str = "") -> Answer:
    return await two.post(replica, "/token", who.auth, grant_type="refresh_token", refresh_token=token or who.refresh)


def allowed(answer: Answer) -> bool:
    """The MCP server was reached: what it says of a bare request is its business."""
    return answer.status not in (401, 403, 404, 429, 503)


async def seconds_until_denied(two: Two, replica: int, token: str) -> float:
    started = time.monotonic()
    async with asyncio.timeout(10):
        while allowed(await two.call(replica, token)):
            pass
    return time.monotonic() - started


@pytest.mark.req(164, 180)
async def test_revoked_on_one_replica_is_denied_on_the_other(tmp_path: Path) -> None:
    """With the token in both replicas' memory."""
    async with two_replicas(tmp_path) as two:
        who = await signed_in(two)
        for replica in (1, 2):
            assert allowed(await two.call(replica, who.access))
        assert (await two.post(1, "/revoke", who.auth, token=who.refresh)).status == 200
        assert not allowed(await two.call(1, who.access)), "the replica that revoked forgets before it answers"
        assert await seconds_until_denied(two, 2, who.access) < STALENESS_SECONDS + SLACK


@pytest.mark.req(164, 180)
async def test_without_the_push_channel_the_bound_holds(tmp_path: Path) -> None:
    """Channel cut again and again: age alone ends what is remembered."""
    async with two_replicas(tmp_path) as two, two.store() as store:
        who = await signed_in(two)
        stop = asyncio.Event()

        async def cut() -> None:
            while not stop.is_set():
                await store.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(0)

        cutting = asyncio.create_task(cut())
        for replica in (1, 2):
            assert allowed(await two.call(replica, who.access))
        assert (await two.post(1, "/revoke", who.auth, token=who.refresh)).status == 200
        assert await seconds_until_denied(two, 2, who.access) < STALENESS_SECONDS + SLACK
        stop.set()
        await cutting


@pytest.mark.req(149, 196)
async def test_three_parallel_refreshes_on_two_replicas_are_all_usable(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as two:
        who = await signed_in(two)
        answers = await asyncio.gather(*(refreshed(two, replica, who) for replica in (1, 2, 1)))
        assert [answer.status for answer in answers] == [200, 200, 200]
        for number, answer in enumerate(answers):
            assert allowed(await two.call(1 + number % 2, answer.json["access_token"]))
        assert (await refreshed(two, 2, who, answers[1].json["refresh_token"])).status == 200


@pytest.mark.req(148)
async def test_reuse_seen_by_one_replica_ends_the_grant_on_both(tmp_path: Path) -> None:
    async with two_replicas(tmp_path, lifetimes=Lifetimes(grace=0)) as two:
        who = await signed_in(two)
        fresh = (await refreshed(two, 1, who)).json["access_token"]
        assert allowed(await two.call(2, fresh))
        reused = await refreshed(two, 2, who)
        assert (reused.status, reused.json["error"]) == (400, "invalid_grant")
        for replica in (1, 2):
            assert await seconds_until_denied(two, replica, fresh) < STALENESS_SECONDS + SLACK
        assert [event.reason for event in two.happened(GrantEnded)] == ["refresh_reused"]


@pytest.mark.req(154, 196)
async def test_fifty_calls_with_an_expired_upstream_token_make_one_refresh(tmp_path: Path) -> None:
    """The demo IdP rotates and detects reuse: a second refresh with the same token would end the session."""
    async with two_replicas(tmp_path, upstream_seconds=EARLY_SECONDS + 5) as two:
        who = await signed_in(two)
        await asyncio.sleep(6)  # the IdP's tokens age by themselves
        answers = await asyncio.gather(*(two.call(1 + number % 2, who.access) for number in range(50)))
        assert all(allowed(answer) for answer in answers)
        refreshes = [event for event in two.happened(UpstreamCalled) if event.operation == "refresh"]
        assert [event.outcome for event in refreshes] == ["ok"]
        served = [event for event in two.events if isinstance(event, CallDecided) and event.outcome == "allowed"]
        assert served, "the second replica took part"

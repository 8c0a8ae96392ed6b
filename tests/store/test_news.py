"""What one replica ends, the others hear of: at once while the channel stands, and `up` tells when it stands again."""

import asyncio
from contextlib import aclosing

import pytest

from sidecar.store.base import News
from sidecar.store.redis import open_store
from tests.store.build import created, issued, redeem, redeemed, upstream
from tests.store.servers import free_port, patient_store, redis_binary, running, valkey_binary


@pytest.fixture(params=["valkey", "redis"])
def server(request):
    with running(valkey_binary() if request.param == "valkey" else redis_binary(), port=free_port()) as server:
        yield server


async def heard(news, count):
    async with asyncio.timeout(10):
        return [await anext(news) for _ in range(count)]


async def test_every_end_and_renewal_is_heard_by_another_replica(server):
    url = f"redis://127.0.0.1:{server.port}"
    async with patient_store(url) as one, patient_store(url) as two, aclosing(two.news()) as news:
        assert await heard(news, 1) == [News("up")]
        revoked, spared, refused, replayed, renewed = [await redeemed(one) for _ in range(5)]
        await one.revoke(revoked.grant.id)
        await one.revoke_access(spared.grant.id, 1)
        await one.refuse_upstream(refused.grant.id, 1)
        await one.rotate(replayed, 99, None, b"", grace=60)
        await one.lease_upstream(renewed.grant.id, 1, "owner", 5)
        await one.save_upstream(renewed.grant.id, "owner", upstream(2))
        ids = [state.grant.id for state in (revoked, spared, refused, replayed, renewed)]
        assert await heard(news, 5) == [News("grant", grant_id) for grant_id in ids]


async def test_what_changes_nothing_for_live_tokens_is_not_said(server):
    url = f"redis://127.0.0.1:{server.port}"
    async with patient_store(url) as one, patient_store(url) as two, aclosing(two.news()) as news:
        await heard(news, 1)
        state = await redeemed(one)
        await one.rotate(state, 1, issued(2), b"answer", grace=60)
        await redeem(one, await created(one))
        await one.revoke(state.grant.id)
        assert await heard(news, 1) == [News("grant", state.grant.id)]


async def test_what_is_no_grant_id_does_not_end_the_listening(server):
    url = f"redis://127.0.0.1:{server.port}"
    async with patient_store(url) as one, patient_store(url) as two, aclosing(two.news()) as news:
        await heard(news, 1)
        await one.link.command("PUBLISH", one.keys.news(), b"\xff")
        state = await redeemed(one)
        await one.revoke(state.grant.id)
        assert (await heard(news, 2))[1] == News("grant", state.grant.id)


async def test_a_connection_that_was_cut_is_opened_again_and_says_so(server):
    url = f"redis://127.0.0.1:{server.port}"
    async with patient_store(url) as one, patient_store(url) as two, aclosing(two.news()) as news:
        await heard(news, 1)
        await one.link.command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await heard(news, 2) == [News("down"), News("up")]
        state = await redeemed(one)
        await one.revoke(state.grant.id)
        assert await heard(news, 1) == [News("grant", state.grant.id)]


async def test_a_server_that_went_silent_is_noticed():
    """A half-open connection: nothing is refused and nothing comes."""
    async with asyncio.timeout(10):
        gone = asyncio.Event()

        async def subscribe_only(reader, writer):
            await reader.readuntil(b"SUBSCRIBE")
            writer.write(b"*3\r\n$9\r\nsubscribe\r\n$8\r\ndcr:news\r\n:1\r\n")
            await writer.drain()
            await gone.wait()
            writer.close()

        server = await asyncio.start_server(subscribe_only, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with open_store(f"redis://127.0.0.1:{port}") as store, aclosing(store.news()) as news:
            assert await heard(news, 2) == [News("up"), News("down")]
        gone.set()
        server.close()

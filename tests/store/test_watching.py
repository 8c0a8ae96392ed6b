"""What the metrics hear of the store: each call with its outcome and time, and how long news takes."""

import asyncio
from contextlib import aclosing

import pytest

from sidecar.store.base import News, StoreError
from sidecar.store.redis import open_store
from tests.store.build import redeemed
from tests.store.servers import free_port, patient_store, running, valkey_binary


@pytest.fixture
def url():
    with running(valkey_binary(), port=free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}"


async def test_each_call_is_told_once_with_its_kind_and_outcome(url):
    told = []
    async with open_store(url, timeout_ms=10_000, on_call=lambda *call: told.append(call)) as store:
        await store.ping()
        await store.count_clients("corp-1")
        await store.count_clients("corp-1")
    assert [call[:3] for call in told] == [
        ("command", "ping", "ok"),
        ("script", "listing_count", "no_script"),
        ("script", "listing_count", "ok"),
        ("script", "listing_count", "ok"),
    ]
    assert all(0 < seconds < 10 for *_, seconds in told)


async def test_a_store_that_is_not_there_is_told_as_such():
    told = []
    async with open_store(f"redis://127.0.0.1:{free_port()}", on_call=lambda *call: told.append(call)) as store:
        with pytest.raises(StoreError):
            await store.ping()
    assert [call[:3] for call in told] == [("command", "ping", "unreachable")]


async def test_a_call_that_takes_too_long_is_told_with_its_time():
    told, gone = [], asyncio.Event()

    async def silent(_reader, writer):
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_store(url, timeout_ms=100, on_call=lambda *call: told.append(call)) as store:
            with pytest.raises(StoreError):
                await store.ping()
        gone.set()
    ((*what, seconds),) = told
    assert what == ["command", "ping", "timeout"]
    assert seconds >= 0.1


async def test_a_replica_hears_its_own_echo_and_nobody_elses(url):
    heard = []
    async with (
        open_store(url, timeout_ms=10_000, on_echo=heard.append) as one,
        patient_store(url) as two,
        aclosing(one.news()) as news,
        asyncio.timeout(10),
    ):
        assert await anext(news) == News("up")
        await two.echo()
        await two.link.command("PUBLISH", two.keys.news(), f"echo:{one.link.name}:soon")
        await one.echo()
        state = await redeemed(two)
        await two.revoke(state.grant.id)
        assert await anext(news) == News("grant", state.grant.id), "an echo is no news"
    (seconds,) = heard
    assert 0 < seconds < 10

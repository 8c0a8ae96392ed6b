"""The suite on a cluster of three primaries: whatever would cross slots fails here."""

import asyncio
import time
from contextlib import ExitStack, aclosing

import pytest
from redis import Redis
from redis.asyncio import RedisCluster

from sidecar.store.base import News, StoreError
from sidecar.store.redis import open_store
from tests.store.build import created, redeem, redeemed, rotate, state_of
from tests.store.conformance import *  # noqa: F403
from tests.store.servers import free_port, patient_store, running, valkey_binary

SLOTS = 16384


@pytest.fixture(scope="module")
def nodes():
    with ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
        servers = [
            stack.enter_context(running(valkey_binary(), *options, str(free_port()), port=free_port()))
            for _ in range(3)
        ]
        clients = [stack.enter_context(Redis(port=server.port)) for server in servers]
        _form(servers, clients)
        yield servers


def _form(servers, clients):
    share = SLOTS // len(servers) + 1
    for number, client in enumerate(clients):
        last = min((number + 1) * share, SLOTS) - 1
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for server in servers[1:]:
        bus = clients[servers.index(server)].config_get("cluster-port")["cluster-port"]
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
    until = time.monotonic() + 30
    while not all(_complete(client) for client in clients):  # they talk at their own pace; asking is the waiting
        assert time.monotonic() < until


def _complete(client):
    info = client.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and len(client.execute_command("CLUSTER", "SLOTS")) == 3


@pytest.fixture
async def client(nodes):
    client = RedisCluster(host="127.0.0.1", port=nodes[0].port)
    await client.initialize()  # many first commands at once would race for it, and redis-py loses a connection then
    yield client
    await client.aclose()


@pytest.fixture
def url(nodes):
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


async def test_the_store_finds_every_slot_from_any_node(url, nodes, prefix):
    async with open_store(url, prefix=prefix, timeout_ms=10_000) as store:
        states = [await redeemed(store, client_id=f"client {number}") for number in range(20)]
    async with open_store(f"redis+cluster://127.0.0.1:{nodes[2].port}", prefix=prefix, timeout_ms=10_000) as store:
        assert [await state_of(store, state.grant.id) for state in states] == states
        await store.ping()


async def test_one_scripts_key_is_on_one_node_and_races_end_the_same(url, prefix):
    async with open_store(url, prefix=prefix, timeout_ms=10_000) as store:
        state = await created(store)
        outcomes = await asyncio.gather(*(redeem(store, state) for _ in range(50)))
        assert sorted(outcomes) == ["double"] * 49 + ["fresh"]


async def test_a_shortfall_is_seen_on_the_keys_own_node(url, prefix):
    short = []
    async with open_store(url, prefix=prefix, timeout_ms=2000, wait_replicas=1, on_shortfall=short.append) as store:
        await redeemed(store)
        assert short == ["redeem"]


async def test_finding_the_nodes_may_take_longer_than_an_operation(url, prefix):
    """And operations that gave up meanwhile do not begin it anew."""
    async with open_store(url, prefix=prefix, timeout_ms=20) as store:
        until = time.monotonic() + 30
        while isinstance((await asyncio.gather(store.ping(), return_exceptions=True))[0], StoreError):
            assert time.monotonic() < until
        assert await store.read("a" * 32) is None


async def test_an_end_on_any_node_is_heard_by_another_replica(url, prefix):
    async with (
        open_store(url, prefix=prefix, timeout_ms=10_000) as one,
        open_store(url, prefix=prefix, timeout_ms=10_000) as two,
        aclosing(two.news()) as news,
        asyncio.timeout(20),
    ):
        assert await anext(news) == News("up")
        states = [await redeemed(one) for _ in range(12)]
        for state in states:
            await one.revoke(state.grant.id)
        heard = {(await anext(news)).grant_id for _ in states}
    assert heard == {state.grant.id for state in states}


async def test_a_cluster_behind_a_plain_url_is_told(nodes):
    async with patient_store(f"redis://127.0.0.1:{nodes[0].port}") as store:
        calls = (store.spend_form(f"nonce {number}", 60) for number in range(30))
        told = {str(result) for result in await asyncio.gather(*calls, return_exceptions=True)}
    assert told == {"True", "the store is a cluster: its URL begins with redis+cluster"}


async def test_while_a_slot_moves_nothing_in_it_is_out_of_reach(url, nodes, prefix):
    """As `redis-cli --cluster reshard` does it: both are told, each key goes over, then the slot has a new owner."""
    with ExitStack() as stack:
        admins = [stack.enter_context(Redis(port=node.port)) for node in nodes]
        names = [admin.execute_command("CLUSTER", "MYID").decode() for admin in admins]
        async with open_store(url, prefix=prefix, timeout_ms=10_000) as store:
            state = await redeemed(store)
            key = store.keys.grant(state.grant.id)
            slot = admins[0].execute_command("CLUSTER", "KEYSLOT", key)
            listed = [admin.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 9) for admin in admins]
            (source,) = [number for number, keys in enumerate(listed) if key.encode() in keys]
            target = (source + 1) % 3

            async def all_reached():
                assert await asyncio.gather(*(store.read(state.grant.id) for _ in range(60))) == [state] * 60

            await all_reached()
            admins[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
            admins[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
            await all_reached()
            admins[source].execute_command("MIGRATE", "127.0.0.1", nodes[target].port, key, 0, 5000)
            await all_reached()
            assert (await rotate(store, state, 1)).outcome == "fresh"
            state = await state_of(store, state.grant.id)
            for number in (target, source):
                admins[number].execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[target])
            await all_reached()

"""A primary dies, or falls silent, under constant traffic; its replica takes over and nobody has to sign in again.

Real: Envoy, the sidecar, Valkey servers with replicas, three sentinels or a cluster of three.
"""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from tests.deep.store_traffic import People
from tests.flows.running import eventually, running
from tests.store.servers import Running as Server
from tests.store.servers import free_port, sentinel_of, valkey_binary
from tests.store.servers import running as server_running

# Of thousands of operations that are given up, redis-py forgets a connection now and then; the collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DOWN_AFTER_MS = 1000
RECOVERED_SECONDS = 30
"""Detection, election and reconfiguration take some three seconds on a quiet machine; the sidecar, one operation."""
DURABLE = ("--repl-diskless-sync-delay", "0", "--appendonly", "yes", "--appendfsync", "everysec")


@dataclass
class Topology:
    url: str
    primary: Server
    """The one that will fail."""
    failed_over: Callable[[], bool]
    started: list[Server] = field(default_factory=list)


@contextmanager
def with_sentinels() -> Iterator[Topology]:
    with ExitStack() as stack:
        primary = stack.enter_context(server_running(valkey_binary(), *DURABLE, port=free_port()))
        follow = ("--replicaof", f"127.0.0.1 {primary.port}")
        replica = stack.enter_context(server_running(valkey_binary(), *DURABLE, *follow, port=free_port()))
        sentinels = [
            stack.enter_context(sentinel_of(primary.port, quorum=2, down_after_ms=DOWN_AFTER_MS)) for _ in range(3)
        ]
        asked = [stack.enter_context(Redis(port=sentinel.port, decode_responses=True)) for sentinel in sentinels]

        def introduced() -> bool:
            seen = [one.sentinel_master("main") for one in asked]
            return all(it["num-slaves"] == 1 and it["num-other-sentinels"] == 2 for it in seen)

        _until(introduced)
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        yield Topology(
            f"redis+sentinel://{hosts}/main",
            primary,
            lambda: all(one.sentinel_get_master_addr_by_name("main")[1] == replica.port for one in asked),
        )


@contextmanager
def as_cluster() -> Iterator[Topology]:
    """Three primaries with a replica each."""
    with ExitStack() as stack:
        options = (*DURABLE, "--cluster-enabled", "yes", "--cluster-node-timeout", str(DOWN_AFTER_MS))
        buses = [free_port() for _ in range(6)]
        servers = [
            stack.enter_context(server_running(valkey_binary(), *options, "--cluster-port", str(bus), port=free_port()))
            for bus in buses
        ]
        asked = [stack.enter_context(Redis(port=server.port, decode_responses=True)) for server in servers]
        for number, one in enumerate(asked):
            one.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server, bus in zip(servers[1:], buses[1:], strict=True):
            asked[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus)
        for one, slots in zip(asked, ((0, 5460), (5461, 10921), (10922, 16383)), strict=False):
            one.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        names = [one.execute_command("CLUSTER", "MYID") for one in asked]
        _until(lambda: all(_knows(one, 6) for one in asked))
        for number in range(3):
            asked[3 + number].execute_command("CLUSTER", "REPLICATE", names[number])
        _until(lambda: all(_ok(one) for one in asked))
        _until(lambda: all(one.info("replication").get("connected_slaves") == 1 for one in asked[:3]))
        yield Topology(
            "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers),
            servers[0],
            lambda: asked[3].info("replication")["role"] == "master" and _ok(asked[3]),
        )


def _knows(one: Redis, nodes: int) -> bool:
    return f"cluster_known_nodes:{nodes}" in one.execute_command("CLUSTER", "INFO", NEVER_DECODE=True).decode()


def _ok(one: Redis) -> bool:
    return b"cluster_state:ok" in one.execute_command("CLUSTER", "INFO", NEVER_DECODE=True)


def _until(comes_true: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not comes_true():
        assert time.monotonic() < until


@asynccontextmanager
async def people_on(path: Path, topology: Topology) -> AsyncIterator[People]:
    store = {"url": topology.url, "wait_replicas": 1}
    async with running(path, more={"store": store}) as demo, People(demo).busy() as people:
        await people.all_served(30)
        yield people


TOPOLOGIES = [pytest.param(with_sentinels, id="sentinel"), pytest.param(as_cluster, id="cluster")]


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "silent"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_a_failover_is_503_for_a_while_and_ends_no_sign_in(tmp_path: Path, topology, fault) -> None:
    """A silent primary is what a machine or a network that is gone looks like: no connection is closed."""
    with topology() as store:
        async with people_on(tmp_path, store) as people:
            people.answers.clear()
            os.kill(store.primary.pid, fault)

            async def taken_over() -> bool:
                return store.failed_over()

            await eventually(taken_over, RECOVERED_SECONDS)
            await people.all_served(RECOVERED_SECONDS)
            for member in people.members:
                assert (await people.called(member)).status not in {401, 503}
        assert 503 in people.statuses("call") | people.statuses("refresh"), "the failure was felt"
        assert people.statuses("refresh") <= {200, 503}
        assert not people.statuses("call") & {401, 403, 404, 500}
        assert people.bare == 0, "every 503 says when to come back"
        assert people.ended == []

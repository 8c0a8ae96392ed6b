"""What a store says of itself, judged; and real servers asked, whose data stays as it is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from sidecar.clock import system_clock, system_monotonic
from sidecar.doctor import StoreAddress
from sidecar.doctor.look_at_store import look
from sidecar.doctor.permissions import COMMANDS, acl_rule
from sidecar.doctor.seen import StoreSeen
from sidecar.doctor.store import judge_store
from tests.doctor.deployed import wrong
from tests.store.servers import free_port, running, valkey_binary

STORE = Path("sidecar/store")
PLAIN = StoreAddress("redis://store:6379")
INFO = {
    "redis_version": "7.2.4",
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "maxmemory": 0,
    "used_memory": 1_000_000,
    "maxmemory_policy": "noeviction",
    "cluster_enabled": 0,
}
RIGHT = StoreSeen(first_ms=3, ping_ms=1, info=INFO, save="", ahead=0.0)


def info(**members):
    return replace(RIGHT, info=INFO | members)


CASES = [
    pytest.param(StoreSeen(fault="the store cannot be reached"), PLAIN, ["store-down"], id="down"),
    pytest.param(StoreSeen(embedded=True, hidden=True, fault="x"), PLAIN, ["store-unseen"], id="hidden"),
    pytest.param(replace(RIGHT, ping_ms=80), PLAIN, ["store-slow"], id="slow"),
    pytest.param(replace(RIGHT, first_ms=260), PLAIN, ["store-slow"], id="slow-to-connect"),
    pytest.param(info(redis_version="6.0.16"), PLAIN, ["store-old"], id="old"),
    pytest.param(replace(RIGHT, info={}), PLAIN, ["store-withheld"], id="no-info"),
    pytest.param(info(aof_enabled=0), PLAIN, ["store-forgets"], id="forgets"),
    pytest.param(replace(info(aof_enabled=0), save=None), PLAIN, ["store-persistence-unknown"], id="unknown"),
    pytest.param(replace(info(aof_enabled=0), save="3600 1"), PLAIN, [], id="snapshots"),
    pytest.param(info(aof_last_write_status="err"), PLAIN, ["store-writes-fail"], id="aof-fails"),
    pytest.param(info(rdb_last_bgsave_status="err"), PLAIN, ["store-writes-fail"], id="rdb-fails"),
    pytest.param(info(maxmemory=9**9, maxmemory_policy="allkeys-lru"), PLAIN, ["store-evicts"], id="evicts"),
    pytest.param(info(maxmemory_policy="allkeys-lru"), PLAIN, [], id="nothing-to-evict-for"),
    pytest.param(info(maxmemory=1_100_000), PLAIN, ["store-full"], id="full"),
    pytest.param(info(role="slave", master_link_status="up"), PLAIN, ["store-replica"], id="replica"),
    pytest.param(
        info(role="slave", master_link_status="down"), PLAIN, ["store-replica-lost", "store-replica"], id="lost"
    ),
    pytest.param(info(slave0={"state": "online"}), replace(PLAIN, wait_replicas=2), ["store-replicas-few"], id="few"),
    pytest.param(
        info(slave0="ip=10.0.0.2,state=online,lag=0"), replace(PLAIN, wait_replicas=1), [], id="enough-replicas"
    ),
    pytest.param(
        replace(info(cluster_enabled=1), cluster={"cluster_state": "ok"}), PLAIN, ["store-is-cluster"], id="cluster"
    ),
    pytest.param(
        replace(info(cluster_enabled=1), cluster={"cluster_state": "fail", "cluster_slots_ok": "5461"}),
        StoreAddress("redis+cluster://store:6379"),
        ["store-cluster-broken"],
        id="cluster-broken",
    ),
    pytest.param(replace(RIGHT, denied=("PUBLISH",)), PLAIN, ["store-denies"], id="denied"),
    pytest.param(replace(RIGHT, acl_known=False), PLAIN, ["store-permissions-unknown"], id="permissions-unknown"),
    pytest.param(replace(RIGHT, ahead=-6.0), PLAIN, ["store-clock"], id="clock"),
]


@pytest.mark.parametrize(("seen", "address", "ids"), CASES)
def test_each_fault_of_a_store_is_found_and_nothing_else(seen, address, ids):
    assert wrong(judge_store(seen, address)) == ids


def test_a_right_store_is_named_with_its_version():
    told = list(judge_store(RIGHT, PLAIN))
    assert [one.level for one in told] == ["ok"]
    assert "Redis 7.2.4" in told[0].text


async def seen(url, **options):
    return await look(StoreAddress(url, **options), clock=system_clock, monotonic=system_monotonic)


async def judged(url, **options):
    """What a busy test machine does to the time of an answer is not the point here."""
    address = StoreAddress(url, timeout_ms=60_000, **options)
    return wrong(judge_store(await look(address, clock=system_clock, monotonic=system_monotonic), address))


async def test_a_real_valkey_with_persistence_is_right_and_keeps_its_data_as_it_is():
    with running(valkey_binary(), "--appendonly", "yes") as server:
        async with AsyncRedis(unix_socket_path=server.socket) as store:
            await store.set("dcr:x", "1")
            assert await judged(server.url) == []
            assert await store.keys() == [b"dcr:x"]
            info = await store.info("persistence")
            assert info["rdb_changes_since_last_save"] == 1


async def test_a_real_valkey_tells_what_is_wrong_with_it():
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with running(valkey_binary(), *options) as server:
        assert await judged(server.url, wait_replicas=1) == ["store-forgets", "store-evicts", "store-replicas-few"]


async def test_a_real_replica_of_a_primary_that_is_gone_is_found():
    port = free_port()
    with running(valkey_binary(), "--appendonly", "yes", "--replicaof", "127.0.0.1", str(port)) as server:
        assert {"store-replica", "store-replica-lost"} <= set(await judged(server.url))


async def test_a_real_cluster_node_behind_a_plain_url_is_told():
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--appendonly", "yes")
    with running(valkey_binary(), *options, port=free_port()) as server:
        assert await judged(server.url) == ["store-permissions-unknown", "store-is-cluster", "store-cluster-broken"]


def user(server, *rules):
    with Redis(unix_socket_path=server.socket) as store:
        store.execute_command("ACL", "SETUSER", "sidecar", "reset", "on", ">pw", *rules)
    return f"unix://{server.socket}?username=sidecar&password=pw"


DOCUMENTED = tuple(acl_rule(replace(PLAIN, wait_replicas=1)).split())


@pytest.mark.parametrize(
    ("rules", "denied"),
    [
        pytest.param(DOCUMENTED, (), id="as-documented"),
        pytest.param((*DOCUMENTED, "-publish"), ("PUBLISH",), id="no-publish"),
        pytest.param((*DOCUMENTED, "resetchannels", "&other:*"), ("PUBLISH", "SUBSCRIBE"), id="other-channels"),
        pytest.param((*DOCUMENTED, "-wait"), ("WAIT",), id="no-wait"),
        pytest.param((*DOCUMENTED, "-eval"), ("EVAL",), id="no-scripts"),
    ],
)
async def test_a_real_acl_user_is_judged_by_what_serving_needs(rules, denied):
    with running(valkey_binary(), "--appendonly", "yes") as server:
        found = await seen(user(server, *rules), wait_replicas=1)
        assert found.denied == denied
        assert found.fault == ""
        assert found.info == {}  # which serving does not need, so its absence is a note


async def test_another_database_needs_one_permission_more():
    with running(valkey_binary(), "--appendonly", "yes") as server:
        url = f"unix://{server.socket}?db=1"
        for rule, fault in ((acl_rule(StoreAddress("unix:///x")), True), (acl_rule(StoreAddress(url)), False)):
            login = user(server, *rule.split())
            assert bool((await seen(f"{login}&db=1")).fault) is fault


def test_what_the_stores_user_needs_is_told_whole_and_is_what_the_schema_document_says():
    document = (STORE / "SCHEMA.md").read_text()
    assert " ".join(acl_rule(replace(PLAIN, prefix="P")).split()) in " ".join(document.split())
    address = StoreAddress("redis+cluster://a:1,b:2", prefix="a-prefix", wait_replicas=2)
    seen = StoreSeen(denied=("A", "B", "C", "D", "E", "F", "G", "H"), ahead=0)
    (told,) = (finding for finding in judge_store(seen, address) if finding.id == "store-denies")
    assert "A, B, C, D, E, F and 2 more" in told.text
    assert told.text.endswith(f" {acl_rule(address)}")
    assert acl_rule(address).endswith(" +wait +asking +cluster +command")


async def test_a_wrong_password_is_told_without_the_password():
    with running(valkey_binary()) as server:
        user(server, *DOCUMENTED)
        found = list(judge_store(await seen(f"unix://{server.socket}?username=sidecar&password=wr0ng-pw"), PLAIN))
        assert wrong(found) == ["store-down"]
        assert "refused our credentials" in found[0].text
        assert "wr0ng-pw" not in repr(found)


async def test_an_embedded_store_that_does_not_run_is_not_started(tmp_path):
    found = await seen(f"embedded:{tmp_path}/store")
    told = list(judge_store(found, PLAIN))
    assert wrong(told) == ["store-down"]
    assert "does not run" in told[0].text
    assert list(tmp_path.iterdir()) == []


async def test_an_embedded_store_whose_socket_is_elsewhere_is_not_called_down(tmp_path):
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    (folder / "lock").touch()
    assert wrong(judge_store(await seen(f"embedded:{folder}"), PLAIN)) == ["store-unseen"]


def test_every_command_that_the_store_sends_is_asked_for():
    """Whoever adds a command to the store adds it to the list of what its user must be allowed."""
    sources = [path.read_text() for path in (*STORE.glob("redis_*.py"), STORE / "redis.py", *STORE.glob("lua/*.lua"))]
    sent = set()
    for text in sources:
        sent |= set(re.findall(r"""redis\.p?call\(['"]([A-Z]+)['"]""", text))
        sent |= set(re.findall(r"""(?:command|execute_command)\(\s*"([A-Z]+)\"""", text))
    assert len(sent) > 20
    # WAIT only with replicas; subscribing is redis-py's own method.
    assert sent - {"WAIT"} <= {command[0] for command in COMMANDS}

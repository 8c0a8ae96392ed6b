"""Servers that are silent, absent or unwilling; URLs that are none; and what each of these is called."""

import asyncio
import time

import pytest
from redis import exceptions as redis_errors

from sidecar.store.base import StoreError
from sidecar.store.redis import open_store
from sidecar.store.redis_link import explain, load_scripts
from tests.store.build import created, new_grant, redeem, redeemed, state_of
from tests.store.servers import free_port, patient_store, redis_binary, running, sentinel_of, valkey_binary


@pytest.fixture
async def silent():
    """A port that accepts and never answers."""
    held = []

    async def hold(_reader, writer):
        held.append(writer)
        await asyncio.Event().wait()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in held:
        writer.close()


CALLS = [
    pytest.param(lambda store: store.ping(), id="ping"),
    pytest.param(lambda store: store.peek("a" * 32, 1), id="peek"),
    pytest.param(lambda store: store.create(new_grant()), id="create"),
    pytest.param(lambda store: store.revoke("a" * 32), id="revoke"),
    pytest.param(lambda store: store.take("handle", "binding"), id="take"),
    pytest.param(lambda store: store.spend_form("nonce", 60), id="spend"),
    pytest.param(lambda store: store.registered("dcr1-x"), id="registered"),
    pytest.param(lambda store: store.admit("x", per_hour=1, burst=1), id="admit"),
    pytest.param(lambda store: store.lease_upstream("a" * 32, 1, "o", 5), id="lease"),
]
SHAPES = ["redis://127.0.0.1:{port}/0", "redis+sentinel://127.0.0.1:{port}/main", "redis+cluster://127.0.0.1:{port}"]
TLS = "rediss://127.0.0.1:{port}/0"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("shape", [*SHAPES, TLS], ids=["single", "sentinel", "cluster", "tls"])
async def test_a_silent_server_is_a_store_error_in_time(silent, shape, call):
    async with open_store(shape.format(port=silent), timeout_ms=50) as store:
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"the store.*(not answer in time|be reached|name no primary)"):
            await call(store)
        assert time.monotonic() - began < 2  # not redis-py's ten tries


@pytest.mark.parametrize("shape", SHAPES, ids=["single", "sentinel", "cluster"])
async def test_an_absent_server_is_a_store_error_and_no_reason_not_to_start(shape):
    async with open_store(shape.format(port=free_port()), timeout_ms=1000) as store:
        with pytest.raises(StoreError, match="the store cannot be reached"):
            await store.ping()


async def test_a_server_that_comes_back_is_used_again():
    port = free_port()
    async with open_store(f"redis://127.0.0.1:{port}", timeout_ms=10_000) as store:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"cannot be reached|closed the connection"):
                await store.ping()
            with running(valkey_binary(), port=port):
                state = await created(store)
                assert await redeem(store, state) == "fresh"


@pytest.mark.parametrize(("userinfo", "works"), [(":right@", True), (":wrong@", False), ("", False)])
async def test_a_password_is_used_and_a_wrong_one_told(userinfo, works):
    with running(redis_binary(), "--requirepass", "right", port=free_port()) as server:
        async with patient_store(f"redis://{userinfo}127.0.0.1:{server.port}") as store:
            if works:
                await store.ping()
                return
            with pytest.raises(StoreError, match="refused our credentials"):
                await store.ping()


async def test_a_full_turnstile_fails_in_time_and_recovers(silent):
    async with open_store(f"redis://127.0.0.1:{silent}", timeout_ms=100) as store:
        failures = await asyncio.gather(*(store.ping() for _ in range(1000)), return_exceptions=True)
        assert {type(failure) for failure in failures} == {StoreError}
        assert not store.link._permits.locked()


ERRORS = [
    pytest.param(redis_errors.ReadOnlyError("x", status_code="READONLY"), "read-only", id="READONLY"),
    pytest.param(redis_errors.BusyLoadingError("x", status_code="LOADING"), "loading", id="LOADING"),
    pytest.param(redis_errors.OutOfMemoryError("x", status_code="OOM"), "out of memory", id="OOM"),
    pytest.param(
        redis_errors.ResponseError("Error running script: @user_script:4: -OOM command not allowed"),
        "out of memory",
        id="OOM-in-a-script-of-redis-6",
    ),
    pytest.param(
        redis_errors.ClusterDownError("CLUSTERDOWN x", status_code="CLUSTERDOWN"), "cluster is down", id="DOWN"
    ),
    pytest.param(redis_errors.SlotNotCoveredError("x"), "does not cover", id="slot"),
    pytest.param(redis_errors.ResponseError("MISCONF Redis is configured to"), "cannot persist", id="MISCONF"),
    pytest.param(redis_errors.ResponseError("NOREPLICAS Not enough"), "too few replicas", id="NOREPLICAS"),
    pytest.param(redis_errors.ResponseError("BUSY Redis is busy"), "busy", id="BUSY"),
    pytest.param(redis_errors.NoPermissionError("x"), "refused our credentials", id="NOPERM"),
    pytest.param(redis_errors.AuthenticationError("x"), "refused our credentials", id="auth"),
    pytest.param(redis_errors.TimeoutError("x"), "in time", id="timeout"),
    pytest.param(TimeoutError(), "in time", id="our-timeout"),
    pytest.param(redis_errors.MaxConnectionsError("x"), "cannot be reached", id="pool"),
    pytest.param(ConnectionRefusedError(), "cannot be reached", id="refused"),
    pytest.param(redis_errors.ConnectionError("Connection closed by server."), "closed the connection", id="closed"),
    pytest.param(redis_errors.ConnectionError("x - auth:AuthenticationError"), "refused our credentials", id="NOAUTH"),
    pytest.param(redis_errors.ResponseError("WRONGTYPE secret"), "answered with an error", id="other"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_every_failure_has_a_fixed_text(error, text):
    assert text in explain(error)
    assert "secret" not in explain(error)


BAD_URLS = [
    pytest.param("", "must begin with", id="empty"),
    pytest.param("http://127.0.0.1", "must begin with", id="scheme"),
    pytest.param("redis://", "host is missing", id="no-host"),
    pytest.param("redis://h/secret", "not a number", id="database"),
    pytest.param("redis://u:secret#x@h:1", "a port is not one", id="mark-in-a-password"),
    pytest.param("redis://u:6/secret@h", "%2F", id="slash-in-a-password"),
    pytest.param("redis://h?decode_responses=secret", "unknown option", id="option"),
    pytest.param("redis://h?ssl_ca_certs=/ca.pem", "begins with rediss", id="tls-option-without-tls"),
    pytest.param("rediss://h?ssl_keyfile=/secret.pem", "needs its ssl_certfile", id="key-without-certificate"),
    pytest.param("unix://?db=0", "names no socket", id="no-socket"),
    pytest.param("redis+sentinel://h:1", "names no service", id="no-service"),
    pytest.param("redis+cluster://h:1,", "host is missing", id="half-a-list"),
    pytest.param("redis+cluster://h:1/1", "no numbered databases", id="database-of-a-cluster"),
]


@pytest.mark.parametrize(("url", "text"), BAD_URLS)
async def test_a_url_that_is_none_is_told(url, text):
    with pytest.raises(ValueError, match=text) as refusal:
        async with open_store(url):
            pass
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("prefix", ["", "a{b}", "a*", "a b", "a\n", "x" * 65])
async def test_a_prefix_cannot_change_a_keys_shape(prefix):
    with pytest.raises(ValueError, match=r"store\.prefix"):
        async with open_store("redis://127.0.0.1", prefix=prefix):
            pass


def test_every_script_uses_the_one_key_that_it_is_given():
    """What makes every verb work in a cluster (design 9)."""
    scripts = load_scripts()
    assert len(scripts) >= 13
    for name, script in scripts.items():
        assert "KEYS[1]" in script.body, name
        assert script.body.count("KEYS[") == script.body.count("KEYS[1]"), name
        # Besides, in the prelude: TIME, and PUBLISH, whose channel is no key.
        published = script.body.count("redis.call('PUBLISH'")
        assert script.body.count("redis.call(") == script.body.count("', KEYS[1]") + 1 + published, name


async def test_a_replica_that_confirms_lets_a_revocation_pass():
    short = []
    with (
        running(valkey_binary(), "--repl-diskless-sync-delay", "0", port=free_port()) as primary,
        running(valkey_binary(), "--replicaof", f"127.0.0.1 {primary.port}", port=free_port()) as replica,
    ):
        url = f"redis://127.0.0.1:{primary.port}"
        async with (
            open_store(url, timeout_ms=20_000, wait_replicas=1, on_shortfall=short.append) as store,
            open_store(f"redis://127.0.0.1:{replica.port}", timeout_ms=10_000) as copy,
        ):
            # The first may come before the replica is in step: WAIT then waits for that.
            state = await redeemed(store)
            assert short == []
            assert await copy.read(state.grant.id) == state
            assert await store.revoke(state.grant.id) is True
            assert await copy.read(state.grant.id) is None
            assert await store.revoke(state.grant.id) is False


async def test_a_sentinel_names_the_primary():
    with running(valkey_binary(), port=free_port()) as primary, sentinel_of(primary.port) as sentinel:
        async with open_store(f"redis+sentinel://127.0.0.1:{sentinel.port}/main", timeout_ms=10_000) as store:
            state = await redeemed(store)
        async with patient_store(f"redis://127.0.0.1:{primary.port}") as store:
            assert await state_of(store, state.grant.id) == state

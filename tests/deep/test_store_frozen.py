"""A server that stops answering and comes back, with many callers: each is told in time, and nothing is left behind."""

import asyncio
import os
import signal
import time
from collections import Counter

import pytest
from redis import Redis

from sidecar.store.base import TURNS, StoreError
from sidecar.store.redis import open_store
from tests.store.build import redeemed
from tests.store.servers import free_port, running, valkey_binary

# Of thousands of operations that are given up, redis-py forgets a connection now and then; the collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TIMEOUT_MS = 500
SLACK = 2.5
"""Seconds that a busy machine may be late by."""
CALLERS = 24


@pytest.mark.parametrize("seconds", [2, 10])
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_a_frozen_server_is_told_in_time_and_used_again_when_it_thaws(scheme, seconds):
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port())) if "cluster" in scheme else ()
    with running(valkey_binary(), *options, port=free_port()) as server, Redis(port=server.port) as admin:
        if options:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
                pass
        async with (
            open_store(f"{scheme}://127.0.0.1:{server.port}", timeout_ms=10_000) as patient,
            open_store(f"{scheme}://127.0.0.1:{server.port}", timeout_ms=TIMEOUT_MS) as store,
        ):
            grant_id = (await redeemed(patient)).grant.id
            outcomes: Counter[str] = Counter()
            longest, over = 0.0, asyncio.Event()

            async def asking():
                nonlocal longest
                while not over.is_set():
                    began = time.monotonic()
                    try:
                        assert await store.peek(grant_id, 1), "an answer is the right one"
                        outcomes["answered"] += 1
                    except StoreError as error:
                        outcomes[str(error)] += 1
                    longest = max(longest, time.monotonic() - began)
                    await asyncio.sleep(0.01)

            callers = [asyncio.create_task(asking()) for _ in range(CALLERS)]
            os.kill(server.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)  # what is tested is that time
            assert outcomes["the store did not answer in time"] > 0
            os.kill(server.pid, signal.SIGCONT)
            outcomes.clear()
            async with asyncio.timeout(20):
                while outcomes["answered"] < 2 * CALLERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            over.set()
            await asyncio.gather(*callers)
            assert longest < TIMEOUT_MS / 1000 + SLACK
            assert not store.link._permits.locked()
            async with asyncio.timeout(10):  # the server has yet to see that those it never answered are gone
                while len(admin.client_list()) > 2 * TURNS:  # noqa: ASYNC110 - another process sets no Event
                    await asyncio.sleep(0.05)

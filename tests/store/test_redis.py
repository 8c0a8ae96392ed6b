"""The suite, races and faults on a real Redis server."""

import pytest
from redis.asyncio import Redis

from tests.store.conformance import *  # noqa: F403
from tests.store.on_servers import *  # noqa: F403
from tests.store.servers import redis_binary, running


@pytest.fixture(scope="module")
def url():
    with running(redis_binary()) as server:
        yield server.url


@pytest.fixture
async def client(url):
    client = Redis.from_url(url)
    yield client
    await client.aclose()

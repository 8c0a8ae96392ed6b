"""The suite, races and faults on the oldest Redis that we promise to work with (see SCHEMA.md), beside a newer one."""

import pytest

from sidecar.doctor.store import OLDEST
from tests.store.conformance import *  # noqa: F403
from tests.store.on_servers import *  # noqa: F403
from tests.store.servers import oldest_redis_binary, redis_binary, running

pytestmark = pytest.mark.skipif(
    redis_binary() == oldest_redis_binary(), reason="no redis-server on PATH: test_redis runs on the oldest"
)


@pytest.fixture(scope="module")
def url():
    with running(oldest_redis_binary()) as server:
        yield server.url


async def test_it_is_the_version_that_the_doctor_asks_for(client):
    version = (await client.info("server"))["redis_version"]
    assert tuple(map(int, version.split(".")[:2])) == OLDEST

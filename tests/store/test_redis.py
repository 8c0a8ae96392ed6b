"""The suite, races and faults on a real Redis server."""

import pytest

from tests.store.conformance import *  # noqa: F403
from tests.store.on_servers import *  # noqa: F403
from tests.store.servers import redis_binary, running


@pytest.fixture(scope="module")
def url():
    with running(redis_binary()) as server:
        yield server.url

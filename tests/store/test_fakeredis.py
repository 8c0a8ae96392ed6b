"""The suite on fakeredis with Lua: the store that other tests use."""

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from tests.store.conformance import *  # noqa: F403


@pytest.fixture
async def client():
    client = FakeAsyncRedis(server=FakeServer())
    yield client
    await client.aclose()

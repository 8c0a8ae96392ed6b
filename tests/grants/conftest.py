from collections.abc import AsyncIterator

import pytest

from tests.fakes.store import fake_store
from tests.grants.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with fake_store() as store:
        yield World(store)

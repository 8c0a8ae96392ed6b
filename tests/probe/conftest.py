"""A right server, and a probe of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sidecar.probe import Options, Report, probe
from tests.probe.fake import Fake

Probe = Callable[..., Awaitable[Report]]


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    async with Fake.running() as found:
        yield found


@pytest.fixture
def probed(fake: Fake) -> Probe:
    async def probed(url: str = "", **options: Any) -> Report:
        return await probe(Options(url or fake.mcp, **options))

    return probed

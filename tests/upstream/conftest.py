"""A provider to talk to, our client for it, and what was recorded on the way."""

from collections.abc import AsyncIterator

import pytest

from sidecar.events import Event, UpstreamCalled
from sidecar.upstream.client import Opened, open_upstream
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp
from tests.upstream.driver import Driver
from tests.upstream.servers import Origin, RawServer


class FakeMonotonic:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def monotonic() -> FakeMonotonic:
    return FakeMonotonic()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def calls(events: list[Event]) -> list[UpstreamCalled]:
    """The same list: this package records nothing else."""
    return events  # type: ignore[return-value]


@pytest.fixture
async def idp(clock: FakeClock) -> AsyncIterator[FakeIdp]:
    async with FakeIdp.running(clock=clock) as idp:
        yield idp


@pytest.fixture
async def opened(clock: FakeClock, monotonic: FakeMonotonic, events: list[Event]) -> AsyncIterator[Opened]:
    async with open_upstream(clock=clock, monotonic=monotonic, recorder=events.append) as opened:
        yield opened


@pytest.fixture
def driver(opened: Opened) -> Driver:
    return Driver(opened.upstream)


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with RawServer.running() as raw:
        yield raw


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin.running() as origin:
        yield origin

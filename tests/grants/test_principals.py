"""The memory of principals: never older than two seconds, never past an end, never filled with what is over."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.events import Event, PushChannel
from sidecar.grants.news import hear
from sidecar.grants.principal import Principal
from sidecar.grants.principals import STALENESS_SECONDS, Key, Principals
from sidecar.records import Grant, Identity
from sidecar.store.base import News
from tests.grants.world import SERVER

GRANT = Grant(
    id="0" * 32,
    issuer="https://mcp.example.com",
    pool_id="corp-1",
    client_id="c",
    client_name="",
    server="notes",
    resource=SERVER.resource,
    scopes=(),
    identity=Identity("alice"),
    redirect_uri="http://127.0.0.1/cb",
    code_challenge="x" * 43,
    refreshable=True,
    created_at=0,
    expires_at=100,
    reference="r",
)


class Ticks:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def principal(grant_id: str = "0" * 32) -> Principal:
    return Principal(replace(GRANT, id=grant_id), ("notes.read",), "up-1", 1)


def key(text: str) -> Key:
    return Key.of(text, SERVER, "corp-1")


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_the_deadline_counts_from_before_the_read(ticks: Ticks) -> None:
    """A store that took 1.5 s to answer leaves half a second."""
    memory = Principals(ticks)
    read_at = ticks.now
    ticks.now += 1.5
    memory.put(key("a"), principal(), read_at=read_at, remaining=3600)
    ticks.now = read_at + STALENESS_SECONDS - 0.01
    assert memory.get(key("a")) == principal()
    ticks.now = read_at + STALENESS_SECONDS
    assert memory.get(key("a")) is None


def test_never_past_the_end_of_a_token(ticks: Ticks) -> None:
    memory = Principals(ticks)
    memory.put(key("a"), principal(), read_at=ticks.now, remaining=1)
    ticks.now += 1
    assert memory.get(key("a")) is None


def test_an_end_is_heard_and_a_fill_that_races_it_is_refused(ticks: Ticks) -> None:
    """The read began before the news came: what it brings may be what was ended."""
    memory = Principals(ticks)
    memory.put(key("a"), principal(), read_at=ticks.now, remaining=3600)
    read_at = ticks.now
    ticks.now += 0.1
    memory.forget("0" * 32)
    assert memory.get(key("a")) is None
    memory.put(key("a"), principal(), read_at=read_at, remaining=3600)
    assert memory.get(key("a")) is None
    ticks.now += 0.1
    memory.put(key("a"), principal(), read_at=ticks.now, remaining=3600)
    assert memory.get(key("a")) is not None


async def test_an_outage_of_the_channel_is_told_once(ticks: Ticks) -> None:
    async def channel() -> AsyncIterator[News]:
        for item in (News("down", why="gone"), News("down", why="gone"), News("up"), News("up"), News("down")):
            yield item

    told: list[Event] = []
    await hear(channel(), Principals(ticks), told.append)
    assert told == [PushChannel(up=False, detail="gone"), PushChannel(up=True), PushChannel(up=False)]


def test_a_channel_that_was_down_forgets_everything_and_refuses_older_reads(ticks: Ticks) -> None:
    memory = Principals(ticks)
    memory.put(key("a"), principal(), read_at=ticks.now, remaining=3600)
    read_at = ticks.now
    ticks.now += 0.1
    memory.forget_all()
    assert memory.get(key("a")) is None
    memory.put(key("a"), principal(), read_at=read_at, remaining=3600)
    assert memory.get(key("a")) is None


def test_it_is_bounded(ticks: Ticks) -> None:
    memory = Principals(ticks, entries=3)
    for number in range(10):
        memory.put(key(str(number)), principal(f"{number:032x}"), read_at=ticks.now, remaining=3600)
    assert [number for number in range(10) if memory.get(key(str(number)))] == [7, 8, 9]


def test_ends_beyond_what_is_remembered_still_refuse_older_reads(ticks: Ticks) -> None:
    memory = Principals(ticks)
    read_at = ticks.now
    ticks.now += 0.1
    memory.forget("0" * 32)
    for number in range(1, 2000):
        memory.forget(f"{number:032x}")
    memory.put(key("a"), principal(), read_at=read_at, remaining=3600)
    assert memory.get(key("a")) is None


def test_the_same_token_at_another_resource_or_pool_is_another_entry(ticks: Ticks) -> None:
    memory = Principals(ticks)
    memory.put(key("a"), principal(), read_at=ticks.now, remaining=3600)
    assert memory.get(Key.of("a", replace(SERVER, resource="https://mcp.example.com/other"), "corp-1")) is None
    assert memory.get(Key.of("a", SERVER, "corp-2")) is None


@given(st.lists(st.tuples(st.sampled_from("pfgt"), st.integers(0, 4)), max_size=60))
def test_nothing_is_remembered_that_was_ended_after_it_was_read(steps: list[tuple[str, int]]) -> None:
    """Whatever the order of fills, ends and lookups, a hit was read after the last end and within the bound."""
    ticks = Ticks()
    memory = Principals(ticks, entries=3)
    ended: dict[int, float] = {}
    read: dict[int, float] = {}
    for step, number in steps:
        ticks.now += 0.25
        if step == "p":
            read[number] = ticks.now - 0.3
            memory.put(key(str(number)), principal(f"{number:032x}"), read_at=read[number], remaining=3600)
        elif step == "f":
            ended[number] = ticks.now
            memory.forget(f"{number:032x}")
        elif memory.get(key(str(number))) is not None:
            assert read[number] > ended.get(number, 0.0)
            assert ticks.now < read[number] + STALENESS_SECONDS

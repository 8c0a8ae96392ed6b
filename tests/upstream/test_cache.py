"""Single flight, freshness and the last good copy."""

import asyncio

import pytest

from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.cache import LastGood
from tests.upstream.conftest import FakeMonotonic


class Source:
    """What is loaded: a counter that can fail or wait."""

    def __init__(self) -> None:
        self.loads = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> int:
        self.loads += 1
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return self.loads


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def cache(monotonic: FakeMonotonic):
    cache: LastGood[str, int] = LastGood(monotonic, fresh=60, retry=5, patience=0.05, limit=2)
    yield cache
    await cache.close()


async def test_a_value_is_kept_while_fresh_and_then_loaded_again(cache, source: Source, monotonic: FakeMonotonic):
    assert [await cache.get("k", source), await cache.get("k", source)] == [1, 1]
    monotonic.advance(60)
    assert await cache.get("k", source) == 2


async def test_callers_share_one_load_and_one_that_gives_up_does_not_end_it(cache, source: Source):
    source.gate = asyncio.Event()
    impatient = asyncio.create_task(cache.get("k", source))
    others = [asyncio.create_task(cache.get("k", source)) for _ in range(5)]
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert await asyncio.gather(*others) == [1] * 5
    assert source.loads == 1


async def test_a_failure_keeps_the_last_good_value_and_is_not_repeated_at_once(cache, source, monotonic):
    await cache.get("k", source)
    source.error = UpstreamUnavailable("down")
    monotonic.advance(60)
    assert await cache.get("k", source) == 1
    assert await cache.get("k", source) == 1
    assert source.loads == 2
    monotonic.advance(5)
    await cache.get("k", source)
    assert source.loads == 3


async def test_without_a_value_the_failure_is_raised_as_it_was(cache, source: Source):
    source.error = UpstreamUnavailable("down", retry_after=9)
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable, match="down") as caught:
            await cache.get("k", source)
        assert caught.value.retry_after == 9
        assert caught.value is not source.error
    assert source.loads == 1

    other = Source()
    other.error = UpstreamMalformed("wrong issuer")
    with pytest.raises(UpstreamMalformed):
        await cache.get("other", other)


async def test_an_old_value_is_served_when_the_new_one_takes_long(cache, source: Source, monotonic: FakeMonotonic):
    await cache.get("k", source)
    monotonic.advance(60)
    source.gate = asyncio.Event()
    assert await cache.get("k", source) == 1
    source.gate.set()
    await asyncio.sleep(0)  # the load that nobody waits for any more
    await asyncio.sleep(0)
    assert await cache.get("k", source) == 2


async def test_a_first_load_that_takes_long_is_unavailable(cache, source: Source):
    source.gate = asyncio.Event()
    with pytest.raises(UpstreamUnavailable):
        await cache.get("k", source, seconds=0.02)


async def test_renewals_are_bounded(cache, source: Source, monotonic: FakeMonotonic):
    await cache.get("k", source)
    assert [await cache.renew("k", source) for _ in range(3)] == [2, 2, 2]
    monotonic.advance(60)
    assert await cache.renew("k", source) == 3


async def test_the_number_of_values_is_bounded(cache, source: Source):
    for key in ("a", "b", "c"):
        await cache.get(key, source)
    assert await cache.get("c", source) == 3
    assert await cache.get("a", source) == 4


async def test_a_fault_of_ours_is_not_mistaken_for_the_far_ends(cache, source: Source):
    source.error = RuntimeError("bug")
    with pytest.raises(RuntimeError):
        await cache.get("k", source)


async def test_what_was_never_loaded_is_given_up_first(cache, source: Source):
    """A stranger who names what does not exist pushes nothing out that does."""
    await cache.get("good", source)
    missing = Source()
    missing.error = UpstreamMalformed("404")
    for number in range(5):
        with pytest.raises(UpstreamMalformed):
            await cache.get(f"missing-{number}", missing)
    assert await cache.get("good", source) == 1


async def test_a_value_may_say_itself_how_long_it_is_fresh(source: Source, monotonic: FakeMonotonic):
    cache: LastGood[str, int] = LastGood(monotonic, fresh=60, retry=5, lifetime=lambda value: value * 10.0)
    assert cache.fresh_value("k") is None
    assert await cache.get("k", source) == 1
    monotonic.advance(9)
    assert cache.fresh_value("k") == 1
    monotonic.advance(1)
    assert cache.fresh_value("k") is None
    assert await cache.get("k", source) == 2
    monotonic.advance(19)
    assert await cache.get("k", source) == 2


async def test_an_old_value_serves_no_longer_than_it_may(source: Source, monotonic: FakeMonotonic):
    cache: LastGood[str, int] = LastGood(monotonic, fresh=60, retry=5, stale=100)
    await cache.get("k", source)
    source.error = UpstreamUnavailable("down")
    monotonic.advance(159)
    assert await cache.get("k", source) == 1
    monotonic.advance(1)
    with pytest.raises(UpstreamUnavailable, match="down"):
        await cache.get("k", source)


async def test_a_failure_that_ends_the_value_leaves_nothing_to_serve(source: Source, monotonic: FakeMonotonic):
    cache: LastGood[str, int] = LastGood(
        monotonic, fresh=60, retry=5, ends=lambda error: isinstance(error, UpstreamMalformed)
    )
    await cache.get("k", source)
    source.error = UpstreamMalformed("gone")
    with pytest.raises(UpstreamMalformed):
        await cache.renew("k", source)
    assert cache.fresh_value("k") is None
    source.error = UpstreamUnavailable("down")
    monotonic.advance(5)
    with pytest.raises(UpstreamUnavailable):
        await cache.get("k", source)

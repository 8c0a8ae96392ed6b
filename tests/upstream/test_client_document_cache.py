"""How often a document is fetched, how long it is kept, and what ends it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.events import UpstreamCalled
from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.client_documents import RETRY, DocumentFetcher, open_client_documents
from sidecar.upstream.guarded_fetch import MOST_AT_ONCE, MOST_PER_HOST
from tests.fakes.clock import FakeClock
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.publisher import Publisher, answer

_DAY = 86400


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    async with Publisher.running(tmp_path) as publisher:
        yield publisher


@pytest.fixture
async def documents(publisher: Publisher, clock: FakeClock, monotonic: FakeMonotonic, events: list):
    async with open_client_documents(
        events.append, monotonic, clock, internal_hosts=frozenset({"localhost"}), ca=publisher.ca
    ) as documents:
        yield documents


@pytest.mark.req(81)
@pytest.mark.parametrize(
    ("control", "kept"),
    [
        pytest.param("public, max-age=300", 300, id="max-age"),
        pytest.param("", 3600, id="nothing-said"),
        pytest.param("no-store", 60, id="no-store"),
        pytest.param("max-age=0", 60, id="zero"),
        pytest.param("max-age=1000000000", _DAY, id="for-ever"),
    ],
)
async def test_a_document_is_fetched_again_when_its_headers_say_so(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic, control: str, kept: int
):
    url = publisher.publish(cache_control=control)
    first = await documents.document(url)
    monotonic.advance(kept - 1)
    assert documents.cached(url) == await documents.document(url) == first
    assert len(publisher.asked) == 1

    publisher.answers["/client.json"] = answer(publisher.document(client_name="Renamed"))
    monotonic.advance(1)
    assert documents.cached(url) is None
    assert (await documents.document(url)).name == "Renamed"
    assert len(publisher.asked) == 2


@pytest.mark.req(81)
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        pytest.param(answer(status="503 Unavailable", cache_control="max-age=3600"), UpstreamUnavailable, id="503"),
        pytest.param(answer(status="404 Not Found", cache_control="max-age=3600"), UpstreamMalformed, id="404"),
        pytest.param(answer({"client_id": "x"}, cache_control="max-age=3600"), UpstreamMalformed, id="invalid"),
    ],
)
async def test_a_failure_is_remembered_for_seconds_and_never_kept(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic, bad: bytes, expected: type[Exception]
):
    publisher.answers["/client.json"] = bad
    for _ in range(3):
        with pytest.raises(expected):
            await documents.document(publisher.url())
    assert len(publisher.asked) == 1
    url = publisher.publish()
    monotonic.advance(RETRY)
    assert await documents.document(url)
    assert len(publisher.asked) == 2


async def test_many_sign_ins_at_once_are_one_fetch(documents: DocumentFetcher, publisher: Publisher):
    publisher.held = asyncio.Event()
    url = publisher.publish()
    waiting = [asyncio.create_task(documents.document(url)) for _ in range(20)]
    await publisher.asked_times(1)
    publisher.held.set()
    assert {found.url for found in await asyncio.gather(*waiting)} == {url}
    assert publisher.asked == ["/client.json"]


@pytest.mark.req(81)
async def test_a_last_good_copy_serves_for_a_day_while_the_far_end_is_down(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic
):
    url = publisher.publish(cache_control="max-age=300")
    good = await documents.document(url)
    publisher.answers["/client.json"] = answer(status="502 Bad Gateway")
    monotonic.advance(300)
    assert await documents.document(url) == good
    assert documents.cached(url) is None, "an old copy is no fresh one"
    monotonic.advance(_DAY - 1)
    assert await documents.document(url) == good
    monotonic.advance(1)
    with pytest.raises(UpstreamUnavailable):
        await documents.document(url)
    publisher.publish()
    monotonic.advance(RETRY)
    assert await documents.document(url) == good


@pytest.mark.req(81)
@pytest.mark.parametrize(
    "no",
    [
        pytest.param(answer(status="404 Not Found"), id="404"),
        pytest.param(answer(status="410 Gone"), id="410"),
        pytest.param(answer(status="403 Forbidden"), id="403"),
        pytest.param(answer(status="302 Found", location="/other"), id="redirect"),
        pytest.param(answer(b"<html>", content_type="text/html"), id="html"),
        pytest.param(answer({"client_id": "x"}), id="invalid"),
        pytest.param(answer(b" " * 6000), id="too-long"),
    ],
)
async def test_a_definite_no_ends_the_last_good_copy(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic, no: bytes
):
    url = publisher.publish(cache_control="max-age=300")
    await documents.document(url)
    publisher.answers["/client.json"] = no
    monotonic.advance(300)
    with pytest.raises(UpstreamMalformed):
        await documents.document(url)
    publisher.answers["/client.json"] = answer(status="503 Unavailable")
    monotonic.advance(RETRY)
    with pytest.raises(UpstreamUnavailable):
        await documents.document(url)


async def test_the_number_of_fetches_under_way_is_bounded(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic, calls: list[UpstreamCalled]
):
    publisher.held = asyncio.Event()
    urls = [publisher.publish(f"/{number}") for number in range(MOST_AT_ONCE + 1)]
    waiting = [asyncio.create_task(documents.document(url)) for url in urls[:-1]]
    await publisher.asked_times(MOST_AT_ONCE)
    with pytest.raises(UpstreamUnavailable):
        await documents.document(urls[-1])
    assert [(call.operation, call.outcome) for call in calls] == [("client_document", "unavailable")]
    publisher.held.set()
    assert len(await asyncio.gather(*waiting)) == MOST_AT_ONCE
    assert f"/{MOST_AT_ONCE}" not in publisher.asked

    monotonic.advance(RETRY)
    assert await documents.document(urls[-1])


async def test_made_up_names_do_not_make_us_hammer_a_host(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic
):
    """Threat DC-13: what is cached is served all the same."""
    good = publisher.publish()
    await documents.document(good)
    for number in range(MOST_PER_HOST - 1):
        with pytest.raises(UpstreamMalformed):
            await documents.document(publisher.url(f"/made-up/{number}"))
    with pytest.raises(UpstreamUnavailable):
        await documents.document(publisher.url("/made-up/more"))
    assert len(publisher.asked) == MOST_PER_HOST
    assert await documents.document(good)
    monotonic.advance(60)
    assert await documents.document(publisher.publish("/other.json"))

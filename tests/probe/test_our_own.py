"""The probe against the whole demo: real Envoy, real sidecar. What it says of us must be good."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sidecar import events
from sidecar.probe import Options, probe
from tests.flows.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running(tmp_path_factory.mktemp("demo")) as found:
        yield found


@pytest.mark.req(9, 10, 11, 13, 17, 20, 21, 22, 23, 24, 26, 27, 28, 32, 34, 37, 40, 59, 169)
async def test_clients_get_in_and_nothing_is_wrong(demo: Running) -> None:
    report = await probe(Options(demo.url, register=True))
    assert report.findings == ()
    assert (report.mode, report.exit_code) == ("oauth-dcr", 0)


@pytest.mark.req(73)
async def test_nothing_is_left_behind(demo: Running) -> None:
    demo.events.clear()
    await probe(Options(demo.url, register=True))
    registered, deleted = demo.happened(events.ClientRegistered), demo.happened(events.ClientDeleted)
    assert [one.client for one in registered] == [one.client for one in deleted]
    assert len(registered) == 1


@pytest.mark.req(12)
async def test_the_form_with_a_slash_is_right_too(demo: Running) -> None:
    report = await probe(Options(f"{demo.url}/"))
    assert [one.id for one in report.findings if one.level != "note"] == []
    assert report.mode == "oauth-dcr"


@pytest.mark.req(188)
async def test_an_origin_that_is_not_allowed_is_told(demo: Running) -> None:
    report = await probe(Options(demo.url, browser_origin="https://stranger.example"))
    assert {one.id for one in report.findings} == {"cors-preflight", "cors-answer"}
    assert (report.mode, report.exit_code) == ("oauth-dcr", 1)

"""The front channel in a real browser: does our policy let the redirect chain through, and do the pages work there?"""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.deep.browsing import APPROVE, DENY, asked, on_loopback, site
from tests.fakes.chromium import running_chromium
from tests.fakes.idp import Fault

CURSOR = "cursor://anysphere.cursor-mcp/oauth/callback"


@pytest.fixture
async def loopback() -> AsyncIterator[str]:
    """A program on this computer that waits for an answer."""
    async with site() as port:
        yield f"http://localhost:{port}/cb"


@pytest.mark.req(106, 124)
async def test_the_chain_from_approval_to_the_client_is_not_blocked(loopback: str):
    async with on_loopback() as (front, iss), running_chromium() as tab:
        for redirect in (loopback, loopback.replace("localhost", "127.0.0.1"), CURSOR):
            for button, expected in ((APPROVE, "code="), (DENY, "error=access_denied")):
                await asked(front, iss, tab, redirect)
                assert await tab.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "14px"
                await tab.click(button)
                await tab.settled(lambda: tab.visited[-1].startswith(f"{redirect}?{expected}"))  # noqa: B023
                assert not [text for text in tab.complaints if "Security Policy" in text]


async def test_a_double_click_sends_the_form_once(loopback: str):
    """The second half would otherwise replace the answer to the first with "was answered already"."""
    async with on_loopback() as (front, iss), running_chromium() as tab:
        held = asyncio.Event()
        front.idp.fail("discovery", Fault(hold=held))
        await asked(front, iss, tab, loopback)
        await tab.click(APPROVE, times=3)
        await tab.settled(lambda: bool(front.idp.seen("discovery")))
        held.set()
        await tab.settled(lambda: tab.visited[-1].startswith(loopback))
        assert front.store.calls.count("spend_form") == 1


async def test_the_keyboard_is_enough(loopback: str):
    async with on_loopback() as (front, iss), running_chromium() as tab:
        await asked(front, iss, tab, loopback)
        await tab.press("Tab")
        assert await tab.evaluate("document.activeElement.value") == "approve"
        outline = await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await tab.press("Enter")
        await tab.settled(lambda: tab.visited[-1].startswith(loopback))


async def test_nothing_in_a_hostile_registration_runs(loopback: str):
    async with on_loopback() as (front, iss), running_chromium() as tab:
        name = "</h1><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
        await asked(front, iss, tab, loopback, name=name)
        assert await tab.evaluate("document.title") == "Connect an app to notes"
        assert await tab.evaluate("document.querySelectorAll('script, img').length") == 0
        assert json.dumps(name)[1:20] in json.dumps(await tab.evaluate("document.body.innerText"))


async def test_the_page_fits_a_phone_and_follows_the_dark(loopback: str):
    async with on_loopback() as (front, iss), running_chromium() as tab:
        await tab.tell("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=2, mobile=True)
        await asked(front, iss, tab, loopback, name="W" * 60)
        assert await tab.evaluate("document.documentElement.scrollWidth") == 320
        assert (
            await tab.evaluate("Math.min(...[...document.querySelectorAll('button')].map(b => b.offsetHeight))") >= 44
        )
        paint = "getComputedStyle(document.body).backgroundColor"
        light = await tab.evaluate(paint)
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        await tab.tell("Emulation.setEmulatedMedia", features=dark)
        assert await tab.evaluate(paint) != light

"""Which bytes of a Cookie header are our cookies: what a browser sends for one that we set, and nothing near it.

A page on a sibling host can set cookies for the whole domain. Browsers refuse it a name that begins with `__Host-`, so
whatever it can set must never be read as such a name here: a stranger's sign-in would end in the victim's browser.
"""

import hashlib
import time
from collections.abc import AsyncIterator

import pytest

from sidecar.events import UnexpectedError
from tests.endpoints.conftest import Face
from tests.endpoints.front import ISS, Answer, Browser, Front, running_front

WEB = "https://app.example/cb"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        yield running


async def arrive(front: Front, callback_query: str, cookie: str) -> Answer:
    """Another browser's visit to the callback, with this Cookie header."""
    return await Browser(front, ISS).request("GET", f"/callback?{callback_query}", headers={"Cookie": cookie})


async def started_by_somebody_else(front: Front) -> tuple[str, str, str]:
    """Name and value of the stranger's transaction cookie, and what the IdP sends the victim's browser back with."""
    stranger = front.browser()
    back = await stranger.leave_for_idp(await front.register(WEB))
    (name,) = stranger.txn_cookies()
    return name, stranger.cookies[name], back


@pytest.mark.req(112)
@pytest.mark.parametrize(
    "planted",
    [
        pytest.param("z=1, {name}={value}", id="comma and blank inside a value"),
        pytest.param("z=1 {name}={value}", id="blank inside a value"),
        pytest.param("z=1\t{name}={value}", id="tab inside a value"),
        pytest.param('z="; {name}={value}"', id="quotes around it"),
        pytest.param('z="1" {name}={value}', id="after a quoted value"),
        pytest.param("\u2000{name}={value}", id="U+2000 before the name"),
        pytest.param("\u00a0{name}={value}", id="NBSP before the name"),
        pytest.param("a=b; \u3000{name}={value}", id="U+3000 before the name"),
        pytest.param("{name}\u2000={value}", id="U+2000 after the name"),
        pytest.param("{name} ={value}", id="blank after the name"),
        pytest.param("={name}={value}", id="no name"),
        pytest.param("{lower}={value}", id="another case"),
    ],
)
async def test_what_a_sibling_host_can_set_is_never_our_cookie(front: Front, planted: str):
    name, value, back = await started_by_somebody_else(front)
    planted = planted.format(name=name, lower=name.lower(), value=value)
    answer = await arrive(front, back, planted)
    assert answer.status == 403, answer.headers.get("Location")
    assert front.idp.seen("token") == []


async def test_of_two_cookies_with_one_name_none_counts(front: Front):
    name, value, back = await started_by_somebody_else(front)
    assert (await arrive(front, back, f"{name}={'A' * 43}; {name}={value}")).status == 403


@pytest.mark.parametrize("before", ["a=b; ", "broken; ", "[x]=1; ", 'q="; ', "\u00e9=1; ", "; ;", "a=b;"])
async def test_other_cookies_do_not_hide_ours(front: Front, before: str):
    name, value, back = await started_by_somebody_else(front)
    assert (await arrive(front, back, f"{before}{name}={value}")).status == 303


@pytest.mark.parametrize("value", ["\u00e9", "", "x" * 5000, '"quoted"'])
async def test_a_cookie_of_ours_with_an_impossible_value_is_none(front: Front, value: str):
    name, _, back = await started_by_somebody_else(front)
    assert (await arrive(front, back, f"{name}={value}")).status == 403
    assert front.seen(UnexpectedError) == []


async def test_a_cookie_that_is_no_text_is_none(face: Face):
    name = f"__Host-dcr-txn-{hashlib.sha256(b'S').hexdigest()[:8]}"
    target = "GET /callback?state=S&code=x HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: close"
    answer = await face.raw(f"{target}\r\nCookie: {name}=\xff\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert face.events_of(UnexpectedError) == []


async def test_cookies_with_odd_names_do_not_stop_an_approval(front: Front):
    tab = front.browser()
    page = await tab.ask(await front.register(WEB))
    tab.cookies |= {f"__Host-dcr-txn-[{number}]": "x" for number in range(8)}
    away = await tab.approve(page)
    assert away.status == 303
    assert len(away.cookies) == 1
    assert front.seen(UnexpectedError) == []


@pytest.mark.parametrize("filler", [" ", "; ", ";", "a", "=a", "a ", "\t;"])
async def test_a_long_cookie_header_costs_no_time(face: Face, filler: str):
    """Reading it is linear: a quadratic reading of this length would take a minute."""
    started = time.monotonic()
    for _ in range(5):
        await face.get("/callback?state=S&code=x", headers={"Cookie": "a" + filler * (60_000 // len(filler)) + "b"})
    assert time.monotonic() - started < 5

"""Sign-ins in a real browser that are disturbed: other sites, other tabs, the back button, and time.

That a header is sent is tested elsewhere; here it is what Chromium makes of it.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sidecar.events import SignedIn
from tests.deep.browsing import APPROVE, DENY, TEXT, asked, hosts, https_for, on_loopback, reached, request_of, site
from tests.endpoints.front import ISS, NOTES, Front, running_front, with_rule
from tests.fakes.chromium import Tab, running_chromium, running_tabs
from tests.fakes.idp import Fault

FORM = "document.querySelector('input[name=form]').value"
SITES = [pytest.param("localhost", id="another-site"), pytest.param("127.0.0.1", id="another-origin-of-the-site")]


def nothing_started(front: Front) -> bool:
    return not {"spend_form", "start"} & set(front.store.calls)


def forged(action: str, form: str) -> str:
    """A page that approves by itself, as far as it can."""
    fields = f"<input name=form value='{form}'><input name=decision value=approve>"
    submit = "setTimeout(() => document.forms[0].submit())"
    return f"<body onload='{submit}'><form method=post action='{action}'>{fields}</form>"


async def our_cookies(tab: Tab, what: str) -> list[dict[str, object]]:
    cookies = (await tab.tell("Network.getAllCookies"))["cookies"]
    return [cookie for cookie in cookies if what in cookie["name"]]


@pytest.mark.req(106, 109)
async def test_the_chain_ends_at_an_https_client_and_host_cookies_hold(tmp_path: Path):
    tls, accepted = https_for(tmp_path)
    async with running_front(tls=tls) as front, site(tls=tls) as app:
        names = hosts({"mcp.example.com": urlsplit(front.base).port or 0, "app.example": app})
        async with running_chromium(accepted, names) as tab:
            for button, expected in ((APPROVE, "code="), (DENY, "error=access_denied")):
                await asked(front, ISS, tab, "https://app.example/cb")
                await tab.click(button)
                await tab.until(f"location.href.startsWith('https://app.example/cb?{expected}')")
                assert tab.complaints == []
            [cookie] = await our_cookies(tab, "dcr-")
            assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-dcr-csrf", True, True)


async def test_two_tabs_sign_two_clients_in_at_once():
    async with on_loopback() as (front, iss), site() as one, site() as other, running_tabs(2) as tabs:
        held = asyncio.Event()
        front.idp.fail("authorize", Fault(hold=held))
        redirects = [f"http://localhost:{port}/cb" for port in (one, other)]
        for tab, redirect in zip(tabs, redirects, strict=True):
            await asked(front, iss, tab, redirect)
        for tab in tabs:
            await tab.tell("Page.bringToFront")
            await tab.click(APPROVE)
        await tabs[0].settled(lambda: len(front.idp.seen("authorize")) == 2)
        held.set()
        for tab, redirect in zip(tabs, redirects, strict=True):
            await tab.until(f"location.href.startsWith('{redirect}?code=')")
        assert len({signed_in.client for signed_in in front.seen(SignedIn)}) == 2


async def test_back_after_approval_asks_anew_and_the_old_page_cannot_be_answered_again():
    async with on_loopback() as (front, iss), site() as app, running_chromium() as tab:
        await asked(front, iss, tab, f"http://localhost:{app}/cb")
        old = await tab.evaluate(FORM)
        await tab.click(APPROVE)
        await tab.until("location.search.startsWith('?code=')")
        await tab.back()
        await reached(tab, "use notes?")
        assert await tab.evaluate(FORM) != old
        # Chromium fetches the page again; a browser that kept it would send what stood in it.
        await tab.evaluate(f"{FORM} = '{old}'")
        await tab.click(APPROVE)
        await reached(tab, "This page was answered already")
        assert (tab.status, len(front.seen(SignedIn)), front.store.calls.count("start")) == (400, 1, 1)


async def test_the_page_that_stays_when_an_app_opens_cannot_be_answered_again():
    """A private scheme replaces no page, so the answered one stays in front of the user."""
    cursor = "cursor://anysphere.cursor-mcp/oauth/callback"
    async with on_loopback() as (front, iss), running_chromium() as tab:
        await asked(front, iss, tab, cursor)
        await tab.click(APPROVE)
        await tab.settled(lambda: tab.visited[-1].startswith(f"{cursor}?code="))
        await tab.evaluate(f"document.querySelector('{APPROVE}').click()")
        await reached(tab, "This page was answered already")
        assert "connect again from your app" in await tab.evaluate(TEXT)
        assert (tab.status, len(front.seen(SignedIn))) == (400, 1)


@pytest.mark.req(120)
async def test_back_to_the_callback_says_that_the_sign_in_is_over():
    async with on_loopback() as (front, iss), site() as app, running_chromium() as tab:
        await asked(front, iss, tab, f"http://localhost:{app}/cb")
        await tab.click(APPROVE)
        await tab.until("location.search.startsWith('?code=')")
        await tab.open(next(url for url in tab.visited if url.startswith(f"{iss}/callback?")))
        await reached(tab, "This sign-in is over")
        await tab.open(f"http://localhost:{app}/")
        await tab.back()
        await reached(tab, "This sign-in is over")
        assert (tab.status, len(front.seen(SignedIn)), len(front.idp.seen("token"))) == (400, 1, 1)


@pytest.mark.req(120)
async def test_back_to_the_page_of_a_refused_user_judges_nothing_again():
    async with on_loopback() as (front, iss), site() as app, running_chromium() as tab:
        front.change(
            with_rule(replace(NOTES, issuer=iss, resource=f"{iss}/mcp"), emails=frozenset({"bob@example.com"}))
        )
        await asked(front, iss, tab, f"http://localhost:{app}/cb")
        await tab.click(APPROVE)
        await reached(tab, "You have no access")
        assert tab.status == 403
        await tab.click("main a")
        await tab.until("location.search.startsWith('?error=access_denied')")
        await tab.back()
        await reached(tab, "This sign-in is over")
        assert (tab.status, front.seen(SignedIn), len(front.idp.seen("token"))) == (400, [], 1)


async def test_a_page_that_was_open_too_long_says_what_to_do():
    async with on_loopback() as (front, iss), running_chromium() as tab:
        await asked(front, iss, tab, "http://localhost:1/cb")
        front.clock.advance(600)
        await tab.click(APPROVE)
        await reached(tab, "This page was open for too long")
        assert "Go back to your app and connect again from there." in await tab.evaluate(TEXT)
        assert tab.status == 400
        assert nothing_started(front)
        assert front.idp.requests == []


@pytest.mark.req(105)
@pytest.mark.parametrize("host", SITES)
async def test_a_page_that_frames_us_shows_nothing_of_ours(host: str):
    # In one process, so that one snapshot holds the documents of all frames; the last one proves that it does.
    async with on_loopback() as (front, iss), running_chromium("--disable-site-isolation-trials") as tab:
        ours = await request_of(front, iss, "http://localhost:1/cb")
        frames = f"<iframe src='{ours}'></iframe><object data='{ours}'></object><embed src='{ours}'>"
        async with site("a free frame") as free, site(f"{frames}<iframe src='//127.0.0.1:{free}'></iframe>") as framing:
            await tab.open(f"http://{host}:{framing}/")
            snapshot = await tab.tell("DOMSnapshot.captureSnapshot", computedStyles=[])
        shown = " ".join(snapshot["strings"])
        assert "a free frame" in shown
        assert "Continue to sign in" not in shown
        assert sum("frame-ancestors 'none'" in text for text in tab.complaints) == 3


@pytest.mark.req(104)
@pytest.mark.parametrize("host", SITES)
async def test_a_form_that_another_origin_sends_approves_nothing(host: str):
    async with on_loopback() as (front, iss), running_chromium() as tab:
        request = await request_of(front, iss, "http://localhost:1/cb")
        attackers = (await front.browser(iss).request("GET", request.removeprefix(iss))).form
        await tab.open(request)
        stolen = await tab.evaluate(FORM)
        for form in (attackers, stolen):
            async with site(forged(f"{iss}/authorize", form)) as attacker:
                await tab.open(f"http://{host}:{attacker}/")
                await reached(tab, "This answer did not come from our page")
                assert tab.status == 403
        assert len(await our_cookies(tab, "csrf")) == 1
        assert not await our_cookies(tab, "txn")
        assert nothing_started(front)


@pytest.mark.req(112)
async def test_a_strangers_return_from_the_provider_is_not_finished_here():
    async with on_loopback() as (front, iss), site() as app, running_chromium() as tab:
        redirect = f"http://localhost:{app}/cb"
        client = await front.register(redirect, issuer=iss)
        back = await front.browser(iss).leave_for_idp(client, redirect_uri=redirect, resource=f"{iss}/mcp")
        await asked(front, iss, tab, redirect)
        async with site(f"<a href='{iss}/callback?{back}'>a prize</a>") as attacker:
            await tab.open(f"http://localhost:{attacker}/")
            await tab.click("a")
            await reached(tab, "This sign-in belongs to another browser")
        assert (tab.status, front.idp.seen("token")) == (403, [])


async def test_a_link_and_a_redirect_from_another_site_still_ask():
    async with on_loopback() as (front, iss), site() as app, running_chromium() as tab:
        request = await request_of(front, iss, f"http://localhost:{app}/cb")
        links = f"<a id=link href='{request}'>connect</a> <a id=redirect href='/onward'>connect</a>"
        async with site(links, onward=request) as elsewhere:
            for link in ("#link", "#redirect"):
                await tab.open(f"http://localhost:{elsewhere}/")
                await tab.click(link)
                await reached(tab, "use notes?")
                await tab.click(APPROVE)
                await tab.until("location.search.startsWith('?code=')")
        assert len(front.seen(SignedIn)) == 2


async def test_the_cookie_survives_a_login_form_on_another_site():
    page = Fault(status=200, body="<form method=post><button>Sign in</button></form>", content_type="text/html")
    async with on_loopback("localhost") as (front, iss), site() as app, running_chromium() as tab:
        front.idp.fail("authorize", page)
        await asked(front, iss, tab, f"http://localhost:{app}/cb")
        await tab.click(APPROVE)
        await tab.until(f"location.origin === '{front.idp.issuer}' && document.readyState === 'complete'")
        [cookie] = await our_cookies(tab, "txn")
        assert (cookie["sameSite"], cookie["domain"]) == ("Lax", "localhost")
        front.idp.heal()
        await tab.click("button")
        await tab.until("location.search.startsWith('?code=')")
        assert not await our_cookies(tab, "txn")

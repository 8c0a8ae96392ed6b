"""The consent page and the answer to it: what the user sees, and what it takes to approve (design 12.5)."""

import asyncio
import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from sidecar.directory import Server
from sidecar.events import AuthorizationRefused, ConsentAsked, ConsentDenied, ConsentGiven
from tests.endpoints.front import ISS, LONG, NOTES, RESOURCE, SAME_ORIGIN, Answer, Browser, Front, running_front
from tests.fakes.idp import Fault

WEB = "https://app.example/cb"
CSRF = "__Host-dcr-csrf"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        yield running


def refused(answer: Answer, *statuses: int) -> None:
    """A page of ours: nothing approved, nobody redirected, no cookie that the callback would take."""
    assert answer.status in (statuses or (400, 403))
    assert "Location" not in answer.headers
    assert not [line for line in answer.cookies if "-txn-" in line]


# What is shown -------------------------------------------------------------------------------------------------------


@pytest.mark.req(101, 102, 103)
async def test_the_page_names_who_asks_for_what_and_where_it_goes(front: Front):
    client = await front.register(WEB, name="Notes Helper")
    words = (await front.browser().ask(client, scope="notes.read notes.write")).visible
    for part in ("Notes Helper", "not verified", "app.example", WEB, "notes", RESOURCE, "notes.read", "notes.write"):
        assert part in words, part
    assert f"You sign in at {urlsplit(front.idp.url).hostname}" in words
    assert client[:12] in words


@pytest.mark.req(101)
async def test_consent_is_asked_every_time_and_before_the_idp(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    await tab.come_back(await tab.leave_for_idp(client))
    before = len(front.idp.requests)
    again = await tab.ask(client)
    assert again.status == 200
    assert again.form
    assert len(front.idp.requests) == before
    assert len(front.seen(ConsentAsked)) == 2


@pytest.mark.req(103)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("<script>alert(1)</script>", id="script"),
        pytest.param("\"'><img src=x onerror=alert(1)>", id="attribute"),
        pytest.param("{{ 7 * 7 }}", id="template"),
        pytest.param("</title><style>*{display:none}", id="style"),
        pytest.param("W" * 120, id="long"),
    ],
)
async def test_a_hostile_name_stays_text(front: Front, name: str):
    client = await front.register(WEB, name=name)
    page = await front.browser().ask(client)
    assert f"App {name} not verified" in page.visible
    assert not re.search("<script|<img", page.text)
    assert page.text.count("<style>") == page.text.count("<title>") == 1


async def test_a_client_without_a_name_is_this_app(front: Front):
    client = await front.register(WEB, name="")
    page = await front.browser().ask(client)
    assert "Let this app use notes ?" in page.visible
    assert "Gave no name" in page.visible


@pytest.mark.req(102)
@pytest.mark.parametrize(
    ("redirect", "warning"),
    [
        pytest.param("http://127.0.0.1:5000/cb", "This is a program on this computer", id="loopback"),
        pytest.param("http://localhost:5000/cb", "This is a program on this computer", id="localhost"),
        pytest.param("cursor://anysphere.cursor-mcp/oauth/callback", "This opens an app on this device", id="scheme"),
        pytest.param("https://xn--pypal-4ve.example/cb", "Unusual address", id="IDN"),
        pytest.param(WEB, "", id="web"),
    ],
)
async def test_where_the_answer_goes_is_warned_about(front: Front, redirect: str, warning: str):
    client = await front.register(redirect)
    words = (await front.browser().ask(client, redirect_uri=redirect)).visible
    warnings = ("This is a program on this computer", "This opens an app on this device", "Unusual address")
    assert [each for each in warnings if each in words] == ([warning] if warning else [])
    assert redirect in words


async def test_the_page_can_be_used_without_seeing_it_or_a_mouse(front: Front):
    page = await front.browser().ask(await front.register(WEB))
    assert '<html lang="en">' in page.text
    assert len(re.findall(r"<h1[ >]", page.text)) == 1
    assert all(page.text.count(f"<{tag}>") == 1 for tag in ("title", "main", "footer"))
    assert page.text.count("<dt>") == page.text.count("<dd>")
    assert not re.search(r"tabindex|<svg(?![^>]*aria-hidden)|maximum-scale|user-scalable", page.text)
    assert [label.strip() for label in re.findall(r"<button[^>]*>([^<]+)<", page.text)] == [
        "Continue to sign in",
        "Cancel",
    ]


# Headers -------------------------------------------------------------------------------------------------------------


@pytest.mark.req(105, 106, 107)
async def test_every_page_has_the_headers_that_keep_it_to_itself(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    consent = await tab.ask(client)
    used = await tab.answer(consent.form, headers={"Sec-Fetch-Site": "cross-site"})
    for page in (consent, await tab.ask("nobody"), used, await tab.come_back("")):
        policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
        style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
        assert style
        digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert policy == {
            "default-src": "'none'",
            "style-src": f"'sha256-{digest}'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }, "and no form-action: Chromium applies it to the whole redirect chain"
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"<script|<link|<img|<iframe| on[a-z]+=| style=|http-equiv", page.text)


@pytest.mark.req(109)
async def test_cookies_are_host_only_and_no_script_reads_them(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    away = await tab.approve(page)
    (form_cookie,), (binding,) = page.cookies, away.cookies
    assert form_cookie.startswith(f"{CSRF}=")
    assert re.match(r"__Host-dcr-txn-[0-9a-f]{8}=[A-Za-z0-9_-]{43};", binding)
    assert "Max-Age=600" in binding
    for line in (form_cookie, binding):
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
        assert "Domain" not in line


@pytest.mark.req(109)
async def test_on_plain_http_loopback_the_port_is_in_the_cookies_names():
    iss = "http://127.0.0.1:18080"
    async with running_front(_at(iss), issuers=(iss,)) as front:
        client = await front.register(WEB, issuer=iss)
        tab = front.browser(iss)
        page = await tab.ask(client, resource=f"{iss}/mcp")
        away = await tab.approve(page)
        assert page.cookies[0].startswith("dcr-csrf-18080=")
        assert re.match(r"dcr-txn-18080-[0-9a-f]{8}=", away.cookies[0])
        assert "Secure" not in page.cookies[0] + away.cookies[0]
        done = await tab.come_back(await front.at_idp(away.location))
        assert done.query["iss"] == iss
        assert tab.txn_cookies() == []


def _at(iss: str) -> Server:
    return replace(NOTES, issuer=iss, resource=f"{iss}/mcp")


async def test_an_issuer_with_a_path_keeps_its_endpoints_under_it():
    iss = f"{ISS}/team-a"
    async with running_front(_at(iss), issuers=(iss,)) as front:
        client = await front.register(WEB, issuer=iss)
        tab = front.browser(iss)
        page = await tab.ask(client, resource=f"{iss}/mcp")
        assert 'action="/team-a/authorize"' in page.text
        assert "Path=/;" in page.cookies[0]
        done = await tab.come_back(await front.at_idp((await tab.approve(page)).location))
        assert done.query["iss"] == iss


# Approving -----------------------------------------------------------------------------------------------------------


@pytest.mark.req(104, 111, 112, 113, 114, 116)
async def test_approval_leads_to_the_idp_with_nothing_but_our_own_parameters(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client, raw="&login_hint=bob&prompt=none&foo=bar", state="client-state&redirect_uri=evil")
    away = await tab.approve(page)
    assert away.status == 303
    assert away.headers["Cache-Control"] == "no-store"
    parts = urlsplit(away.location)
    assert f"{parts.scheme}://{parts.netloc}" == front.idp.url
    sent = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    assert sent.keys() == {
        *("response_type", "client_id", "redirect_uri", "state", "scope", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert sent["client_id"] == front.idp.client_id
    assert sent["redirect_uri"] == f"{ISS}/callback"
    assert sent["code_challenge_method"] == "S256"
    for secret in ("state", "nonce", "code_challenge"):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", sent[secret]), secret
    assert not {client, "client-state", WEB, RESOURCE} & set(sent.values())
    assert front.seen(ConsentGiven)[0].scopes == ("notes.read",)


@pytest.mark.req(108, 111)
async def test_denying_tells_the_client_and_spends_the_form(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    answer = await tab.answer(page.form, "deny")
    assert answer.status == 303
    assert answer.location.startswith(f"{WEB}?")
    assert {key: answer.query[key] for key in ("error", "state", "iss")} == {
        "error": "access_denied",
        "state": "client-state",
        "iss": ISS,
    }
    assert "start" not in front.store.calls
    assert len(front.seen(ConsentDenied)) == 1
    refused(await tab.answer(page.form), 400)


@pytest.mark.req(104)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="neither header"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": ISS}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="sibling host"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="typed"),
        pytest.param({"Sec-Fetch-Site": ""}, id="empty"),
        pytest.param({"Origin": "https://evil.example"}, id="other origin"),
        pytest.param({"Origin": "null"}, id="opaque origin"),
        pytest.param({"Origin": "http://mcp.example.com"}, id="other scheme"),
        pytest.param({"Origin": f"{ISS}:8443"}, id="other port"),
        pytest.param({"Origin": f"{ISS}.evil.example"}, id="suffixed origin"),
        pytest.param({"Referer": f"{ISS}/authorize"}, id="a Referer is not enough"),
    ],
)
async def test_a_form_that_another_site_sent_approves_nothing(front: Front, headers: dict[str, str]):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    refused(await tab.answer(page.form, headers=headers), 403)
    assert front.seen(AuthorizationRefused)[0].step == "approve"
    assert not {"spend_form", "start"} & set(front.store.calls)
    assert (await tab.approve(page)).status == 303, "the form was not spent by it"


async def test_an_older_browser_is_known_by_its_origin(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    assert (await tab.answer(page.form, headers={"Origin": ISS})).status == 303


@pytest.mark.req(104)
async def test_a_form_works_in_no_other_browser(front: Front):
    """AZ-12: the attacker's own form, handed to the victim's browser."""
    client = await front.register(WEB)
    attacker, victim = front.browser(), front.browser()
    page = await attacker.ask(client)
    await victim.ask(client)
    refused(await victim.answer(page.form), 400)
    refused(await front.browser().answer(page.form), 403)
    assert "start" not in front.store.calls
    assert (await attacker.approve(page)).status == 303


@pytest.mark.req(104)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("short", id="short"),
        pytest.param("A" * 43, id="another"),
        pytest.param("A" * 44, id="long"),
    ],
)
async def test_a_changed_cookie_approves_nothing_and_is_replaced(front: Front, value: str):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    tab.cookies[CSRF] = value
    refused(await tab.answer(page.form))
    assert (await tab.approve(await tab.ask(client))).status == 303


@pytest.mark.req(104)
async def test_a_changed_form_approves_nothing(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    form = page.form
    broken = (form[:-8], form[4:], "AAAA" + form[4:], form[:50] + ("B" if form[50] == "A" else "A") + form[51:])
    for text in (*broken, "A" * 40, "%", "\u00fc"):
        refused(await tab.answer(text), 400)
    refused(await tab.request("POST", "/authorize", data="form=&decision=approve", headers=_urlencoded()), 400)
    refused(await tab.answer(form, "maybe"), 400)
    twice = f"form={form}&form={form}&decision=approve"
    refused(await tab.request("POST", "/authorize", data=twice, headers=_urlencoded()), 400)
    assert "spend_form" not in front.store.calls
    assert (await tab.approve(page)).status == 303


def _urlencoded() -> dict[str, str]:
    return {**SAME_ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.req(104)
async def test_a_form_works_once_however_many_send_it(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    cookies = dict(tab.cookies)
    tabs = [Browser(front, ISS, dict(cookies)) for _ in range(10)]
    answers = await asyncio.gather(*(each.answer(page.form) for each in tabs))
    assert sorted(answer.status for answer in answers) == [303] + [400] * 9
    assert front.store.calls.count("start") == 1


async def test_two_tabs_and_a_second_get_do_not_disturb_each_other(front: Front):
    """One user of another proxy failed 19 times in a row over this."""
    client = await front.register(WEB)
    tab = front.browser()
    first, second, third = [await tab.ask(client, state=f"s{number}") for number in range(3)]
    assert len({line.partition(";")[0] for page in (first, second, third) for line in page.cookies}) == 1
    for page in (second, first, third):
        assert (await tab.approve(page)).status == 303
    assert len(tab.txn_cookies()) == 3


async def test_a_form_lives_for_ten_minutes(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    first, second = await tab.ask(client), await tab.ask(client)
    front.clock.advance(599)
    assert (await tab.approve(first)).status == 303
    front.clock.advance(1)
    answer = await tab.answer(second.form)
    refused(answer, 400)
    assert "open for too long" in answer.visible


async def test_many_open_sign_ins_do_not_let_the_cookies_grow(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    for _ in range(9):
        await tab.approve(await tab.ask(client))
    assert len(tab.txn_cookies()) == 6


@pytest.mark.req(112)
async def test_a_sibling_cannot_plant_a_cookie_that_the_callback_takes(front: Front):
    """AZ-15: before approval there is no such cookie, and afterwards only the one that we set."""
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    assert tab.txn_cookies() == []
    back = await front.at_idp((await tab.approve(page)).location)
    (name,) = tab.txn_cookies()
    genuine, tab.cookies[name] = tab.cookies[name], "A" * 43
    answer = await tab.come_back(back)
    refused(answer, 403)
    tab.cookies[name] = genuine
    assert (await tab.come_back(back)).status == 303


# When things are not as they were ------------------------------------------------------------------------------------


async def test_an_idp_that_is_down_is_told_to_the_client(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    front.idp.fail("discovery", Fault(status=503))
    answer = await tab.approve(page)
    assert answer.query["error"] == "temporarily_unavailable"
    assert "start" not in front.store.calls
    assert tab.txn_cookies() == []


async def test_an_idp_that_cannot_be_right_is_a_server_error(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    front.idp.metadata["issuer"] = "https://evil.example"
    assert (await tab.approve(await tab.ask(client))).query["error"] == "server_error"


@pytest.mark.parametrize("verb", ["registered", "spend_form", "start"])
async def test_a_store_that_breaks_on_approval_starts_nothing(front: Front, verb: str):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    front.store.broken.add(verb)
    answer = await tab.answer(page.form)
    assert tab.txn_cookies() == []
    assert "canary-store-text" not in answer.text + str(answer.headers)
    if verb == "start":
        assert answer.query["error"] == "temporarily_unavailable"
        return
    refused(answer, 503)
    front.store.broken.clear()
    assert (await tab.approve(page)).status == 303, "reloading works once the store is back"


async def test_a_client_that_is_gone_by_the_time_of_approval_is_not_redirected(front: Front):
    """AZ-01."""
    client = await front.register_short()
    tab = front.browser()
    page = await tab.ask(client, redirect_uri=LONG)
    front.store.forgotten = True
    answer = await tab.answer(page.form)
    refused(answer, 400)
    assert "invalid_client" in answer.visible
    assert not {"spend_form", "start"} & set(front.store.calls)


@pytest.mark.parametrize(
    "servers",
    [
        pytest.param((), id="taken away"),
        pytest.param((replace(NOTES, resource=f"{ISS}/moved"),), id="another resource"),
        pytest.param((replace(NOTES, optional_scopes=()),), id="scope withdrawn"),
        pytest.param((replace(NOTES, base_scopes=("notes.read", "notes.more")),), id="scope added"),
        pytest.param((replace(NOTES, pool=""),), id="no pool"),
    ],
)
async def test_a_server_that_changed_since_the_page_was_shown_is_not_approved(
    front: Front, servers: tuple[Server, ...]
):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client, scope="notes.write")
    front.change(*servers)
    answer = await tab.answer(page.form)
    assert answer.query["error"] == "invalid_target"
    assert "start" not in front.store.calls


async def test_one_reference_leads_through_the_whole_sign_in(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    away = await tab.approve(page)
    done = await tab.come_back(await front.at_idp(away.location))
    (reference,) = {answer.headers["x-dcr-reference"] for answer in (page, away, done)}
    assert reference in page.visible

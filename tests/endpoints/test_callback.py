"""/callback: whose sign-in it is, what the IdP may say, who may come in, and what the client is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sidecar.events import AuthorizationRefused, SignedIn
from tests.endpoints.front import ISS, LONG, NOTES, Answer, Browser, Front, running_front, with_rule
from tests.fakes.idp import ABSENT, Fault

WEB = "https://app.example/cb"


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        yield running


def exchanges(front: Front) -> int:
    return len(front.idp.seen("token"))


def page_only(answer: Answer, status: int = 400) -> None:
    assert answer.status == status, answer.text
    assert "Location" not in answer.headers
    assert answer.headers["x-dcr-reference"] in answer.visible


def told(answer: Answer, error: str) -> None:
    assert answer.status == 303, answer.text
    assert answer.location.startswith(f"{WEB}?")
    got = answer.query
    got.pop("error_description")
    assert got == {"error": error, "state": "client-state", "iss": ISS}


# The way it goes ------------------------------------------------------------------------------------------------------


@pytest.mark.req(99, 111, 113, 114, 121)
async def test_a_sign_in_ends_with_a_code_state_and_iss(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    done = await tab.come_back(await tab.leave_for_idp(client))
    assert done.status == 303
    assert done.headers["Cache-Control"] == "no-store"
    assert done.query.keys() == {"code", "state", "iss"}
    assert (done.query["state"], done.query["iss"]) == ("client-state", ISS)
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,512}", done.query["code"])
    (exchange,) = front.idp.seen("token")
    assert exchange.form["redirect_uri"] == f"{ISS}/callback"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", exchange.form["code_verifier"])
    (event,) = front.seen(SignedIn)
    assert (event.user, event.email, event.server, event.scopes) == (
        "alice",
        "alice@example.com",
        "notes",
        ("notes.read",),
    )
    assert tab.txn_cookies() == []


@pytest.mark.req(121)
async def test_no_two_codes_are_alike(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    codes = {(await tab.come_back(await tab.leave_for_idp(client))).query["code"] for _ in range(5)}
    assert len(codes) == 5


@pytest.mark.req(123, 124)
@pytest.mark.parametrize(
    "redirect",
    [
        pytest.param("https://app.example/cb?x=1&y=a%20b", id="query kept"),
        pytest.param("http://127.0.0.1:33418/", id="loopback port"),
        pytest.param("http://localhost:6274/oauth/callback", id="localhost"),
        pytest.param("cursor://anysphere.cursor-mcp/oauth/callback", id="private-use scheme"),
    ],
)
async def test_the_answer_extends_the_redirect_uri_as_it_is(front: Front, redirect: str):
    client = await front.register(redirect)
    tab = front.browser()
    done = await tab.come_back(await tab.leave_for_idp(client, redirect_uri=redirect))
    joint = "&" if "?" in redirect else "?"
    code = done.query["code"]
    assert done.location == f"{redirect}{joint}code={code}&state=client-state&iss=https%3A%2F%2Fmcp.example.com"
    denied = await tab.answer((await tab.ask(client, redirect_uri=redirect)).form, "deny")
    assert denied.location.startswith(f"{redirect}{joint}error=access_denied")


@pytest.mark.req(4, 119)
async def test_nothing_of_the_idp_reaches_the_client(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page = await tab.ask(client)
    away = await tab.approve(page)
    done = await tab.come_back(await front.at_idp(away.location))
    session = front.idp.sessions[0]
    said = done.text + str(done.headers) + str(done.cookies) + page.text
    for secret in (*session.access_tokens, session.refresh_token, front.idp.client_secret, "idp-code", session.nonce):
        assert secret not in said
    assert front.idp.url not in said


# Whose sign-in --------------------------------------------------------------------------------------------------------


@pytest.mark.req(112, 120)
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param("code=c", id="no state"),
        pytest.param("state=&code=c", id="empty state"),
        pytest.param("state=s", id="neither code nor error"),
        pytest.param("error=access_denied", id="error without state"),
        pytest.param("state=s&state=t&code=c", id="two states"),
        pytest.param("state=s&code=c&code=d", id="two codes"),
        pytest.param("state=s&code=c&iss=a&iss=b", id="two issuers"),
        pytest.param("state=s&code=c&error=e", id="code and error"),
        pytest.param("state=s&error=e&error=f", id="two errors"),
        pytest.param("&".join(f"p{number}=1" for number in range(100)), id="a hundred parameters"),
        pytest.param("state=%ff&code=%zz", id="undecodable"),
        pytest.param("state=<script>&code=c", id="unknown state"),
        pytest.param("state=" + "s" * 8000 + "&code=c", id="long state"),
    ],
)
async def test_a_return_that_is_no_answer_gets_a_page_and_no_exchange(front: Front, query: str):
    page = await front.browser().come_back(query.replace("<script>", "%3Cscript%3E"))
    page_only(page)
    assert "script" not in page.visible
    assert exchanges(front) == 0
    assert front.seen(AuthorizationRefused)[0].step == "callback"


@pytest.mark.req(112)
async def test_contradicting_answers_do_not_burn_the_sign_in(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    page_only(await tab.come_back(f"{back}&error=access_denied"))
    page_only(await tab.come_back(f"{back}&code=other"))
    assert (await tab.come_back(back)).status == 303


@pytest.mark.req(112)
async def test_a_stranger_gets_nowhere_and_burns_nothing(front: Front):
    """CB-03: a link that the attacker's own approval made, opened by the victim, or fetched by a scanner first."""
    client = await front.register(WEB)
    attacker, victim = front.browser(), front.browser()
    back = await attacker.leave_for_idp(client)
    await victim.leave_for_idp(client)
    page_only(await victim.come_back(back), 403)
    page_only(await front.browser().come_back(back), 403)
    head = await front.browser().request("HEAD", f"/callback?{back}")
    assert head.status == 405
    assert exchanges(front) == 0
    assert [event.error for event in front.seen(AuthorizationRefused)] == ["invalid_request"] * 2
    assert (await attacker.come_back(back)).status == 303


@pytest.mark.req(112, 120)
async def test_a_second_return_is_a_clear_page_and_no_second_code(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    cookies = dict(tab.cookies)
    assert (await tab.come_back(back)).status == 303
    for again in (tab, Browser(front, ISS, cookies)):
        answer = await again.come_back(back)
        page_only(answer)
        assert "This sign-in is over" in answer.visible
    assert exchanges(front) == 1


@pytest.mark.req(112, 120)
async def test_parallel_returns_make_one_exchange_and_one_code(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    tabs = [Browser(front, ISS, dict(tab.cookies)) for _ in range(20)]
    answers = await asyncio.gather(*(each.come_back(back) for each in tabs))
    assert sorted(answer.status for answer in answers) == [303] + [400] * 19
    assert exchanges(front) == 1


@pytest.mark.req(112)
async def test_a_sign_in_must_end_within_ten_minutes(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    front.clock.advance(600)
    page_only(await tab.come_back(back))
    assert exchanges(front) == 0


async def test_a_sign_in_of_another_issuer_is_not_finished_here():
    """The same host, two issuers: cookies are shared, transactions are not."""
    other = f"{ISS}/team"
    servers = (NOTES, replace(NOTES, name="tasks", resource=f"{other}/mcp", issuer=other))
    async with running_front(*servers, issuers=(ISS, other)) as front:
        client = await front.register(WEB)
        tab = front.browser()
        back = await tab.leave_for_idp(client)
        crossed = Browser(front, other, tab.cookies)
        answer = await crossed.come_back(back)
        page_only(answer)
        assert "This sign-in is over" in answer.visible
        assert exchanges(front) == 0


# What the IdP says ----------------------------------------------------------------------------------------------------


@pytest.mark.req(99, 117)
@pytest.mark.parametrize(
    ("said", "error"),
    [
        pytest.param("access_denied", "access_denied", id="denied"),
        pytest.param("temporarily_unavailable", "temporarily_unavailable", id="unavailable"),
        pytest.param("server_error", "server_error", id="server error"),
        pytest.param("login_required", "server_error", id="OpenID Connect"),
        pytest.param("invalid_scope", "server_error", id="our fault"),
        pytest.param("<script>alert(1)</script>", "server_error", id="script"),
        pytest.param("a\r\nSet-Cookie: x=y", "server_error", id="line break"),
        pytest.param("e" * 5000, "server_error", id="long"),
    ],
)
async def test_an_error_of_the_idp_becomes_one_of_ours_and_its_texts_go_nowhere(front: Front, said: str, error: str):
    client = await front.register(WEB)
    tab = front.browser()
    front.idp.deny = said
    back = await tab.leave_for_idp(client)
    answer = await tab.come_back(f"{back}&error_description=canary-description&error_uri=https://canary.example")
    told(answer, error)
    heard = answer.location + str(front.events)
    assert "canary" not in heard
    assert said not in heard or said == error
    assert exchanges(front) == 0


@pytest.mark.req(115)
@pytest.mark.parametrize("iss", [pytest.param("https://evil.example", id="foreign"), pytest.param(ABSENT, id="absent")])
async def test_an_answer_of_another_issuer_is_not_exchanged(front: Front, iss: Any):
    client = await front.register(WEB)
    tab = front.browser()
    front.idp.send_iss = iss
    told(await tab.come_back(await tab.leave_for_idp(client)), "server_error")
    assert exchanges(front) == 0


@pytest.mark.req(117)
@pytest.mark.parametrize(
    ("endpoint", "fault", "error"),
    [
        pytest.param("token", Fault(status=503), "temporarily_unavailable", id="503"),
        pytest.param("token", Fault(status=429), "temporarily_unavailable", id="429"),
        pytest.param("token", Fault(drop=True), "temporarily_unavailable", id="connection cut"),
        pytest.param("token", Fault(status=400, body={"error": "invalid_grant"}), "server_error", id="refused"),
        pytest.param("token", Fault(status=401, body={"error": "invalid_client"}), "server_error", id="our secret"),
        pytest.param("token", Fault(status=200, body="<html>canary"), "server_error", id="not JSON"),
        pytest.param("token", Fault(redirect="http://127.0.0.1:9/"), "server_error", id="redirect"),
        pytest.param("jwks", Fault(status=500), "temporarily_unavailable", id="no keys"),
    ],
)
async def test_a_failed_exchange_is_told_to_the_client(front: Front, endpoint: str, fault: Fault, error: str):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    front.idp.fail(endpoint, fault)
    answer = await tab.come_back(back)
    told(answer, error)
    assert "canary" not in answer.location
    assert "create" not in front.store.calls


@pytest.mark.req(114, 118)
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"nonce": "other"}, id="nonce"),
        pytest.param({"aud": "someone-else"}, id="audience"),
        pytest.param({"iss": "https://evil.example"}, id="issuer"),
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"sub": ""}, id="no subject"),
    ],
)
async def test_an_identity_that_does_not_verify_makes_no_grant(front: Front, claims: dict[str, Any]):
    client = await front.register(WEB)
    tab = front.browser()
    front.idp.id_claims |= claims
    told(await tab.come_back(await tab.leave_for_idp(client)), "server_error")
    assert "create" not in front.store.calls


# When things are not as they were -------------------------------------------------------------------------------------


@pytest.mark.req(86)
async def test_a_client_that_is_gone_meanwhile_is_not_redirected(front: Front):
    """AZ-01."""
    client = await front.register_short()
    tab = front.browser()
    back = await tab.leave_for_idp(client, redirect_uri=LONG)
    front.store.forgotten = True
    answer = await tab.come_back(back)
    page_only(answer)
    assert "invalid_client" in answer.visible
    assert exchanges(front) == 0


async def test_a_redirect_uri_that_is_not_registered_any_more_gets_nothing(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    page, back = await tab.ask(client), await tab.leave_for_idp(client)
    front.narrow("https://app.example/other")
    page_only(await tab.come_back(back))
    page_only(await tab.answer(page.form))
    assert exchanges(front) == 0


@pytest.mark.req(72)
async def test_a_client_that_has_another_name_meanwhile_is_told_to_ask_again(front: Front):
    """RFC 7592 2.2: the user approved somebody else."""
    client = await front.register(WEB)
    tab = front.browser()
    page, back = await tab.ask(client), await tab.leave_for_idp(client)
    body = {"client_id": client, "redirect_uris": [WEB], "client_name": "Another"}
    token = front.services.registered.ids.registration_token(client)
    address = f"{front.base}/register/{client}"
    headers = {"Host": "mcp.example.com", "Authorization": f"Bearer {token}"}
    async with front.session.put(address, json=body, headers=headers) as response:
        assert response.status == 200
    told(await tab.come_back(back), "invalid_request")
    told(await tab.answer(page.form), "invalid_request")
    assert exchanges(front) == 0
    assert "Another" in (await tab.ask(client)).visible


async def test_a_server_that_was_taken_away_meanwhile_is_told_to_the_client(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    front.change()
    told(await tab.come_back(back), "invalid_target")
    assert exchanges(front) == 0


async def test_a_store_that_breaks_leaves_the_sign_in_or_tells_the_client(front: Front):
    client = await front.register(WEB)
    tab = front.browser()
    back = await tab.leave_for_idp(client)
    front.store.broken = {"take"}
    answer = await tab.come_back(back)
    page_only(answer, 503)
    assert "canary-store-text" not in answer.text
    front.store.broken = {"create"}
    told(await tab.come_back(back), "temporarily_unavailable")
    back = await tab.leave_for_idp(client)
    front.store.broken = {"registered"}
    answer = await tab.come_back(back)
    page_only(answer, 503)
    assert "connect again" in answer.visible


# Who may come in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "user", "admitted"),
    [
        pytest.param({}, {}, True, id="no rule"),
        pytest.param({"emails": {"alice@example.com"}}, {}, True, id="email"),
        pytest.param({"emails": {"Alice@Example.com"}}, {}, True, id="email in another case"),
        pytest.param({"emails": {"bob@example.com"}}, {}, False, id="another email"),
        pytest.param({"domains": {"example.com"}}, {}, True, id="domain"),
        pytest.param({"domains": {"example.org"}}, {}, False, id="another domain"),
        pytest.param({"domains": {"ample.com"}}, {}, False, id="domain suffix"),
        pytest.param({"domains": {"com"}}, {}, False, id="parent domain"),
        pytest.param({"emails": {"bob@x.example"}, "domains": {"example.com"}}, {}, True, id="email or domain"),
        pytest.param({"domains": {"example.com"}}, {"email_verified": False}, False, id="unverified"),
        pytest.param({"domains": {"example.com"}}, {"email_verified": "false"}, False, id="unverified as text"),
        pytest.param({"domains": {"example.com"}}, {"email": "a@evil.example@example.com"}, False, id="two at signs"),
        pytest.param({"domains": {"kexample.com"}}, {"email": "a@\u212aexample.com"}, False, id="Kelvin sign"),
        pytest.param({"domains": {"example.com"}}, {"email": ABSENT}, False, id="no email"),
        pytest.param({"groups": {"staff", "x"}}, {}, True, id="group"),
        pytest.param({"groups": {"admins"}}, {}, False, id="another group"),
        pytest.param({"groups": {"staff"}}, {"groups": ABSENT}, False, id="no groups"),
        pytest.param({"domains": {"example.com"}, "groups": {"admins"}}, {}, False, id="domain but not group"),
        pytest.param({"claims": (("hd", "example.com"),)}, {"hd": "example.com"}, True, id="claim"),
        pytest.param({"claims": (("hd", "example.com"),)}, {}, False, id="no claim"),
        pytest.param({"claims": (("hd", "a"), ("hd", "b"))}, {"hd": "b"}, True, id="either value"),
        pytest.param({"claims": (("hd", "a"), ("amr", "mfa"))}, {"hd": "a"}, False, id="every claim"),
        pytest.param({"claims": (("amr", "mfa"),)}, {"amr": ["pwd", "mfa"]}, True, id="listed"),
        pytest.param({"claims": (("staff", "true"),)}, {"staff": True}, True, id="boolean"),
        pytest.param({"claims": (("staff", "true"),)}, {"staff": {"true": 1}}, False, id="object"),
    ],
)
async def test_the_allow_rule_decides_who_comes_in(rule: dict[str, Any], user: dict[str, Any], admitted: bool):
    rule = {name: entries if name == "claims" else frozenset(entries) for name, entries in rule.items()}
    async with running_front(with_rule(NOTES, **rule)) as front:
        client = await front.register(WEB)
        tab = front.browser()
        front.idp.user = {name: value for name, value in (front.idp.user | user).items() if value is not ABSENT}
        answer = await tab.come_back(await tab.leave_for_idp(client))
        assert answer.status == (303 if admitted else 403)
        assert ("create" in front.store.calls) is admitted


async def test_who_may_not_come_in_reads_who_they_are_and_whom_to_ask():
    async with running_front(with_rule(NOTES, domains=frozenset({"corp.example"}))) as front:
        client = await front.register(WEB, name="Notes Helper")
        tab = front.browser()
        answer = await tab.come_back(await tab.leave_for_idp(client))
        page_only(answer, 403)
        words = answer.visible
        for part in (
            "alice@example.com",
            "notes",
            "Ask the people who run mcp.example.com",
            "Return to “ Notes Helper ”",
        ):
            assert part in words
        link = re.search(r'<a class="button primary" href="([^"]+)"', answer.text)
        assert link
        assert link[1].startswith(f"{WEB}?error=access_denied&amp;")
        assert "state=client-state" in link[1]
        (refusal,) = front.seen(AuthorizationRefused)
        assert (refusal.user, refusal.error, refusal.client) == ("alice", "access_denied", client)
        assert tab.txn_cookies() == []
        page_only(await tab.come_back("state=x&code=y"))

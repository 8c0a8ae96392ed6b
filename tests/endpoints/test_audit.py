"""One sign-in in the log and in the metrics: all of it, each thing once, to be found by its reference, no secret."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import generate_latest

from sidecar import headers
from tests.endpoints.front import NOTES, VERIFIER, Answer, with_rule
from tests.endpoints.journey import HOST, REDIRECT, Journey, journeys
from tests.fakes.idp import Fault

CLIENT = "client_registered"
CANARY = "canary-of-a-caller"


async def whole(journey: Journey) -> list[dict[str, Any]]:
    """Register, ask, approve, come back, redeem, call, refresh with the IdP's tokens, call, revoke. All our tokens."""
    journey.front.idp.expires_in = 600
    await journey.register()
    first = await journey.sign_in()
    assert (await journey.call(first["access_token"]))[0] == 200
    journey.front.clock.advance(580)
    status, second = await journey.refresh(first["refresh_token"])
    assert status == 200
    assert (await journey.call(second["access_token"]))[0] == 200
    assert (await journey.post("/revoke", token=second["refresh_token"]))[0] == 200
    return [first, second]


def reference_on(page: Answer) -> str:
    """As a person reads it to somebody."""
    reference = page.visible.partition("Reference ")[2].split()[0]
    assert page.headers[headers.REFERENCE] == reference
    return reference


@pytest.mark.req(194)
async def test_a_sign_in_can_be_followed_by_the_reference_of_its_page() -> None:
    """From the consent page to the revocation, each step is one audit line that carries it."""
    async with journeys() as journey:
        await journey.register()
        browser, page = await journey.ask()
        reference = reference_on(page)
        away = await browser.approve(page)
        back = await browser.come_back(await journey.front.at_idp(away.location))
        _, tokens = await journey.redeem(back.query["code"])
        _, allowed = await journey.call(tokens["access_token"])
        _, tokens = await journey.refresh(tokens["refresh_token"])
        await journey.post("/revoke", token=tokens["access_token"])
        await journey.post("/revoke", token=tokens["refresh_token"])

        audit = [line for line in journey.lines if line.get("audit")]
        assert [line["event"] for line in audit] == [
            "client_registered",
            "consent_given",
            "signed_in",
            "token_issued",
            "token_issued",
            "access_token_revoked",
            "grant_ended",
        ]
        assert all(reference in (line["reference"], line.get("sign_in")) for line in audit[1:])
        assert {line["client"] for line in audit} == {journey.client["client_id"]}
        assert {line["user"] for line in audit if "user" in line} == {"alice"}
        assert len({line["grant"] for line in audit if "grant" in line}) == 1
        # Envoy's access log gets the same reference, and so does what is no audit line.
        assert allowed["x-dcr-log-reference"] == reference
        about = [line["event"] for line in journey.lines if reference in (line["reference"], line.get("sign_in"))]
        assert {"consent_asked", "request", "upstream_called", "call_decided"} <= set(about)


async def test_nothing_of_one_request_is_said_of_the_next_on_the_same_connection() -> None:
    async with journeys() as journey:
        await whole(journey)
        await journey.post("/token", grant_type="refresh_token", refresh_token="dcrr_junk")
        await journey.call("junk")
        for name in ("token_refused", "call_decided"):
            assert "sign_in" not in journey.lines_of(name)[-1]


@pytest.mark.req(194)
async def test_every_counter_of_the_way_moves_once() -> None:
    async with journeys() as journey:
        await whole(journey)
        moved = {name: value for name, value in journey.samples().items() if not name.startswith("requests_total")}
        assert moved == {
            "registrations_total{'kind': 'sealed', 'outcome': 'registered', 'pool': 'corp'}": 1,
            "authorizations_total{'outcome': 'asked', 'pool': 'corp', 'server': 'notes'}": 1,
            "consents_total{'outcome': 'given', 'pool': 'corp', 'server': 'notes'}": 1,
            "callbacks_total{'outcome': 'signed_in', 'pool': 'corp', 'server': 'notes'}": 1,
            "tokens_total{'flow': 'authorization_code', 'outcome': 'issued', 'pool': 'corp', 'server': 'notes'}": 1,
            "tokens_total{'flow': 'refresh_token', 'outcome': 'issued', 'pool': 'corp', 'server': 'notes'}": 1,
            "calls_total{'cached': 'no', 'outcome': 'allowed', 'pool': 'corp', 'server': 'notes'}": 2,
            "grants_ended_total{'pool': 'corp', 'reason': 'revoked', 'server': 'notes'}": 1,
            "upstream_calls_total{'operation': 'discovery', 'outcome': 'ok', 'pool': 'corp', 'provider': 'oidc'}": 1,
            "upstream_calls_total{'operation': 'exchange', 'outcome': 'ok', 'pool': 'corp', 'provider': 'oidc'}": 1,
            "upstream_calls_total{'operation': 'jwks', 'outcome': 'ok', 'pool': 'corp', 'provider': 'oidc'}": 1,
            "upstream_calls_total{'operation': 'refresh', 'outcome': 'ok', 'pool': 'corp', 'provider': 'oidc'}": 1,
        }
        assert sum(journey.samples().values()) - sum(moved.values()) == 7, "one request event for each request"


# What goes wrong -----------------------------------------------------------------------------------------------------


async def unknown_client(journey: Journey) -> Answer:
    return await journey.front.browser().ask("nobody")


async def wrong_redirect(journey: Journey) -> Answer:
    return (await journey.ask(redirect_uri="https://elsewhere.example/cb"))[1]


async def body_and_query(journey: Journey) -> Answer:
    return await journey.front.browser().request("POST", "/authorize?a=b", data={"form": "x"})


async def other_site(journey: Journey) -> Answer:
    browser, page = await journey.ask()
    return await browser.answer(page.form, headers={"Sec-Fetch-Site": "cross-site"})


async def form_twice(journey: Journey) -> Answer:
    browser, page = await journey.ask()
    await browser.approve(page)
    return await browser.approve(page)


async def doubled_field(journey: Journey) -> Answer:
    browser, page = await journey.ask()
    data = f"form={page.form}&decision=approve&decision=deny"
    content = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    return await browser.request("POST", "/authorize", data=data, headers=content)


async def other_browser(journey: Journey) -> Answer:
    browser, page = await journey.ask()
    away = await browser.approve(page)
    return await journey.front.browser().come_back(await journey.front.at_idp(away.location))


async def no_state(journey: Journey) -> Answer:
    return await journey.front.browser().come_back("code=x")


async def store_down(journey: Journey) -> Answer:
    journey.front.store.broken.add("registered")
    return (await journey.ask())[1]


Case = Callable[[Journey], Awaitable[Answer]]


@pytest.mark.parametrize(
    ("case", "step", "error"),
    [
        pytest.param(unknown_client, "authorize", "invalid_client", id="unknown-client"),
        pytest.param(wrong_redirect, "authorize", "invalid_request", id="wrong-redirect"),
        pytest.param(body_and_query, "authorize", "invalid_request", id="body-and-query"),
        pytest.param(store_down, "authorize", "temporarily_unavailable", id="store-down"),
        pytest.param(other_site, "approve", "invalid_request", id="other-site"),
        pytest.param(doubled_field, "approve", "invalid_request", id="doubled-field"),
        pytest.param(form_twice, "approve", "invalid_request", id="form-twice"),
        pytest.param(other_browser, "callback", "invalid_request", id="other-browser"),
        pytest.param(no_state, "callback", "invalid_request", id="no-state"),
    ],
)
@pytest.mark.req(194)
async def test_an_error_page_leads_to_its_cause(case: Case, step: str, error: str) -> None:
    """The page says nothing but a reference; the line with it says why, and the funnel counts it once."""
    async with journeys() as journey:
        await journey.register()
        page = await case(journey)
        assert page.status >= 400
        (line,) = journey.lines_of("authorization_refused")
        assert (line["reference"], line["step"], line["error"]) == (reference_on(page), step, error)
        assert line["detail"] not in ("", error)
        assert line["detail"] not in page.text
        steps = {"authorize": "authorizations", "approve": "consents", "callback": "callbacks"}
        counted = [name for name in journey.samples() if name.startswith(steps[step]) and f"'{error}'" in name]
        assert [journey.samples()[name] for name in counted] == [1]


@pytest.mark.req(194)
async def test_a_user_who_may_not_is_named_under_the_reference_of_the_page() -> None:
    async with journeys(with_rule(NOTES, groups=frozenset({"board"}))) as journey:
        await journey.register()
        page = await journey.come_back()
        (line,) = journey.lines_of("authorization_refused")
        assert page.status == 403
        assert line["reference"] == reference_on(page) == journey.lines_of("consent_given")[0]["reference"]
        assert {line[name] for name in ("user", "email", "server")} == {"alice", "alice@example.com", "notes"}
        assert (line["error"], line["audit"]) == ("access_denied", True)


async def test_a_denial_and_a_failure_at_the_provider_belong_to_their_sign_in() -> None:
    """The client gets a redirect without a page; its answer carries the reference all the same."""
    async with journeys() as journey:
        await journey.register()
        browser, page = await journey.ask()
        denied = await browser.answer(page.form, "deny")
        assert denied.headers[headers.REFERENCE] == journey.lines_of("consent_denied")[0]["reference"]
        journey.front.idp.fail("token", Fault(503))
        failed = await journey.come_back()
        (line,) = journey.lines_of("authorization_refused")
        assert failed.headers[headers.REFERENCE] == line["reference"]
        assert "503" in line["detail"]
        assert line["reference"] == journey.lines_of("consent_given")[0]["reference"]


async def test_a_refused_token_request_names_the_sign_in_that_it_is_about() -> None:
    async with journeys() as journey:
        await journey.register()
        back = await journey.come_back()
        await journey.redeem(back.query["code"], verifier="w" * 43)
        _, tokens = await journey.redeem(back.query["code"])
        journey.front.clock.advance(5)
        rotated = tokens["refresh_token"]
        for _ in range(2):
            _, tokens = await journey.refresh(tokens["refresh_token"])
        await journey.refresh(rotated)
        refused = journey.lines_of("token_refused")
        signed_in = journey.lines_of("signed_in")[0]["reference"]
        assert [line["detail"] for line in refused] == ["code: mismatch", "refresh token: reused"]
        assert {line["sign_in"] for line in refused} == {signed_in}
        (ended,) = journey.lines_of("grant_ended")
        assert (ended["reason"], ended["sign_in"]) == ("refresh_reused", signed_in)
        assert ended["reference"] == refused[-1]["reference"]


@pytest.mark.parametrize(
    ("path", "event", "counter"),
    [
        pytest.param(
            "/token",
            "token_refused",
            "tokens_total{'flow': 'other', 'outcome': '%s', 'pool': 'corp', 'server': ''}",
            id="token",
        ),
        pytest.param(
            "/revoke", "revocation_refused", "revocations_refused_total{'error': '%s', 'pool': 'corp'}", id="revoke"
        ),
        pytest.param(
            "/register",
            "registration_refused",
            "registrations_total{'kind': '', 'outcome': '%s', 'pool': 'corp'}",
            id="register",
        ),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused_on_record(path: str, event: str, counter: str) -> None:
    async with journeys() as journey:
        async with journey.front.session.post(journey.front.base + path, data=b"{", headers=HOST) as response:
            error = (await response.json())["error"]
            reference = response.headers[headers.REFERENCE]
        (line,) = journey.lines_of(event)
        assert (line["error"], line["reference"], line["audit"]) == (error, reference, True)
        assert line["detail"]
        assert journey.samples()[counter % error] == 1


@pytest.mark.parametrize(
    ("verb", "event"),
    [
        pytest.param("read", "token_refused", id="token"),
        pytest.param("registered", "revocation_refused", id="revoke"),
        pytest.param("register", "registration_refused", id="register"),
    ],
)
async def test_a_store_that_is_down_is_on_record_as_that(verb: str, event: str) -> None:
    async with journeys() as journey:
        await journey.register()
        back = await journey.come_back()
        journey.front.store.broken.add(verb)
        if event == "token_refused":
            await journey.redeem(back.query["code"])
        elif event == "revocation_refused":
            await journey.post("/revoke", token="dcrr_junk")
        else:
            await journey.register()
        (line,) = journey.lines_of(event)
        assert (line["error"], line["detail"].partition(":")[0]) == ("temporarily_unavailable", "store")


@pytest.mark.parametrize("given", ["", "7d6b4ec4-93c4-4f0e-a6a9-3a2a7f9f0b11", "x" * 65, "two words", "a\u00e9b"])
async def test_a_refused_call_is_found_by_the_reference_that_its_answer_carries(given: str) -> None:
    """Envoy's request id where that is a plain one, else our own."""
    async with journeys() as journey:
        tokens = (await whole(journey))[1]
        status, answered = await journey.call(tokens["access_token"], **({"X-Request-Id": given} if given else {}))
        assert status == 401
        line = journey.lines_of("call_decided")[-1]
        assert line["reference"] == answered[headers.REFERENCE]
        assert (line["reference"] == given) == (len(given) == 36)
        # The token is dead, but it says whose it was.
        assert journey.lines_of("grant_ended")[0]["grant"] in line["detail"]


async def test_every_decision_about_a_known_token_names_its_sign_in() -> None:
    """Allowed, remembered, denied because the IdP's token is over, or refused by the MCP server."""
    async with journeys() as journey:
        journey.front.idp.expires_in = 600
        tokens = await _signed_in(journey)
        _, allowed = await journey.call(tokens["access_token"])
        await journey.call(tokens["access_token"])
        said = {name: allowed[f"x-dcr-log-{name}"] for name in ("grant", "serial")}
        async with journey.check.post("/refused", headers={f"x-dcr-log-{n}": v for n, v in said.items()}) as response:
            assert response.status == 204
        journey.front.idp.end_sessions()
        await journey.call(tokens["access_token"])
        decided = journey.lines_of("call_decided")
        assert [(line["outcome"], line["cached"]) for line in decided] == [
            ("allowed", False),
            ("allowed", True),
            ("invalid_token", False),
        ]
        about = [*decided, *journey.lines_of("origin_refused"), *journey.lines_of("grant_ended")]
        assert len(about) == 5
        assert {line["sign_in"] for line in about} == {journey.lines_of("signed_in")[0]["reference"]}


async def test_a_defect_in_a_decision_leaves_its_place_in_the_log() -> None:
    async with journeys() as journey:
        tokens = await _signed_in(journey)
        journey.front.store.peek = None  # type: ignore[attr-defined]
        status, answered = await journey.call(tokens["access_token"])
        assert status == 503
        (line,) = journey.lines_of("unexpected_error")
        assert (line["kind"], line["reference"]) == ("TypeError", answered[headers.REFERENCE])
        assert line["frames"]


# What is never in it -------------------------------------------------------------------------------------------------


async def _signed_in(journey: Journey) -> dict[str, Any]:
    await journey.register()
    return await journey.sign_in()


async def misuse(journey: Journey) -> None:
    """Secrets in every place where a caller can put one, and an IdP that repeats what it was sent."""
    front = journey.front
    browser = front.browser()
    await browser.ask(journey.client["client_id"], state=CANARY, nonce=CANARY, request=CANARY)
    await browser.come_back(f"state={CANARY}&code={CANARY}&error_description={CANARY}")
    await browser.come_back(f"state={CANARY}&error=access_denied&error_description={CANARY}")
    await browser.request("POST", "/authorize", data={"form": CANARY, "decision": CANARY})
    for path in ("/token", "/revoke", "/register"):
        await browser.request("POST", f"{path}?client_secret={CANARY}", data={"code": CANARY})
        await browser.request("POST", path, data={"code": CANARY}, headers={"Authorization": f"Basic {CANARY}"})
        await browser.request("POST", path, json={"client_secret": CANARY, "redirect_uris": 1})
    await journey.post("/token", grant_type="authorization_code", code=CANARY, code_verifier=CANARY * 3)
    await journey.post("/token", grant_type=CANARY, refresh_token=CANARY)
    await journey.post("/revoke", token=CANARY, token_type_hint=CANARY)
    await journey.call(CANARY, Cookie=f"session={CANARY}")
    front.idp.fail("token", Fault(400, {"error": "invalid_grant", "error_description": CANARY, "hint": CANARY}))
    await journey.come_back()
    front.idp.fail("token", Fault(200, f'{{"access_token": "{CANARY}'))
    await journey.come_back()
    front.idp.heal()


@pytest.mark.req(192)
async def test_no_secret_is_in_the_log_or_the_metrics_not_even_at_level_debug() -> None:
    async with journeys() as journey:
        codes: list[str] = []
        redeem = journey.redeem

        async def noting(code: str, verifier: str = VERIFIER) -> tuple[int, dict[str, Any]]:
            codes.append(code)
            return await redeem(code, verifier)

        journey.redeem = noting  # type: ignore[method-assign]
        issued = await whole(journey)
        code = (await journey.come_back()).query["code"]
        for verifier in ("w" * 43, VERIFIER, VERIFIER):
            journey.front.clock.advance(2)
            await journey.redeem(code, verifier)
        await journey.refresh(issued[0]["refresh_token"])
        await journey.call(issued[0]["access_token"])
        await misuse(journey)

        idp = journey.front.idp
        secrets = {CANARY, VERIFIER, idp.client_secret, journey.client["client_secret"], *codes, *journey.cookies}
        secrets |= {tokens[name] for tokens in issued for name in ("access_token", "refresh_token")}
        secrets |= {"idp-at-", "idp-rt-", "idp-code-", "eyJ"}
        for seen in idp.seen("token") + idp.seen("authorize"):
            sent = {**seen.form, **seen.query}
            secrets |= {sent[name] for name in ("code_verifier", "state", "nonce") if sent.get(name)}
        assert len(secrets) > 20
        log = journey.stream.getvalue()
        metrics = generate_latest(journey.front.services.adapters.telemetry.registry).decode()
        assert {secret for secret in secrets if secret in log or secret in metrics} == set()
        assert "refused" in log


async def test_no_caller_can_make_a_series() -> None:
    """Names, paths, methods, ids and error texts of callers are no labels."""
    async with journeys() as journey:
        front, names = journey.front, set[frozenset[str]]()
        for number in range(3):
            text = f"text-of-a-caller-{number}"
            await journey.register(client_name=text, token_endpoint_auth_method="none")
            await journey.sign_in(scope=text)
            await journey.register(token_endpoint_auth_method=text)
            browser = front.browser()
            for path in (f"/{text}", f"/.well-known/{text}", f"/.well-known/oauth-protected-resource/{text}"):
                await browser.request("GET", path)
            await browser.request(f"X{number}", "/token")
            await browser.ask(text, redirect_uri=text, response_type=text, scope=text)
            await browser.come_back(f"state={text}&error={text}&error_description={text}")
            async with front.session.post(
                front.base + "/token", data={"grant_type": text, "client_id": text}, headers=HOST
            ) as response:
                assert response.status == 400
            await journey.call(text, **{"Mcp-Method": text, "Origin": f"https://{text}.example"})
            async with journey.check.get(f"/check/{text}", headers={"Host": text}) as response:
                assert response.status == 404
            async with journey.check.get(f"/{text}", headers=HOST) as response:
                assert response.status == 404
            names.add(frozenset(journey.samples()))
        assert len(names) == 1
        assert "text-of-a-caller" not in generate_latest(front.services.adapters.telemetry.registry).decode()
        assert REDIRECT not in generate_latest(front.services.adapters.telemetry.registry).decode()

"""Limits per source, pool and client, over HTTP (requirements 62 and 135; threats DC-14 and AZ-19).

Budgets are tiny here and come back within the hour, so no test waits.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from sidecar.budgets import Budget, Budgets, Range
from sidecar.events import AuthorizationRefused, ConsentGiven, RegistrationRefused, TokenRefused
from tests.endpoints.conftest import MULTI, Face
from tests.endpoints.front import SAME_ORIGIN, Answer, Browser, Front, running_front
from tests.endpoints.signed_in import PUBLIC, sign_in, tokens_for

HERE, THERE = "192.0.2.1", "192.0.2.2"
TWO = Budget(per_hour=1, burst=2)
NONE = Budget(per_hour=0, burst=1)
HOSTED = Range("hosted", (ip_network("203.0.113.0/24"), ip_network("2001:db8:f::/48")), Budget(1, 3), Budget(1, 1))
WEB = "https://app.example/cb"


def from_(source: str) -> dict[str, str]:
    return {"x-dcr-source": source} if source else {}


async def attempt(face: Face, source: str, body: object = None, **more: Any) -> int:
    body = {"redirect_uris": ["http://127.0.0.1/cb"]} if body is None else body
    return (await face.post_json("/register", body, headers=from_(source), **more)).status


Limited = Callable[..., AbstractAsyncContextManager[Face]]


@pytest.fixture
def limited(face: Face) -> Limited:
    """The face under these budgets and otherwise the default ones."""
    return lambda **budgets: face.with_settings(limits=Budgets(**budgets))


@pytest.mark.req(62)
async def test_over_the_limit_a_registration_is_429_json_that_says_when_and_writes_nothing(limited: Limited):
    async with limited(registrations=TWO) as face:
        assert [await attempt(face, HERE) for _ in range(2)] == [201, 201]
        before = await face.dump()
        response = await face.post_json("/register", {"redirect_uris": ["http://127.0.0.1/"]}, headers=from_(HERE))
        assert (response.status, response.content_type) == (429, "application/json")
        assert (await response.json())["error"] == "temporarily_unavailable"
        assert 3590 <= int(response.headers["Retry-After"]) <= 3600
        assert response.headers["Cache-Control"] == "no-store"
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
        assert await face.dump() == before
        (refused,) = face.events_of(RegistrationRefused)
        assert (refused.error, refused.source) == ("temporarily_unavailable", HERE)
        assert refused.detail == f"over the limit: registrations of source {HERE}"


@pytest.mark.req(62)
async def test_another_source_is_not_affected(limited: Limited):
    async with limited(registrations=TWO) as face:
        assert [await attempt(face, HERE) for _ in range(3)] == [201, 201, 429]
        assert await attempt(face, THERE) == 201


@pytest.mark.req(62)
async def test_a_refused_body_counts_like_a_good_one(limited: Limited):
    async with limited(registrations=TWO) as face:
        assert [await attempt(face, HERE, body) for body in ({}, "nonsense", None)] == [400, 400, 429]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param("2001:db8::1", "2001:db8:0:0:ffff::2", True, id="one-64"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="two-64"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", True, id="mapped"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", False, id="two-mapped"),
        pytest.param("", "no address", True, id="absent-and-unreadable"),
        pytest.param("", "192.0.2.1", False, id="absent-and-known"),
        pytest.param("192.0.2.1, 192.0.2.2", "0300.0.2.1", True, id="unreadable"),
    ],
)
async def test_what_is_one_source(limited: Limited, first: str, second: str, same: bool):
    async with limited(registrations=Budget(1, 1)) as face:
        assert await attempt(face, first) == 201
        assert await attempt(face, second) == (429 if same else 201)


@pytest.mark.req(62)
async def test_a_pool_has_a_limit_over_all_sources_that_a_range_does_not_share(limited: Limited):
    async with limited(pool_registrations=TWO, ranges=(HOSTED,)) as face:
        assert [await attempt(face, f"192.0.2.{n}") for n in range(3)] == [201, 201, 429]
        assert await attempt(face, "203.0.113.9") == 201
        assert face.events_of(RegistrationRefused)[0].detail == "over the limit: registrations of pool corp-1"


async def test_a_source_that_is_refused_takes_nothing_from_the_pool(limited: Limited):
    async with limited(registrations=Budget(1, 1), pool_registrations=TWO) as face:
        assert [await attempt(face, HERE) for _ in range(5)] == [201, 429, 429, 429, 429]
        assert await attempt(face, THERE) == 201


async def test_one_pools_flood_is_not_anothers(limited: Limited):
    async with limited(pool_registrations=Budget(1, 1)) as face:
        assert [await attempt(face, HERE) for _ in range(2)] == [201, 429]
        body = {"redirect_uris": ["http://127.0.0.1/cb"]}
        response = await face.post_json(
            "/tenant1/register", body, headers=from_(HERE), host=MULTI.removeprefix("https://")
        )
        assert response.status == 201


async def test_a_range_has_one_budget_of_its_own_for_all_its_addresses(limited: Limited):
    async with limited(registrations=Budget(1, 1), ranges=(HOSTED,)) as face:
        hosted = ["203.0.113.1", "203.0.113.2", "2001:db8:f::1", "203.0.113.1"]
        assert [await attempt(face, source) for source in hosted] == [201, 201, 201, 429]
        assert await attempt(face, "203.0.112.255") == 201


@pytest.mark.req(62, 196)
async def test_replicas_count_together(limited: Limited):
    async with limited(registrations=TWO) as one, one.replica() as two:
        assert [await attempt(each, HERE) for each in (one, two, one, two)] == [201, 201, 429, 429]


@pytest.mark.req(62)
async def test_what_was_used_comes_back(limited: Limited):
    async with limited(registrations=TWO) as face:
        assert [await attempt(face, HERE) for _ in range(3)] == [201, 201, 429]
        await an_hour_passes(face)
        assert [await attempt(face, HERE) for _ in range(2)] == [201, 429]


async def an_hour_passes(face: Face) -> None:
    """The store keeps the machine's time, so what it kept is put back instead."""
    async with FakeAsyncRedis(server=face.redis) as redis:
        for key in await limit_keys(face):
            await redis.decrby(key, 3_600_000_000)


async def test_zero_is_no_limit_and_keeps_nothing(limited: Limited):
    async with limited(registrations=NONE, pool_registrations=NONE) as face:
        assert [await attempt(face, HERE) for _ in range(5)] == [201] * 5
        assert await limit_keys(face) == []


async def test_the_defaults_let_an_office_begin_its_day(face: Face):
    assert [await attempt(face, HERE) for _ in range(100)] == [201] * 100
    assert await attempt(face, HERE) == 429


async def test_no_address_and_no_id_stands_in_the_store(limited: Limited):
    async with limited(registrations=TWO) as face:
        document = await face.register(source=HERE)
        await failed(face, document, HERE)
        keys = await limit_keys(face)
        assert len(keys) == 3
        assert not [key for key in keys if HERE.encode() in key or document["client_id"].encode() in key]


async def limit_keys(face: Face) -> list[bytes]:
    async with FakeAsyncRedis(server=face.redis) as redis:
        return [key async for key in redis.scan_iter(match="*:l:*")]


# Client authentication -----------------------------------------------------------------------------------------------


async def failed(face: Face, document: dict[str, Any], source: str, secret: str = "wrong", path: str = "/token") -> Any:
    fields = face.code_fields(client_id=document["client_id"], client_secret=secret, token="dcra_junk")
    return await face.post_form(path, fields, headers=from_(source))


@pytest.mark.req(135)
@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_guessing_a_secret_ends_in_429_also_for_the_right_one(limited: Limited, path: str):
    async with limited(failed_authentications=TWO) as face:
        document = await face.register(token_endpoint_auth_method="client_secret_post")
        assert [(await failed(face, document, HERE, path=path)).status for _ in range(2)] == [401, 401]
        for secret in ("wrong", document["client_secret"]):
            response = await failed(face, document, HERE, secret, path)
            assert response.status == 429
            assert (await response.json())["error"] == "temporarily_unavailable"
            assert 3590 <= int(response.headers["Retry-After"]) <= 3600


@pytest.mark.req(135)
async def test_guessing_goes_on_at_no_other_endpoint(limited: Limited):
    async with limited(failed_authentications=TWO) as face:
        document = await face.register(token_endpoint_auth_method="client_secret_post")
        paths = ("/revoke", "/token", "/revoke", "/token")
        assert [(await failed(face, document, HERE, path=path)).status for path in paths] == [401, 401, 429, 429]


@pytest.mark.req(135)
async def test_guessing_at_one_client_shuts_out_no_other_and_no_other_source(limited: Limited):
    """A hosted client has many clients behind one address."""
    async with limited(failed_authentications=Budget(1, 1)) as face:
        guessed = await face.register(token_endpoint_auth_method="client_secret_post")
        other = await face.register(token_endpoint_auth_method="client_secret_post")
        assert [(await failed(face, guessed, HERE)).status for _ in range(2)] == [401, 429]
        assert (await failed(face, other, HERE, other["client_secret"])).status == 400  # only the code is wrong
        assert (await failed(face, guessed, THERE, guessed["client_secret"])).status == 400


@pytest.mark.req(135)
async def test_an_unknown_client_is_limited_like_a_known_one(limited: Limited):
    async with limited(failed_authentications=TWO) as face:
        known = await face.register(token_endpoint_auth_method="client_secret_post")
        for document in (known, {"client_id": "dcr1-nobody"}):
            assert [(await failed(face, document, HERE)).status for _ in range(3)] == [401, 401, 429]
        public = face.code_fields(client_id="dcr1-gone")
        answers = [await face.post_form("/token", public, headers=from_(HERE)) for _ in range(3)]
        assert [each.status for each in answers] == [401, 401, 429]
        assert face.events_of(TokenRefused)[-1].error == "temporarily_unavailable"


@pytest.mark.req(135)
async def test_a_successful_authentication_never_counts(limited: Limited):
    async with limited(failed_authentications=Budget(1, 1)) as face:
        document = await face.register(token_endpoint_auth_method="client_secret_post")
        for _ in range(5):
            assert (await failed(face, document, HERE, document["client_secret"])).status == 400
        keys = await limit_keys(face)
        assert (await failed(face, document, HERE)).status == 401
        assert len(await limit_keys(face)) == len(keys) + 1


async def test_tokens_are_issued_while_every_budget_is_spent(limited: Limited):
    one = Budget(1, 1)
    async with limited(registrations=one, pool_registrations=one, failed_authentications=one) as face:
        registered = await face.register(**PUBLIC, source=HERE)
        assert await attempt(face, HERE) == 429
        assert (await tokens_for(face, registered))["access_token"]
        assert await sign_in(face, registered)


# Sign-ins ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front() as running:
        limit(running, sign_ins=TWO, ranges=(HOSTED,))
        yield running


def limit(front: Front, **budgets: Any) -> None:
    object.__setattr__(front.services.limits, "budgets", Budgets(**budgets))


async def approve(tab: Browser, client: str, source: str = HERE, **more: str) -> Answer:
    page = await tab.ask(client)
    return await tab.answer(page.form, headers={**SAME_ORIGIN, **from_(source)}, **more)


async def test_over_the_limit_an_approval_is_a_429_page_and_starts_nothing(front: Front):
    client, tab = await front.register(WEB), front.browser()
    assert [(await approve(tab, client)).status for _ in range(2)] == [303, 303]
    front.store.calls.clear()
    page = await approve(tab, client)
    assert (page.status, page.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert "Location" not in page.headers
    assert not page.cookies or not [line for line in page.cookies if "-txn-" in line]
    assert 3590 <= int(page.headers["Retry-After"]) <= 3600
    assert "Too many sign-ins from your network" in page.visible
    assert page.headers["x-dcr-reference"] in page.visible
    assert not {"spend_form", "start"} & set(front.store.calls)
    (refused,) = front.seen(AuthorizationRefused)
    assert (refused.step, refused.detail) == ("approve", f"over the limit: sign-ins of source {HERE}")
    assert len(front.seen(ConsentGiven)) == 2


async def test_the_same_page_may_be_answered_once_the_budget_is_back(front: Front):
    client, tab = await front.register(WEB), front.browser()
    limit(front, sign_ins=Budget(1, 1))
    assert (await approve(tab, client)).status == 303
    page = await tab.ask(client)
    headers = {**SAME_ORIGIN, **from_(HERE)}
    assert (await tab.answer(page.form, headers=headers)).status == 429
    limit(front, sign_ins=NONE)
    assert (await tab.answer(page.form, headers=headers)).status == 303


async def test_a_denial_counts_and_another_source_does_not(front: Front):
    client, tab = await front.register(WEB), front.browser()
    assert [(await approve(tab, client, decision="deny")).status for _ in range(3)] == [303, 303, 429]
    assert (await approve(tab, client, THERE)).status == 303
    assert [(await approve(tab, client, f"203.0.113.{n}")).status for n in range(2)] == [303, 429]


async def test_a_form_that_another_site_sends_uses_nothing_up(front: Front):
    client, tab = await front.register(WEB), front.browser()
    page = await tab.ask(client)
    for _ in range(3):
        foreign = await tab.answer(page.form, headers={"Sec-Fetch-Site": "cross-site", **from_(HERE)})
        assert foreign.status == 403
        assert (await tab.answer("junk", headers={**SAME_ORIGIN, **from_(HERE)})).status == 400
    assert (await approve(tab, client)).status == 303


async def test_looking_at_the_page_is_not_limited(front: Front):
    client, tab = await front.register(WEB), front.browser()
    assert {(await tab.ask(client)).status for _ in range(5)} == {200}


# The store is down ---------------------------------------------------------------------------------------------------


async def test_without_the_store_nothing_passes_unlimited(front: Front):
    document = await front.services.registered.register(
        front.issuer(), {"redirect_uris": [WEB], "token_endpoint_auth_method": "client_secret_post"}, ""
    )
    client, tab = str(document["client_id"]), front.browser()
    page = await tab.ask(client)
    front.store.broken.add("admit")
    assert (await tab.answer(page.form)).status == 503
    body = json.dumps({"redirect_uris": [WEB]})
    refused = await tab.request("POST", "/register", data=body, headers={"Content-Type": "application/json"})
    assert (refused.status, "Retry-After" in refused.headers) == (503, True)
    guess = {"token": "x", "client_id": client, "client_secret": "wrong"}
    assert (await tab.request("POST", "/revoke", data=guess)).status == 503
    unknown = {"token": "x", "client_id": "dcr1-gone"}
    assert (await tab.request("POST", "/revoke", data=unknown)).status == 503
    assert "canary" not in refused.text


def test_what_is_limited_is_a_value_that_can_be_compared():
    assert replace(Budgets(), ranges=(HOSTED,)).range_of("2001:db8:f:1::2") is HOSTED
    assert Budgets().range_of("203.0.113.1") is None

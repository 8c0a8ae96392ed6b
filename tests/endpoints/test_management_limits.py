"""Guessing registration access tokens (RFC 7592) ends in 429; managing a registration never does."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import ClientResponse

from sidecar.budgets import Budget, Budgets
from sidecar.events import RegistrationRefused
from tests.endpoints.conftest import Face

HERE, THERE = "192.0.2.1", "192.0.2.2"
TWO = Budget(per_hour=1, burst=2)
METHODS = ("GET", "PUT", "DELETE")

Limited = Callable[..., AbstractAsyncContextManager[Face]]


@pytest.fixture
def limited(face: Face) -> Limited:
    """The face under these budgets and otherwise the default ones."""
    return lambda **budgets: face.with_settings(limits=Budgets(**budgets))


async def manage(
    face: Face, client_id: str, token: str | None, *, source: str = HERE, method: str = "GET", **members: Any
) -> ClientResponse:
    headers = {"x-dcr-source": source}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = {"client_id": client_id, "redirect_uris": ["http://127.0.0.1/cb"], **members}
    more = {"json": body} if method == "PUT" else {}
    return await face.request(method, f"/register/{client_id}", headers=headers, **more)


@pytest.mark.req(68, 74)
@pytest.mark.parametrize("method", METHODS)
async def test_guessing_ends_in_429_also_for_the_right_token(limited: Limited, method: str):
    async with limited(failed_authentications=TWO) as face:
        made = await face.register()
        guesses = [await manage(face, made["client_id"], "dcrm_wrong", method=method) for _ in range(2)]
        assert [each.status for each in guesses] == [401, 401]
        for token in ("dcrm_wrong", made["registration_access_token"]):
            response = await manage(face, made["client_id"], token, method=method)
            assert (response.status, response.content_type) == (429, "application/json")
            assert (await response.json())["error"] == "temporarily_unavailable"
            assert 3590 <= int(response.headers["Retry-After"]) <= 3600
        assert face.events_of(RegistrationRefused)[-1].detail == (
            f"over the limit: failed registration access tokens of source {HERE} for {made['client_id']}"
        )


@pytest.mark.req(74)
async def test_guessing_goes_on_with_no_other_method(limited: Limited):
    async with limited(failed_authentications=TWO) as face:
        made = await face.register()
        answers = [await manage(face, made["client_id"], "dcrm_wrong", method=each) for each in (*METHODS, *METHODS)]
        assert [each.status for each in answers] == [401, 401, 429, 429, 429, 429]


@pytest.mark.req(68)
async def test_an_unknown_client_is_limited_like_a_known_one(limited: Limited):
    async with limited(failed_authentications=TWO) as face:
        for client_id in ((await face.register())["client_id"], "dcr1-nobody", "x" * 5000):
            answers = [await manage(face, client_id, "dcrm_wrong") for _ in range(3)]
            assert [each.status for each in answers] == [401, 401, 429]


@pytest.mark.req(68)
async def test_who_sends_no_token_is_limited_too_and_shuts_nobody_out_who_has_one(limited: Limited):
    async with limited(failed_authentications=TWO) as face:
        made = await face.register()
        answers = [await manage(face, made["client_id"], None) for _ in range(3)]
        assert [each.status for each in answers] == [401, 401, 429]
        assert (await manage(face, made["client_id"], made["registration_access_token"], source=THERE)).status == 200


async def test_guessing_at_one_client_shuts_out_no_other_and_no_other_source(limited: Limited):
    """A hosted client has many clients behind one address."""
    async with limited(failed_authentications=Budget(1, 1)) as face:
        guessed, other = await face.register(), await face.register()
        answers = [await manage(face, guessed["client_id"], "dcrm_wrong") for _ in range(2)]
        assert [each.status for each in answers] == [401, 429]
        assert (await manage(face, other["client_id"], other["registration_access_token"])).status == 200
        own = guessed["registration_access_token"]
        assert (await manage(face, guessed["client_id"], own, source=THERE)).status == 200


async def test_a_right_token_never_counts_whatever_comes_of_the_rest(limited: Limited):
    async with limited(failed_authentications=Budget(1, 1)) as face:
        made = await face.register()
        own = made["registration_access_token"]
        for _ in range(3):
            assert (await manage(face, made["client_id"], own)).status == 200
            bad = await manage(face, made["client_id"], own, method="PUT", redirect_uris=["javascript:x"])
            assert bad.status == 400
            assert (await manage(face, made["client_id"], own, method="PUT")).status == 200
        assert (await manage(face, made["client_id"], own, method="DELETE")).status == 204


async def test_guessing_here_and_at_the_token_endpoint_are_counted_apart(limited: Limited):
    async with limited(failed_authentications=Budget(1, 1)) as face:
        made = await face.register(token_endpoint_auth_method="client_secret_post")
        assert [(await manage(face, made["client_id"], "dcrm_wrong")).status for _ in range(2)] == [401, 429]
        assert await face.knows(made, headers={"x-dcr-source": HERE})

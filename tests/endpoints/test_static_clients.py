"""Clients that the operator configured: a partner with a secret, and a program without one."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.oauth.policy import RegistrationPolicy
from sidecar.records import StaticClient
from tests.endpoints.front import VERIFIER, Front, running_front
from tests.endpoints.journey import HOST

WEB = "https://partner.example/cb"
SECRET = "5up3rs3cretpartner-5up3rs3cretpartner"
PARTNER = StaticClient("partner", "corp", "The Partner", (WEB,), SECRET)
TOOL = StaticClient("tool", "corp", "The Tool", ("http://127.0.0.1/cb",), scopes=("notes.read",))
ELSEWHERE = StaticClient("stranger", "another-pool", "Stranger", (WEB,))


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    """The policy for strangers lets nobody in; registration is off."""
    nobody = RegistrationPolicy(frozenset(), ("nobody.example",))
    async with running_front(
        clients=(PARTNER, TOOL, ELSEWHERE), changes={"registration": nobody, "dcr": "off"}
    ) as running:
        yield running


async def redeem(front: Front, code: str, headers: dict[str, str] | None = None, **fields: str) -> tuple[int, Any]:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, **fields}
    async with front.session.post(front.base + "/token", data=form, headers=HOST | (headers or {})) as response:
        return response.status, await response.json()


async def code(front: Front, client_id: str, redirect_uri: str) -> str:
    browser = front.browser()
    back = await browser.come_back(await browser.leave_for_idp(client_id, redirect_uri=redirect_uri))
    return back.query["code"]


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"partner:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        pytest.param(basic(SECRET), {}, id="basic"),
        pytest.param({}, {"client_id": "partner", "client_secret": SECRET}, id="post"),
    ],
)
async def test_a_partner_signs_its_user_in_and_sends_its_secret_either_way(front: Front, headers: Any, fields: Any):
    status, answer = await redeem(front, await code(front, "partner", WEB), headers, **fields)
    assert status == 200, answer
    assert answer["refresh_token"]


@pytest.mark.req(130, 132, 135)
@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        pytest.param(basic("wrong" * 8), {}, id="wrong secret"),
        pytest.param(basic(""), {}, id="empty secret"),
        pytest.param({}, {"client_id": "partner"}, id="none"),
        pytest.param({}, {"client_id": "Partner", "client_secret": SECRET}, id="another id"),
    ],
)
async def test_without_the_right_secret_a_partner_is_nobody(front: Front, headers: Any, fields: Any):
    status, answer = await redeem(front, "dcrc_x", headers, **fields)
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_public_program_needs_no_secret_and_gets_no_more_than_it_was_given(front: Front):
    page = await front.browser().ask("tool", redirect_uri="http://127.0.0.1:5000/cb", scope="notes.read notes.write")
    assert page.status == 200
    assert "notes.write" not in page.visible
    got = await code(front, "tool", "http://127.0.0.1:5000/cb")
    status, answer = await redeem(front, got, client_id="tool", redirect_uri="http://127.0.0.1:5000/cb")
    assert status == 200, answer
    assert (await redeem(front, got, client_id="tool", client_secret="surplus"))[0] == 401


async def test_the_page_says_that_the_operator_vouches_for_it(front: Front):
    page = await front.browser().ask("partner", redirect_uri=WEB)
    assert "set up by the operator" in page.visible
    assert "not verified" not in page.visible


async def test_it_is_known_at_its_own_pool_only(front: Front):
    assert (await front.browser().ask("stranger", redirect_uri=WEB)).status == 400


async def test_one_that_was_denied_is_out(front: Front):
    await front.store.deny("partner")
    assert (await front.browser().ask("partner", redirect_uri=WEB)).status == 400

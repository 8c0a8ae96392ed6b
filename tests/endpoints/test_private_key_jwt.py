"""A documented client that proves itself by a signature, over HTTP: /token and /revoke (RFC 7523 2.2, RFC 7009 2.1)."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from sidecar.events import TokenRefused
from sidecar.oauth.assertion import ASSERTION_TYPE
from sidecar.oauth.client_document import ClientDocument
from sidecar.oauth.policy import DocumentPolicy
from sidecar.settings.model import DocumentSettings
from tests.endpoints.front import ISS, VERIFIER, Front, running_front
from tests.endpoints.journey import HOST
from tests.oauth.signing import CLIENT, claims, key_for, key_set, public, signed

WEB = "https://client.example/oauth/callback"
JWKS_URI = "https://client.example/oauth/jwks.json"
KEY = key_for("RS256")
_numbers = count()


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    """As ChatGPT's: RS256, keys at a `jwks_uri`."""
    async with running_front(changes={"documents": DocumentSettings(DocumentPolicy(enabled=True))}) as running:
        running.client_documents.published[CLIENT] = ClientDocument(
            url=CLIENT, name="Client", redirect_uris=(WEB,), auth_methods=("private_key_jwt",), jwks_uri=JWKS_URI
        )
        running.client_documents.keys_at[JWKS_URI] = key_set(public(KEY, alg="RS256", use="sig"))
        yield running


def asserted(front: Front, key: Any = KEY, **changes: object) -> dict[str, str]:
    now = front.clock()
    said = claims(aud=ISS, exp=now + 60, iat=now, jti=f"j-{next(_numbers)}") | changes
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed(said, key, "RS256")}


async def post(front: Front, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
    async with front.session.post(front.base + path, data=fields, headers=HOST) as response:
        return response.status, await response.json() if await response.read() else {}


async def code(front: Front) -> dict[str, str]:
    """What a client that has been signed in sends, but for its credentials."""
    browser = front.browser()
    back = await browser.come_back(await browser.leave_for_idp(CLIENT, redirect_uri=WEB))
    fields = {"code": back.query["code"], "code_verifier": VERIFIER, "redirect_uri": WEB}
    return {"grant_type": "authorization_code", **fields}


@pytest.mark.req(80, 157)
async def test_a_client_with_a_key_signs_a_user_in_refreshes_and_revokes(front: Front):
    status, tokens = await post(front, "/token", **await code(front), **asserted(front))
    assert status == 200, tokens
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    status, tokens = await post(front, "/token", client_id=CLIENT, **refresh, **asserted(front, aud=f"{ISS}/token"))
    assert status == 200, tokens
    revoke = asserted(front, aud=f"{ISS}/revoke")
    assert await post(front, "/revoke", token=tokens["refresh_token"], **revoke) == (200, {})
    refresh["refresh_token"] = tokens["refresh_token"]
    status, answer = await post(front, "/token", **refresh, **asserted(front))
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.req(157)
async def test_without_a_right_assertion_there_are_no_tokens_and_the_code_stands(front: Front):
    fields = await code(front)
    used = asserted(front)
    await post(front, "/token", grant_type="refresh_token", refresh_token="dcrr_junk", **used)
    attempts = [
        ({"client_id": CLIENT}, "private_key_jwt"),
        (asserted(front, key_for("RS256", 2)), "signature"),
        (asserted(front, aud="https://other.example"), "somebody else"),
        (asserted(front, exp=front.clock() + 3600), "300 seconds"),
        (used, "used before"),
    ]
    for credentials, reason in attempts:
        status, answer = await post(front, "/token", **fields, **credentials)
        assert (status, answer["error"]) == (401, "invalid_client")
        refused = [event for event in front.events if isinstance(event, TokenRefused)][-1]
        assert (refused.client, reason in refused.detail) == (CLIENT, True), refused.detail
    status, answer = await post(front, "/token", **fields, **asserted(front), client_secret="x")
    assert (status, answer["error"]) == (400, "invalid_request")
    status, _ = await post(front, "/token", **fields, **asserted(front))
    assert status == 200

"""POST /revoke over HTTP (RFC 7009; requirements O)."""

import pytest

from sidecar.events import GrantEnded
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, tokens_for


@pytest.mark.req(162, 164)
async def test_a_revoked_refresh_token_is_dead_and_so_is_its_grant(face: Face) -> None:
    tokens = await tokens_for(face)
    fields = {"token": tokens["refresh_token"], "client_id": tokens["client_id"], "token_type_hint": "nonsense"}
    for _ in range(2):
        response = await face.post_form("/revoke", fields)
        assert (response.status, await response.read()) == (200, b"")
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": tokens["client_id"],
    }
    response = await face.post_form("/token", form)
    assert (await response.json())["error"] == "invalid_grant"
    assert [event.reason for event in face.events_of(GrantEnded)] == ["revoked"]


@pytest.mark.req(161)
async def test_a_stranger_is_invalid_client(face: Face) -> None:
    tokens = await tokens_for(face)
    for fields in ({"token": tokens["refresh_token"]}, {"token": "x", "client_id": "dcr1-unknown"}):
        response = await face.post_form("/revoke", fields)
        assert (response.status, (await response.json())["error"]) == (401, "invalid_client")


@pytest.mark.req(162, 163, 165)
@pytest.mark.parametrize("token", ["foreign", "junk", "dcrr_" + "A" * 96, "eyJhbGciOiJub25lIn0.e30."])
async def test_a_token_that_is_not_the_callers_is_200_and_nothing_happens(face: Face, token: str) -> None:
    """Design 12.4."""
    tokens = await tokens_for(face)
    other = await face.register(**PUBLIC)
    fields = {"token": tokens["refresh_token"] if token == "foreign" else token, "client_id": other["client_id"]}
    assert (await face.post_form("/revoke", fields)).status == 200
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": tokens["client_id"],
    }
    assert (await face.post_form("/token", form)).status == 200

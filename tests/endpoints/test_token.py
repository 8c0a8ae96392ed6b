"""POST /token over HTTP (RFC 6749 3.2 and 5; requirements K, L and M)."""

import asyncio
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from sidecar.events import TokenIssued, TokenRefused
from sidecar.records import UpstreamTokens
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, sign_in, tokens_for
from tests.fakes.idp import Fault


def refresh_fields(tokens: dict[str, Any], **more: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": tokens["client_id"],
        **more,
    }


def basic(client_id: str, secret: str, *, encoded: bool) -> str:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}" if encoded else f"{client_id}:{secret}"
    return "Basic " + b64encode(pair.encode()).decode()


@pytest.mark.req(126, 127)
async def test_a_code_becomes_tokens(face: Face) -> None:
    """RFC 6749 5.1: all members, no null, never cached."""
    registered = await face.register(**PUBLIC)
    code = await sign_in(face, registered)
    response = await face.post_form("/token", face.code_fields(code=code, client_id=registered["client_id"]))
    body = await response.json()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert response.content_type == "application/json"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "notes.read notes.write")
    assert face.events_of(TokenIssued)[0].user == "alice"


@pytest.mark.req(44, 132, 133)
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic", "client_secret_basic encoded"])
async def test_confidential_clients_authenticate_as_they_registered(face: Face, method: str) -> None:
    """The TypeScript SDK sends raw Basic credentials, the Python SDK encoded ones and client_id in the body."""
    registered = await face.register(**{**PUBLIC, "token_endpoint_auth_method": method.split(maxsplit=1)[0]})
    code = await sign_in(face, registered)
    fields = face.code_fields(code=code)
    headers = {}
    if method == "client_secret_post":
        fields |= {"client_id": registered["client_id"], "client_secret": registered["client_secret"]}
    else:
        encoded = method.endswith("encoded")
        pair = (registered["client_id"], registered["client_secret"])
        headers["Authorization"] = basic(*pair, encoded=encoded)
        fields |= {"client_id": registered["client_id"]} if encoded else {}
    response = await face.post_form("/token", fields, headers=headers)
    assert response.status == 200, await response.text()


@pytest.mark.req(130, 131)
async def test_wrong_credentials_are_invalid_client_and_burn_nothing(face: Face) -> None:
    """RFC 6749 5.2: 401, with a Basic challenge when Basic was tried; the right client still gets its tokens."""
    registered = await face.register(**{**PUBLIC, "token_endpoint_auth_method": "client_secret_basic"})
    code = await sign_in(face, registered)
    wrong = {"Authorization": basic(registered["client_id"], "wrong", encoded=False)}
    response = await face.post_form("/token", face.code_fields(code=code), headers=wrong)
    assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    unknown = await face.post_form("/token", face.code_fields(code=code, client_id="dcr1-unknown"))
    assert (unknown.status, (await unknown.json())["error"]) == (401, "invalid_client")
    assert "WWW-Authenticate" not in unknown.headers
    right = {"Authorization": basic(registered["client_id"], registered["client_secret"], encoded=False)}
    assert (await face.post_form("/token", face.code_fields(code=code), headers=right)).status == 200


@pytest.mark.req(125, 128, 129, 134, 160)
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param([("grant_type", "password")], "unsupported_grant_type", id="password"),
        pytest.param([("grant_type", "implicit")], "unsupported_grant_type", id="implicit"),
        pytest.param([("grant_type", "client_credentials")], "unsupported_grant_type", id="client credentials"),
        pytest.param([], "invalid_request", id="no grant type"),
        pytest.param([("grant_type", "refresh_token")] * 2, "invalid_request", id="repeated"),
        pytest.param([("grant_type", "refresh_token")], "invalid_request", id="no refresh token"),
    ],
)
async def test_what_is_no_token_request_gets_its_error(face: Face, fields: list[tuple[str, str]], error: str) -> None:
    registered = await face.register(**PUBLIC)
    response = await face.post_form("/token", [*fields, ("client_id", registered["client_id"])])
    assert (response.status, (await response.json())["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.req(125)
async def test_only_posted_forms(face: Face) -> None:
    assert (await face.get("/token")).status == 405
    response = await face.post_json("/token", {"grant_type": "authorization_code"})
    assert (response.status, (await response.json())["error"]) == (400, "invalid_request")


@pytest.mark.req(137)
@pytest.mark.parametrize("verifier", ["", "short", "v" * 129, "v" * 42 + "!", "w" * 43])
async def test_a_verifier_that_does_not_fit_is_invalid_grant(face: Face, verifier: str) -> None:
    registered = await face.register(**PUBLIC)
    code = await sign_in(face, registered)
    fields = face.code_fields(code=code, client_id=registered["client_id"]) | {"code_verifier": verifier}
    response = await face.post_form("/token", fields)
    assert (response.status, (await response.json())["error"]) == (400, "invalid_grant")


@pytest.mark.req(142, 152)
async def test_another_resource_is_invalid_target(face: Face) -> None:
    registered = await face.register(**PUBLIC)
    code = await sign_in(face, registered)
    fields = face.code_fields(code=code, client_id=registered["client_id"])
    other = {"resource": "https://mcp.example.com/other"}
    response = await face.post_form("/token", fields | other)
    assert (response.status, (await response.json())["error"]) == (400, "invalid_target")
    tokens = await (await face.post_form("/token", fields)).json() | {"client_id": registered["client_id"]}
    response = await face.post_form("/token", refresh_fields(tokens, **other))
    assert (response.status, (await response.json())["error"]) == (400, "invalid_target")


@pytest.mark.req(65, 147, 149, 196)
async def test_replicas_share_everything(face: Face) -> None:
    """Registered on one, redeemed on the other, refreshed three times at once on both: every answer works."""
    async with face.replica() as other:
        registered = await face.register(**PUBLIC)
        code = await sign_in(other, registered)
        fields = other.code_fields(code=code, client_id=registered["client_id"])
        tokens = await (await other.post_form("/token", fields)).json() | {"client_id": registered["client_id"]}
        answers = await asyncio.gather(
            *(replica.post_form("/token", refresh_fields(tokens)) for replica in (face, other, face))
        )
        bodies = [await answer.json() for answer in answers]
        assert len({body["refresh_token"] for body in bodies}) == 1
        again = await face.post_form("/token", refresh_fields(bodies[1] | {"client_id": registered["client_id"]}))
        assert again.status == 200


@pytest.mark.req(155)
async def test_a_dead_refresh_token_is_exactly_invalid_grant(face: Face) -> None:
    tokens = await tokens_for(face)
    await face.forget_everything()
    response = await face.post_form("/token", refresh_fields(tokens))
    assert (response.status, (await response.json())["error"]) == (400, "invalid_grant")
    assert face.events_of(TokenRefused)[-1].detail


@pytest.mark.req(136)
async def test_an_idp_that_is_down_is_503_and_the_session_survives(face: Face) -> None:
    """An invalid_grant here would sign everybody out (peers.md 4.2)."""
    registered = await face.register(**PUBLIC)
    tokens = await tokens_for(face, registered, tokens=UpstreamTokens("up-1", "up-r", face.clock() + 60))
    face.clock.advance(100)
    face.idp.fail("token", Fault(status=503))
    response = await face.post_form("/token", refresh_fields(tokens))
    assert response.status == 503
    assert (await response.json())["error"] == "temporarily_unavailable"
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.req(192)
async def test_no_secret_reaches_an_event(face: Face) -> None:
    """Events are what logs and metrics are made of."""
    tokens = await tokens_for(face)
    await face.post_form("/token", refresh_fields(tokens))
    said = repr(face.events)
    for secret in (tokens["access_token"], tokens["refresh_token"], "up-1", "up-r-1"):
        assert secret not in said


@pytest.mark.parametrize("name", ["client_secret", "refresh_token", "code"])
async def test_a_credential_in_the_url_is_refused(face: Face, name: str) -> None:
    """RFC 6749 2.3.1: URLs end in logs."""
    registered = await face.register(**PUBLIC)
    response = await face.post_form(f"/token?{name}=x", face.code_fields(client_id=registered["client_id"]))
    assert (response.status, (await response.json())["error"]) == (400, "invalid_request")

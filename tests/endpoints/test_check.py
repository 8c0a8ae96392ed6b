"""The ext_authz decision over HTTP, as Envoy asks for it (design 10; requirements Q and R)."""

import re
from collections.abc import AsyncIterator

import pytest

from sidecar import headers
from sidecar.events import CallDecided
from sidecar.records import UpstreamTokens
from tests.endpoints.checker import Checker, checking
from tests.endpoints.conftest import ISSUER, Face
from tests.endpoints.signed_in import PUBLIC, tokens_for

PRM = f"{ISSUER}/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
async def check(face: Face) -> AsyncIterator[Checker]:
    async with checking(face) as checker:
        yield checker


@pytest.mark.req(169, 177)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
async def test_no_token_is_challenged_without_an_error(check: Checker, method: str) -> None:
    """RFC 9728 5.1, RFC 6750 3.1."""
    response = await check(method=method)
    assert response.status == 401
    assert response.headers.getall("WWW-Authenticate") == [f'Bearer resource_metadata="{PRM}", scope="notes.read"']


@pytest.mark.req(12, 169)
async def test_the_slash_variant_is_the_same_server_and_is_challenged_as_itself(check: Checker) -> None:
    response = await check("/mcp/")
    assert response.status == 401
    assert f'resource_metadata="{PRM}/"' in response.headers["WWW-Authenticate"]


@pytest.mark.req(119, 179)
async def test_a_good_token_is_exchanged_for_the_upstream_token(face: Face, check: Checker) -> None:
    """Ours, cookies and every identity header are removed; what Envoy logs is named."""
    tokens = await tokens_for(face)
    response = await check(token=tokens["access_token"])
    assert response.status == 200
    assert response.headers["Authorization"] == "Bearer up-1"
    removed = response.headers[headers.REMOVE].split(",")
    assert {"cookie", *headers.IDENTITY, *headers.FOREIGN_IDENTITY} <= set(removed)
    assert "authorization" not in removed
    assert response.headers["x-dcr-log-user"] == "alice@example.com"
    assert tokens["access_token"] not in str(response.headers)


@pytest.mark.req(8, 181)
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp/sub", "/mcp?x=1&access_token=y"])
async def test_every_form_of_the_path_is_the_same_decision(face: Face, check: Checker, path: str) -> None:
    tokens = await tokens_for(face)
    assert (await check(path)).status == 401
    assert (await check(path, tokens["access_token"])).status == 200


@pytest.mark.req(181)
@pytest.mark.parametrize(
    "path",
    [
        "/healthz/../mcp",
        "/healthz/%2e%2e/mcp",
        "/mcp/..;/admin",
        "//mcp",
        "/./mcp",
        "/mcp%2fx",
        "/mcp%00",
        "/%6dcp",
        "/MCP",
        "/mcp;x",
        "/mcpx",
        "/mcp%5cx",
        "/mcp%252f",
        "/metrics",
        "/token",
        "/register",
        "/.well-known/oauth-authorization-server",
        "/",
    ],
)
async def test_a_path_that_is_not_the_servers_is_never_allowed(face: Face, check: Checker, path: str) -> None:
    """EX-11, EX-13: a good token opens its own server and nothing that merely looks like it."""
    tokens = await tokens_for(face)
    assert await check.status_of("/check/mcp", tokens["access_token"]) == 200
    assert await check.status_of("/check" + path, tokens["access_token"]) == 404


@pytest.mark.req(1)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("mcp.example.com", 200),
        ("MCP.example.com", 200),
        ("mcp.example.com:443", 200),
        ("mcp.example.com:8443", 404),
        ("mcp.example.com.", 404),
        ("evil.example", 404),
        ("multi.example.com", 404),
    ],
)
async def test_the_authority_is_configured_or_unknown(face: Face, check: Checker, host: str, status: int) -> None:
    tokens = await tokens_for(face)
    extra = {"X-Forwarded-Host": "mcp.example.com", "X-Original-URL": "/mcp", "User-Agent": "kube-probe/1.30"}
    assert (await check(token=tokens["access_token"], host=host, extra=extra)).status == status


@pytest.mark.req(170, 171, 172, 173)
@pytest.mark.parametrize(
    ("extra", "error"),
    [
        pytest.param({"Authorization": "Bearer up-1"}, "invalid_token", id="the upstream token itself"),
        pytest.param({"Authorization": "Bearer " + "x" * 5000}, "invalid_token", id="oversized"),
        pytest.param({"Authorization": "Bearer dcra_" + "A" * 96}, "invalid_token", id="forged"),
        pytest.param({"Authorization": "Bearer"}, None, id="scheme only"),
        pytest.param({"Authorization": ""}, None, id="empty"),
        pytest.param({"Authorization": "Basic YTpi"}, None, id="another scheme"),
        pytest.param({"Cookie": "access_token=x"}, None, id="a cookie"),
        pytest.param({"Mcp-Session-Id": "abc"}, None, id="a session id is no credential"),
    ],
)
async def test_what_is_no_token_of_ours_is_challenged(check: Checker, extra: dict[str, str], error: str | None) -> None:
    response = await check(extra=extra)
    assert response.status == 401
    found = re.search(r'error="([^"]+)"', response.headers["WWW-Authenticate"])
    assert (found[1] if found else None) == error
    assert f'resource_metadata="{PRM}"' in response.headers["WWW-Authenticate"]


@pytest.mark.req(172)
async def test_a_token_in_the_query_is_ignored(face: Face, check: Checker) -> None:
    tokens = await tokens_for(face)
    response = await check(f"/mcp?access_token={tokens['access_token']}")
    assert response.status == 401


@pytest.mark.req(173)
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
async def test_the_scheme_is_case_insensitive(face: Face, check: Checker, scheme: str) -> None:
    tokens = await tokens_for(face)
    response = await check(extra={"Authorization": f"{scheme} {tokens['access_token']}"})
    assert response.status == 200


@pytest.mark.req(174, 177)
async def test_a_token_without_scope_gets_403_and_all_that_is_needed(face: Face, check: Checker) -> None:
    tokens = await tokens_for(face)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": tokens["client_id"],
        "scope": "notes.write",
    }
    narrowed = await (await face.post_form("/token", form)).json()
    for _ in range(2):
        response = await check(token=narrowed["access_token"])
        assert response.status == 403
        challenge = response.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert "notes.read" in challenge
        assert f'resource_metadata="{PRM}"' in challenge


@pytest.mark.req(170)
async def test_a_token_for_one_server_is_nothing_at_another(face: Face, check: Checker) -> None:
    """CVE-2025-69196: one process, one store, two servers."""
    tokens = await tokens_for(face)
    response = await check("/tenant1/mcp", tokens["access_token"], host="multi.example.com")
    assert response.status == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.req(180)
async def test_a_server_without_its_pool_is_denied(face: Face, check: Checker) -> None:
    tokens = await tokens_for(face)
    for host in ("gone.example.com", "bare.example.com"):
        assert (await check("/mcp", tokens["access_token"], host=host)).status == 503


@pytest.mark.req(188)
@pytest.mark.parametrize(("origin", "status"), [("https://mcp.example.com", 200), ("https://evil.example", 403)])
async def test_a_foreign_origin_is_forbidden(face: Face, check: Checker, origin: str, status: int) -> None:
    """MCP transport: DNS rebinding."""
    tokens = await tokens_for(face)
    response = await check(token=tokens["access_token"], extra={"Origin": origin})
    assert response.status == status
    assert response.headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)


@pytest.mark.req(184, 185, 186, 187)
async def test_a_preflight_is_answered_without_a_token_and_never_allowed_through(check: Checker) -> None:
    """204 is a denial for Envoy, so the MCP server never sees it."""
    response = await check(
        method="OPTIONS",
        extra={
            "Origin": "https://mcp.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, mcp-param-x",
        },
    )
    assert response.status == 204
    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "mcp-protocol-version", "mcp-session-id", "last-event-id", "mcp-param-x"} <= allowed
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.req(186)
async def test_a_browser_can_read_the_challenge(check: Checker) -> None:
    response = await check(extra={"Origin": "https://mcp.example.com"})
    assert response.status == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://mcp.example.com"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.req(180)
async def test_after_the_store_lost_everything_nobody_is_let_through(face: Face, check: Checker) -> None:
    """RD-05: valid because the grant exists."""
    tokens = await tokens_for(face)
    assert (await check(token=tokens["access_token"])).status == 200
    await face.forget_everything()
    face.clock.advance(2)  # the published bound of what is remembered
    assert (await check(token=tokens["access_token"])).status == 401


async def test_a_decision_says_whose_call_it_was(face: Face, check: Checker) -> None:
    tokens = await tokens_for(face)
    await check(token=tokens["access_token"])
    decided = face.events_of(CallDecided)[-1]
    assert (decided.outcome, decided.user, decided.server) == ("allowed", "alice", "notes")


async def test_a_grant_whose_upstream_refresh_is_refused_is_over(face: Face, check: Checker) -> None:
    """The IdP never issued this refresh token, so it says invalid_grant."""
    registered = await face.register(**PUBLIC)
    tokens = await tokens_for(face, registered, tokens=UpstreamTokens("up-1", "unknown-to-the-idp", face.clock() + 60))
    face.clock.advance(100)
    response = await check(token=tokens["access_token"])
    assert response.status == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

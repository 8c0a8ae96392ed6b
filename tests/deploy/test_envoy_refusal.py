"""The MCP server answers 401: the client gets our challenge, never the origin's, and the sidecar is told."""

import pytest
from aiohttp import web

from sidecar import headers
from tests.fakes.edge import GOOD, HOST, INSPECTOR, Edge, running_edge

OURS = (
    f'Bearer resource_metadata="https://{HOST}/.well-known/oauth-protected-resource/mcp", '
    'error="invalid_token", error_description="The access token is not valid."'
)


async def refuses(_request: web.BaseRequest) -> web.StreamResponse:
    theirs = 'Bearer resource_metadata="https://origin.internal/.well-known/x", error="invalid_token"'
    return web.json_response({"error": "expired"}, status=401, headers={"WWW-Authenticate": theirs})


def reports(edge: Edge) -> list[tuple[str | None, str | None]]:
    return [
        (seen.value("x-dcr-log-grant"), seen.value("x-dcr-log-serial"))
        for seen in edge.check.seen
        if seen.path == headers.REFUSED_PATH
    ]


@pytest.mark.req(4, 169)
async def test_the_origins_challenge_is_replaced_and_the_sidecar_knows_before_the_client() -> None:
    async with running_edge() as edge:
        edge.origin.answer = refuses
        async with edge.request("POST", "/mcp", headers={**GOOD, "origin": INSPECTOR}) as response:
            assert response.status == 401
            assert response.headers.getall("WWW-Authenticate") == [OURS]
            assert response.headers["Access-Control-Allow-Origin"] == INSPECTOR
        assert reports(edge) == [("grant-1", "7")]


async def test_a_refusal_of_ours_is_no_refusal_of_the_origin() -> None:
    async with running_edge() as edge:
        async with edge.request("POST", "/mcp") as response:
            assert response.status == 401
            assert "https://mcp.example.com/.well-known/x" in response.headers["WWW-Authenticate"]
        assert reports(edge) == []


async def test_any_other_answer_of_the_origin_passes_as_it_is() -> None:
    async with running_edge() as edge:
        async with edge.request("POST", "/mcp", headers=GOOD) as response:
            assert response.status == 200
        assert reports(edge) == []


async def test_a_relayed_servers_own_challenge_passes_untouched() -> None:
    """`without_pool: relay`: documents and traffic are the origin's."""
    async with running_edge() as edge:
        edge.origin.answer = refuses
        async with edge.request("POST", "/open") as response:
            assert "origin.internal" in response.headers["WWW-Authenticate"]
        assert reports(edge) == []


async def test_the_client_is_answered_when_the_sidecar_cannot_be_told() -> None:
    """The word is lost, the challenge is not."""

    async with running_edge() as edge:
        edge.origin.answer = refuses
        decide = edge.check.answer

        async def fails(request: web.BaseRequest) -> web.StreamResponse:
            if request.path == headers.REFUSED_PATH:
                return web.Response(status=500)
            return await decide(request)

        edge.check.answer = fails
        async with edge.request("POST", "/mcp", headers=GOOD) as response:
            assert response.headers.getall("WWW-Authenticate") == [OURS]


async def test_a_check_that_asks_for_the_secret_gets_it_with_the_word() -> None:
    environ = {"DCR_SIDECAR_CHECK_SECRET": "s" * 32}
    async with running_edge(check_secret=True, environ=environ) as edge:
        edge.origin.answer = refuses
        async with edge.request("POST", "/mcp", headers=GOOD) as response:
            assert response.status == 401
        (seen,) = [seen for seen in edge.check.seen if seen.path == headers.REFUSED_PATH]
        assert seen.value(headers.CHECK_SECRET) == "s" * 32


@pytest.mark.req(7, 8)
@pytest.mark.parametrize(
    ("location", "arrives"),
    [
        pytest.param("http://{origin}/mcp", f"https://{HOST}/mcp", id="the other spelling"),
        pytest.param("https://{origin}/mcp?a=b#c", f"https://{HOST}/mcp?a=b#c", id="by the scheme that it was told"),
        pytest.param("http://{origin}", f"https://{HOST}", id="no path"),
        pytest.param("/mcp", "/mcp", id="relative"),
        pytest.param("https://other.example/mcp", "https://other.example/mcp", id="elsewhere"),
        pytest.param("http://{origin}.example/mcp", "http://{origin}.example/mcp", id="a longer name"),
        pytest.param("http://a@{origin}/mcp", "http://a@{origin}/mcp", id="userinfo"),
    ],
)
async def test_a_redirect_to_the_origins_own_address_leads_to_the_public_one(location: str, arrives: str) -> None:
    """Starlette and others answer `/mcp/` so where they serve `/mcp`, or the reverse."""
    async with running_edge() as edge:
        address = f"127.0.0.1:{edge.origin.port}"

        async def moved(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": location.format(origin=address)})

        edge.origin.answer = moved
        async with edge.request("POST", "/mcp/", headers=GOOD) as response:
            assert response.status == 307
            assert response.headers["Location"] == arrives.format(origin=address)

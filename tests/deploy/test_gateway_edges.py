"""Real Envoy, configured as Envoy Gateway and as Istio would from our objects: the check's decisions hold there too."""

from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web

from sidecar import headers
from sidecar.envoy_config import Place
from tests.fakes import envoy_gateway, istio
from tests.fakes.edge import GOOD, HOST, INSPECTOR, Edge
from tests.fakes.gateways import SECRET, Translation, running_gateway

BOTH = pytest.mark.parametrize(
    "gateway",
    [pytest.param(envoy_gateway.translated, id="envoy-gateway"), pytest.param(istio.translated, id="istio")],
)
FORGED = {
    "x-dcr-user": "mallory",
    "x-dcr-email": "mallory@example.com",
    "x.dcr.groups": "admins",
    "x-dcr-source": "6.6.6.6",
    "x-dcr-check-secret": "guessed",
    "x-dcr-log-user": "mallory",
    "x-dcr-log-serial": "9",
    "x-forwarded-user": "mallory",
    "x-user-id": "mallory",
    "x-remote-user": "mallory",
    "x-original-url": "/admin",
    "x-http-method-override": "DELETE",
    "forwarded": "host=evil.example",
    "cookie": "__Host-dcr=transaction",
}
OURS = (
    f'Bearer resource_metadata="https://{HOST}/.well-known/oauth-protected-resource/mcp", error="invalid_token", '
    'error_description="The access token is not valid.", scope="read"'
)


async def refuses(_request: web.BaseRequest) -> web.StreamResponse:
    theirs = {"WWW-Authenticate": 'Bearer resource_metadata="https://origin.internal/.well-known/x"'}
    return web.json_response({"error": "expired"}, status=401, headers=theirs)


def reports(edge: Edge) -> list[tuple[str | None, str | None, str | None]]:
    names = ("x-dcr-log-grant", "x-dcr-log-serial", "x-dcr-check-secret")
    found = [seen for seen in edge.check.seen if seen.path == headers.REFUSED_PATH]
    return [(seen.value(names[0]), seen.value(names[1]), seen.value(names[2])) for seen in found]


@BOTH
async def test_without_a_token_the_client_gets_the_challenge_and_the_server_nothing(gateway: Translation):
    async with running_gateway(gateway) as edge:
        for path in ("/mcp", "/mcp/", "/mcp/more", "/mcp/../mcp", "/token/../mcp"):
            async with edge.request("POST", path) as answer:
                assert answer.status == 401, path
                assert "https://mcp.example.com/.well-known/x" in answer.headers["WWW-Authenticate"]
                assert answer.headers["x-dcr-reference"] == "ref-denied"
        assert edge.origin.seen == []


@BOTH
@pytest.mark.req(178, 179)
async def test_an_allowed_request_carries_the_checks_headers_and_nothing_the_client_made_up(gateway: Translation):
    async with running_gateway(gateway) as edge:
        sent = {**GOOD, **FORGED, "origin": INSPECTOR, "mcp-session-id": "s"}
        async with edge.request("POST", "/mcp?cursor=2", headers=sent, data=b"{}") as answer:
            assert answer.status == 200
            assert answer.headers.getall("Access-Control-Allow-Origin") == [INSPECTOR]
            assert "Set-Cookie" not in answer.headers
        (seen,) = edge.origin.seen

        assert seen.value("authorization") == "Bearer upstream-token"
        assert seen.value("x-dcr-user") == "alice"
        assert seen.value("mcp-session-id") == "s"
        assert str(seen.value("host")).partition(":")[0] == "notes.mcp"
        assert seen.body == b"{}"
        assert [name for name, _ in seen.headers if name.lower().startswith("x-dcr-")] == ["x-dcr-user"]
        lost = [name for name in (*FORGED, "origin") if name != "x-dcr-user"]
        assert [name for name in lost if seen.values(name)] == []
        assert SECRET not in str(seen)
        assert (await edge.envoy.logged(status=200))["user"] == "alice"


@BOTH
async def test_the_check_reads_what_it_decides_on_and_its_secret(gateway: Translation):
    async with running_gateway(gateway) as edge:
        sent = {**GOOD, **FORGED, "origin": INSPECTOR, "mcp-method": "tools/call", "x-custom": "1"}
        async with edge.request("POST", "/mcp?cursor=2", headers=sent, data=b"body") as answer:
            assert answer.status == 200
        (seen,) = edge.check.seen

        assert (seen.method, seen.path, seen.value("host"), seen.body) == ("POST", "/check/mcp?cursor=2", HOST, b"")
        assert seen.value("authorization") == "Bearer good"
        assert seen.value("origin") == INSPECTOR
        assert seen.value("mcp-method") == "tools/call"
        assert seen.value("x-dcr-check-secret") == SECRET
        assert seen.value("x-dcr-source") in {None, "127.0.0.1"}
        assert seen.values("cookie") + seen.values("x-custom") + seen.values("x-dcr-user") == []


@BOTH
@pytest.mark.req(182)
async def test_what_needs_no_token_goes_to_the_oauth_listener_with_the_callers_address(gateway: Translation):
    public = ("/authorize", "/token", "/register", "/register/x", "/.well-known/oauth-authorization-server")
    async with running_gateway(gateway) as edge:
        for path in (*public, "/mcp/.well-known/oauth-protected-resource"):
            async with edge.request("GET", f"{path}?a=b", headers={"x-dcr-source": "6.6.6.6"}) as answer:
                assert (await answer.json())["from"] == "oauth", path
        assert (edge.check.seen, edge.origin.seen) == ([], [])
        assert [seen.value("x-dcr-source") for seen in edge.oauth.seen] == ["127.0.0.1"] * 6
        assert [seen.values("x-dcr-check-secret") for seen in edge.oauth.seen] == [[]] * 6


@BOTH
@pytest.mark.parametrize("path", ["/mcp%2Fx", "/.well-known/..%2fmcp", "/.well-known/%5c..%5cmcp"])
async def test_escaped_slashes_are_refused(gateway: Translation, path: str):
    async with running_gateway(gateway) as edge:
        async with edge.request("POST", path, headers=GOOD) as answer:
            assert answer.status == 400
        assert (edge.origin.seen, edge.oauth.seen) == ([], [])


@BOTH
@pytest.mark.parametrize(
    "path", ["/mcpx", "/mcp.x", "/", "/Mcp", "/authorize/x", "/tokens", "//mcp", "/.well-known//../../mcpx"]
)
async def test_a_path_beside_the_served_ones_reaches_nobody(gateway: Translation, path: str):
    async with running_gateway(gateway) as edge:
        async with edge.request("POST", path, headers=GOOD) as answer:
            assert answer.status == 404
        assert (edge.origin.seen, edge.oauth.seen) == ([], [])


@BOTH
async def test_no_spelling_of_the_host_leads_past_the_check(gateway: Translation):
    async with running_gateway(gateway) as edge:
        for host in (HOST, HOST.upper(), f"{HOST}:443", f"{HOST}:8443", f"{HOST}:", f"{HOST}.", "other.example"):
            async with edge.request("POST", "/mcp", host=host) as answer:
                assert answer.status in {400, 401, 404}, host
        assert edge.origin.seen == []


@BOTH
@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "CONNECT"])
async def test_methods_that_mcp_does_not_know_reach_no_server(gateway: Translation, method: str):
    async with running_gateway(gateway) as edge:
        answer = await edge.raw(
            f"{method} /mcp HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer good\r\n\r\n".encode()
        )
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 403", b"HTTP/1.1 400"))
        assert edge.origin.seen == []


@BOTH
@pytest.mark.req(4, 169)
async def test_the_origins_challenge_is_replaced_and_the_sidecar_knows_before_the_client(gateway: Translation):
    async with running_gateway(gateway) as edge:
        edge.origin.answer = refuses
        async with edge.request("POST", "/mcp", headers={**GOOD, **FORGED, "origin": INSPECTOR}) as answer:
            assert answer.status == 401
            assert answer.headers.getall("WWW-Authenticate") == [OURS]
            assert answer.headers["Access-Control-Allow-Origin"] == INSPECTOR
        assert reports(edge) == [("grant-1", "7", SECRET)]


@BOTH
async def test_a_refusal_of_ours_is_no_refusal_of_the_origin(gateway: Translation):
    async with running_gateway(gateway) as edge:
        async with edge.request("POST", "/mcp", headers={**FORGED, "x-dcr-log-server": "notes"}) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] != OURS
        assert reports(edge) == []


@BOTH
@pytest.mark.req(7, 8)
@pytest.mark.parametrize(
    ("location", "arrives"),
    [
        pytest.param("http://notes.mcp:3000/mcp", f"https://{HOST}/mcp", id="the other spelling"),
        pytest.param("https://notes.mcp/mcp?a=b#c", f"https://{HOST}/mcp?a=b#c", id="by the host that it was told"),
        pytest.param("/mcp", "/mcp", id="relative"),
        pytest.param("http://notes.mcp:4000/mcp", "http://notes.mcp:4000/mcp", id="another port"),
        pytest.param("https://notes.mcp.example/mcp", "https://notes.mcp.example/mcp", id="a longer name"),
        pytest.param("http://a@notes.mcp:3000/mcp", "http://a@notes.mcp:3000/mcp", id="userinfo"),
    ],
)
async def test_a_redirect_to_the_origins_own_address_leads_to_the_public_one(
    gateway: Translation, location: str, arrives: str
):
    async def moved(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": location})

    async with running_gateway(gateway) as edge:
        edge.origin.answer = moved
        async with edge.request("POST", "/mcp/", headers=GOOD) as answer:
            assert answer.status == 307
            assert answer.headers["Location"] == arrives


@BOTH
async def test_a_redirect_of_the_check_passes_as_it_is(gateway: Translation):
    """Only an allowed request names the server; what the client says of it is gone by then."""

    async def elsewhere(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://notes.mcp:3000/mcp"})

    async with running_gateway(gateway) as edge:
        edge.check.answer = elsewhere
        async with edge.request("POST", "/mcp", headers={"x-dcr-log-server": "notes"}) as answer:
            assert answer.status == 302
            assert answer.headers.get("Location", "") in {"", "http://notes.mcp:3000/mcp"}


@BOTH
async def test_without_lua_the_origins_challenge_still_stays_inside(gateway: Callable[..., object]):
    translation = {
        envoy_gateway.translated: partial(envoy_gateway.translated, place=Place(lua=False)),
        istio.translated: partial(istio.translated, place=Place(lua=False)),
    }[gateway]
    async with running_gateway(translation) as edge:
        edge.origin.answer = refuses
        async with edge.request("POST", "/mcp", headers=GOOD) as answer:
            assert answer.status == 401
            assert "WWW-Authenticate" not in answer.headers
        assert reports(edge) == []
        assert [name for name, _ in edge.origin.seen[0].headers if name.lower().startswith("x-dcr-")] == ["x-dcr-user"]


@BOTH
async def test_a_check_that_fails_means_503_and_never_passes(gateway: Translation):
    async def fails(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500)

    async with running_gateway(gateway) as edge:
        edge.check.answer = fails
        async with edge.request("POST", "/mcp", headers={**GOOD, "origin": INSPECTOR}) as answer:
            assert answer.status == 503
            if gateway is envoy_gateway.translated:
                assert answer.headers["Retry-After"] == "2"
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                assert (await answer.json(content_type="application/json"))["error"] == "temporarily_unavailable"
        assert edge.origin.seen == []


async def test_an_origins_own_503_passes_through_envoy_gateway_as_it_is():
    async def busy(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503, text="busy")

    async with running_gateway(envoy_gateway.translated) as edge:
        edge.origin.answer = busy
        async with edge.request("POST", "/mcp", headers=GOOD) as answer:
            assert (answer.status, await answer.text()) == (503, "busy")


@pytest.mark.parametrize(
    "gateway",
    [
        pytest.param(partial(envoy_gateway.translated, without=["EnvoyProxy"]), id="no order of filters"),
        pytest.param(partial(envoy_gateway.translated, without=["Secret"]), id="no secret for Envoy Gateway"),
        pytest.param(partial(istio.translated, secret=""), id="no secret in the gateway's environment"),
    ],
)
async def test_a_check_that_never_sees_its_secret_lets_nobody_in(gateway: Translation):
    async with running_gateway(gateway) as edge:
        async with edge.request("POST", "/mcp", headers={**GOOD, "x-dcr-check-secret": SECRET}) as answer:
            assert answer.status == 503
        assert edge.origin.seen == []


@pytest.mark.parametrize(
    "gateway",
    [
        pytest.param(partial(envoy_gateway.translated, without=["ClientTrafficPolicy"]), id="envoy-gateway"),
        pytest.param(partial(istio.translated, without=["EnvoyFilter"]), id="istio"),
    ],
)
async def test_without_the_early_stripping_the_checks_own_removal_still_holds(gateway: Translation):
    forged = {"x-dcr-email": "mallory@example.com", "x-dcr-source": "6.6.6.6", "x-dcr-check-secret": "guessed"}
    async with running_gateway(gateway) as edge:
        async with edge.request("POST", "/mcp", headers={**GOOD, **forged, "cookie": "a=b"}) as answer:
            assert answer.status == 200
        (seen,) = edge.origin.seen
        assert [name for name in (*forged, "cookie") if seen.values(name)] == []
        assert edge.check.seen[0].value("x-dcr-check-secret") == SECRET


@BOTH
async def test_browsers_of_allowed_pages_may_call_and_others_may_not(gateway: Translation):
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with running_gateway(gateway) as edge:
        async with edge.request("OPTIONS", "/mcp", headers={**asked, "origin": INSPECTOR}) as answer:
            assert answer.status in {200, 204}
            assert answer.headers["Access-Control-Allow-Origin"] == INSPECTOR
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        async with edge.request("POST", "/mcp", headers={"origin": INSPECTOR}) as answer:
            assert answer.status == 401
            assert answer.headers.getall("Access-Control-Allow-Origin") == [INSPECTOR]
        assert edge.origin.seen == []


async def test_istio_shows_the_client_of_a_denial_only_what_is_listed():
    async with running_gateway(istio.translated) as edge, edge.request("POST", "/mcp") as answer:
        assert "x-not-for-clients" not in answer.headers
        assert "x-dcr-log-reference" not in answer.headers

"""Real Envoy between a client and recording stand-ins: hosts, headers, CORS, what the log says."""

import asyncio

import pytest
from aiohttp import web

from tests.fakes.edge import GOOD, HOST, INSPECTOR, Edge, check_answer, running_edge


@pytest.mark.req(178, 179)
async def test_an_allowed_request_carries_the_checks_headers_and_nothing_the_client_made_up(edge: Edge):
    forged = {
        "x-dcr-user": "mallory",
        "x-dcr-email": "mallory@example.com",
        "x-dcr-anything": "1",
        "x.dcr.groups": "admins",
        "x-user-id": "mallory",
        "x-forwarded-user": "mallory",
        "x-forwarded-access-token": "stolen",
        "x-auth-request-email": "mallory@example.com",
        "x-goog-authenticated-user-email": "mallory@example.com",
        "x-ms-client-principal": "mallory",
        "x-remote-user": "mallory",
        "x-original-url": "/admin",
        "x-rewrite-url": "/admin",
        "x-http-method-override": "DELETE",
        "x-forwarded-host": "evil.example",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "forwarded": "host=evil.example",
        "cookie": "__Host-dcr=transaction",
    }
    async with edge.request("POST", "/mcp", headers={**GOOD, **forged, "mcp-session-id": "s"}, data=b"{}") as answer:
        assert answer.status == 200
    (seen,) = edge.origin.seen

    assert seen.value("authorization") == "Bearer upstream-token"
    assert seen.value("x-dcr-user") == "alice"
    assert seen.value("mcp-session-id") == "s"
    assert seen.value("x-forwarded-host") == HOST
    assert seen.body == b"{}"
    passed = {"x-dcr-user", "x-forwarded-host"}
    assert [name for name in forged if name not in passed and seen.values(name)] == []
    assert seen.values("x-dcr-source") == []


@pytest.mark.parametrize("expected", [b"200-maybe", b"\xff"])
async def test_nobody_behind_envoy_is_expected_to_do_anything(edge: Edge, expected: bytes):
    for path, backend in ((b"/token", edge.oauth), (b"/mcp", edge.origin)):
        lines = [b"POST %s HTTP/1.1", b"host: %s", b"authorization: Bearer good", b"expect: %s", b"content-length: 2"]
        await edge.raw(b"\r\n".join(lines) % (path, HOST.encode(), expected) + b"\r\n\r\n{}")
        await backend.reached(1)
        assert backend.seen[0].values("expect") == []
        assert backend.seen[0].body == b"{}"


async def test_every_request_is_asked_about_anew(edge: Edge):
    for _ in range(3):
        async with edge.request("POST", "/mcp", headers={**GOOD, "mcp-session-id": "s"}) as answer:
            assert answer.status == 200
    async with edge.request("POST", "/mcp", headers={"mcp-session-id": "s"}) as answer:
        assert answer.status == 401
    assert (len(edge.check.seen), len(edge.origin.seen)) == (4, 3)


async def test_the_check_reads_what_it_decides_on_and_no_more(edge: Edge):
    sent = {
        **GOOD,
        "origin": INSPECTOR,
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cookie": "a=b",
        "x-custom": "1",
    }
    async with edge.request("POST", "/mcp?cursor=2", headers=sent, data=b"body") as answer:
        assert answer.status == 200
    (seen,) = edge.check.seen

    assert (seen.method, seen.path, seen.value("host"), seen.body) == ("POST", "/check/mcp?cursor=2", HOST, b"")
    assert seen.value("authorization") == "Bearer good"
    assert [name for name in sent if not seen.values(name)] == ["cookie", "x-custom"]
    assert len(seen.value("x-request-id") or "") == 36


@pytest.mark.parametrize("path", ["/mcp", "/token"])
async def test_the_source_is_the_sockets_peer_whatever_the_client_says(edge: Edge, path):
    forged = {"x-dcr-source": "6.6.6.6", "x-forwarded-for": "7.7.7.7", "x-real-ip": "8.8.8.8"}
    async with edge.request("POST", path, headers={**GOOD, **forged}):
        pass
    (seen,) = edge.check.seen if path == "/mcp" else edge.oauth.seen
    assert seen.value("x-dcr-source") == "127.0.0.1"


async def test_with_trusted_hops_the_source_is_what_the_last_of_them_saw():
    async with running_edge(trusted_hops=1) as edge:
        async with edge.request("POST", "/token", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.9"}):
            pass
        assert edge.oauth.seen[0].value("x-dcr-source") == "203.0.113.9"


async def test_the_checks_secret_comes_from_envoys_environment():
    async with running_edge(check_secret=True, environ={"DCR_SIDECAR_CHECK_SECRET": "of-the-environment"}) as edge:
        async with edge.request("GET", "/mcp", headers={**GOOD, "x-dcr-check-secret": "guess"}):
            pass
        assert edge.check.seen[0].value("x-dcr-check-secret") == "of-the-environment"
        assert edge.origin.seen[0].values("x-dcr-check-secret") == []


@pytest.mark.req(169, 183)
async def test_a_denial_reaches_the_client_with_its_challenge_and_nothing_internal(edge: Edge):
    async with edge.request("POST", "/mcp", headers={"origin": INSPECTOR}) as answer:
        assert (answer.status, answer.reason) == (401, "Unauthorized")
        (challenge,) = answer.headers.getall("www-authenticate")
        assert challenge.startswith("Bearer resource_metadata=")
        assert answer.headers.getall("access-control-allow-origin") == [INSPECTOR]
        assert answer.headers["x-dcr-reference"] == "ref-denied"
        assert await answer.json() == {"error": "invalid_token"}
        assert answer.content_type == "application/json"
        assert not {"x-not-for-clients", "x-dcr-log-reference"} & {name.lower() for name in answer.headers}
    assert edge.origin.seen == []


@pytest.mark.parametrize(
    ("status", "headers", "kept"),
    [
        pytest.param(403, {"www-authenticate": 'Bearer error="insufficient_scope"'}, "www-authenticate", id="scope"),
        pytest.param(404, {"cache-control": "no-store"}, "cache-control", id="no such server"),
        pytest.param(405, {"allow": "GET, POST"}, "allow", id="method"),
        pytest.param(429, {"retry-after": "7"}, "retry-after", id="limit"),
    ],
)
async def test_the_checks_own_answers_pass_as_they_are(edge: Edge, status, headers, kept):
    async def deny(_: web.BaseRequest) -> web.Response:
        return web.json_response({"error": "of-the-check"}, status=status, headers=headers)

    edge.check.answer = deny
    async with edge.request("GET", "/mcp", headers=GOOD) as answer:
        assert answer.status == status
        assert answer.headers.getall(kept) == [headers[kept]]
        assert await answer.json() == {"error": "of-the-check"}
    assert edge.origin.seen == []


@pytest.mark.req(173)
async def test_two_authorization_headers_are_one_that_is_none(edge: Edge):
    lines = ("POST /mcp HTTP/1.1", f"host: {HOST}", "authorization: Bearer good", "authorization: Bearer x", "", "")
    assert (await edge.raw("\r\n".join(lines).encode())).startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert edge.check.seen[0].value("authorization") == "Bearer good,Bearer x"


@pytest.mark.req(184, 187)
async def test_a_preflight_is_answered_by_the_check(edge: Edge):
    asked = {"origin": INSPECTOR, "access-control-request-method": "POST", "access-control-request-headers": "mcp-x"}
    async with edge.request("OPTIONS", "/mcp", headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers.getall("access-control-allow-origin") == [INSPECTOR]
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in answer.headers
    assert edge.check.seen[0].value("access-control-request-headers") == "mcp-x"
    assert edge.origin.seen == []


@pytest.mark.req(186, 187)
async def test_cors_on_the_answer_is_the_checks_and_cookies_are_nobodys(edge: Edge):
    async with edge.request("POST", "/mcp", headers={**GOOD, "origin": INSPECTOR}) as answer:
        assert answer.headers.getall("access-control-allow-origin") == [INSPECTOR]
        assert answer.headers.getall("vary") == ["Origin"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert edge.origin.seen[0].values("origin") == []


@pytest.mark.parametrize(
    "path",
    [
        *("/authorize?a=b", "/callback?code=1", "/token", "/register", "/register/id", "/revoke"),
        *("/.well-known/oauth-protected-resource/mcp", "/.well-known/foo", "/mcp/.well-known/openid-configuration"),
    ],
)
async def test_public_routes_reach_the_oauth_listener_without_a_check(edge: Edge, path):
    async with edge.request("GET", path, headers={"x-dcr-user": "mallory", "cookie": "c=1"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"from": "oauth", "path": path})
    (seen,) = edge.oauth.seen
    assert (seen.value("host"), seen.value("cookie"), seen.values("x-dcr-user")) == (HOST, "c=1", [])
    assert edge.check.seen == []


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/livez", "/mcpx", "/admin/pools", "/MCP", "/token/x"])
async def test_everything_else_on_a_known_host_is_asked_about_and_never_served(edge: Edge, path):
    async with edge.request("GET", path) as answer:
        assert answer.status == 401
    async with edge.request("GET", path, headers=GOOD) as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, "not_found")
    assert [seen.path for seen in edge.check.seen] == [f"/check{path}"] * 2
    assert edge.origin.seen == edge.oauth.seen == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("MCP.Example.COM", 200, id="upper case"),
        pytest.param(f"{HOST}:443", 200, id="default port"),
        pytest.param(f"{HOST}:80", 404, id="another port"),
        pytest.param(f"{HOST}.", 404, id="trailing dot"),
        pytest.param("evil.example", 404, id="unknown"),
        pytest.param(f"evil@{HOST}", 404, id="userinfo"),
        pytest.param(f"{HOST}.evil.example", 404, id="longer"),
        pytest.param("127.0.0.1", 404, id="address"),
    ],
)
async def test_only_configured_authorities_are_served(edge: Edge, host, status):
    async with edge.request("GET", "/mcp", host=host, headers=GOOD) as answer:
        assert answer.status == status
        body = await answer.json()
    if status == 404:
        assert body["error"] == "not_found"
        assert edge.check.seen == edge.origin.seen == edge.oauth.seen == []


async def test_a_relayed_server_is_untouched_but_for_identity_headers(edge: Edge):
    sent = {"authorization": "Bearer its-own", "x-dcr-user": "mallory", "x-forwarded-user": "mallory", "cookie": "a=b"}
    for path in ("/mcp", "/.well-known/oauth-protected-resource/mcp", "/.well-known/anything", "/authorize?x=1"):
        async with edge.request("GET", path, host="open.example.com", headers=sent) as answer:
            assert (await answer.json())["from"] == "origin"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["set-cookie"] == "planted=1"
        seen = edge.origin.seen[-1]
        assert (seen.path, seen.value("authorization"), seen.value("cookie")) == (path, "Bearer its-own", "a=b")
        assert [seen.values(name) for name in ("x-dcr-user", "x-forwarded-user", "x-dcr-source")] == [[], [], []]
    assert edge.check.seen == edge.oauth.seen == []


@pytest.mark.parametrize("path", ["/open", "/.well-known/oauth-protected-resource/open"])
async def test_a_relayed_server_beside_an_issuer_neither_reads_nor_plants_cookies(edge: Edge, path):
    async with edge.request("GET", path, headers={"cookie": "__Host-dcr=1"}) as answer:
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
    assert edge.origin.seen[0].values("cookie") == []


@pytest.mark.req(192)
async def test_the_access_log_names_client_and_user_and_holds_no_secret(edge: Edge):
    secrets = {"authorization": "Bearer good", "cookie": "c=canary-cookie"}
    async with edge.request("POST", "/mcp?token=canary-query", headers=secrets):
        pass
    async with edge.request("GET", "/callback?code=canary-code&state=canary-state"):
        pass
    async with edge.request("POST", "/mcp", headers={"authorization": "Bearer canary-bad"}):
        pass
    line = await edge.envoy.logged(route="mcp notes", status=200)

    assert (line["method"], line["path"]) == ("POST", "/mcp")
    assert (line["client"], line["user"], line["grant"], line["server"]) == ("client-1", "alice", "grant-1", "notes")
    assert (line["authority"], line["source"], line["reference"]) == (HOST, "127.0.0.1", "ref-1")
    assert (await edge.envoy.logged(status=401))["reference"] == "ref-denied"
    assert (await edge.envoy.logged(route="oauth"))["path"] == "/callback"
    text = edge.envoy.access_text + edge.envoy.output
    assert [word for word in ("canary", "Bearer", "upstream-token") if word in text] == []


async def test_slow_checks_do_not_mix_up_answers(edge: Edge):
    """Many at once, each allowed for its own user: nobody gets another's headers."""

    async def allow(request: web.BaseRequest) -> web.StreamResponse:
        answer = await check_answer(request)
        answer.headers["x-dcr-user"] = request.headers["mcp-session-id"]
        return answer

    async def call(number: int) -> None:
        async with edge.request("GET", f"/mcp/{number}", headers={**GOOD, "mcp-session-id": f"u{number}"}) as answer:
            assert answer.status == 200

    edge.check.answer = allow
    await asyncio.gather(*(call(number) for number in range(60)))
    assert {(seen.path, seen.value("x-dcr-user")) for seen in edge.origin.seen} == {
        (f"/mcp/{number}", f"u{number}") for number in range(60)
    }

"""Only 200 from the check lets a request through. What a client reads when something is away."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.envoy_config import Address
from tests.fakes.edge import GOOD, INSPECTOR, Edge, allow_headers, running_edge
from tests.fakes.envoy import free_port

_HEAD = b"%b\r\nhost: mcp.example.com\r\nauthorization: Bearer good\r\nconnection: close\r\n\r\n"


async def _assert_unavailable(edge: Edge, path: str = "/mcp", *, readable: bool = True) -> None:
    async with edge.request("POST", path, headers={**GOOD, "origin": INSPECTOR}, data=b"{}") as answer:
        assert answer.status == 503
        assert answer.headers.getall("retry-after") == ["2"]
        assert answer.headers.getall("access-control-allow-origin", []) == (["*"] if readable else [])
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.content_type == "application/json"
        assert (await answer.json())["error"] == "temporarily_unavailable"


@contextlib.asynccontextmanager
async def _speaking(reply: bytes, *, hang: bool = False) -> AsyncIterator[Address]:
    """A check that says these bytes to whatever comes, then closes; or keeps silent for ever."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()
            if hang:
                await ended.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        ended.set()
        server.close()


@pytest.mark.req(180)
async def test_a_check_that_is_away_means_503_and_public_routes_stay():
    async with running_edge(check=Address("127.0.0.1", free_port())) as edge:
        await _assert_unavailable(edge)
        async with edge.request("GET", "/.well-known/oauth-authorization-server") as answer:
            assert answer.status == 200
        assert edge.origin.seen == []


async def test_a_check_on_a_missing_unix_socket_means_503(tmp_path):
    async with running_edge(check=Address(unix=str(tmp_path / "missing.sock"))) as edge:
        await _assert_unavailable(edge)
        assert edge.origin.seen == []


@pytest.mark.req(180)
@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="closes"),
        pytest.param(b"no HTTP at all\r\n\r\n", id="garbage"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx-dcr-us", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", id="bad header"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="continue and close"),
        pytest.param(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", id="500"),
        pytest.param(b"HTTP/1.1 503 Busy\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n", id="503"),
    ],
)
async def test_a_broken_check_means_503(reply):
    async with _speaking(reply) as check, running_edge(check=check) as edge:
        await _assert_unavailable(edge)
        assert edge.origin.seen == []


@pytest.mark.req(180)
async def test_a_check_that_never_answers_means_503_after_its_time():
    async with _speaking(b"", hang=True) as check, running_edge(check=check) as edge:
        async with asyncio.timeout(8):
            await _assert_unavailable(edge)
        assert edge.origin.seen == []


@pytest.mark.req(180)
@pytest.mark.parametrize("status", [201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 418, 429])
async def test_no_other_status_allows(edge: Edge, status):
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers={**allow_headers(), "location": "https://evil.example/"})

    edge.check.answer = answer
    async with edge.request("POST", "/mcp", headers=GOOD) as got:
        assert got.status == status
        assert not {"authorization", "x-dcr-user", "x-dcr-log-user"} & {name.lower() for name in got.headers}
    assert edge.origin.seen == []


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"20 OK", b"099 Odd", b"600 Odd", b"2000 OK"])
async def test_a_status_that_no_check_says_allows_nothing(status):
    reply = b"HTTP/1.1 " + status + b"\r\nauthorization: Bearer upstream-token\r\ncontent-length: 0\r\n\r\n"
    async with _speaking(reply) as check, running_edge(check=check) as edge:
        await edge.raw(_HEAD % b"GET /mcp HTTP/1.1")
        assert edge.origin.seen == []


async def test_after_the_check_comes_back_requests_pass_again():
    port = free_port()
    async with running_edge(check=Address("127.0.0.1", port)) as edge:
        await _assert_unavailable(edge)
        runner = web.ServerRunner(web.Server(edge.check.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            async with edge.request("POST", "/mcp", headers=GOOD) as answer:
                assert answer.status == 200
        finally:
            await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "readable"),
    [
        pytest.param("/token", True, id="token"),
        pytest.param("/register", True, id="register"),
        pytest.param("/.well-known/oauth-authorization-server", True, id="metadata"),
        pytest.param("/authorize?client_id=x", False, id="authorize"),
        pytest.param("/callback?code=x", False, id="callback"),
    ],
)
@pytest.mark.req(187)
async def test_an_oauth_listener_that_is_away_means_503_that_scripts_may_read(path, readable):
    async with running_edge() as edge:
        edge.oauth.answer = _hang_up
        await _assert_unavailable(edge, path, readable=readable)


async def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_an_origin_that_is_away_means_503_with_the_checks_cors(edge: Edge):
    edge.origin.answer = _hang_up
    async with edge.request("POST", "/mcp", headers={**GOOD, "origin": INSPECTOR}, data=b"{}") as answer:
        assert (answer.status, answer.headers.getall("retry-after")) == (503, ["2"])
        assert answer.headers.getall("access-control-allow-origin") == [INSPECTOR]
        assert (await answer.json())["error"] == "temporarily_unavailable"
    assert len(edge.origin.seen) == 1, "a POST is never repeated"


async def test_an_origins_own_503_passes_as_it_is(edge: Edge):
    async def busy(_: web.BaseRequest) -> web.Response:
        return web.Response(status=503, text="busy", headers={"retry-after": "30"})

    edge.origin.answer = busy
    async with edge.request("POST", "/mcp", headers=GOOD) as answer:
        assert (answer.status, await answer.text(), answer.headers.getall("retry-after")) == (503, "busy", ["30"])


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(["GET /mcp HTTP/1.1", "x_dcr_user: mallory"], 400, id="underscore"),
        pytest.param(["GET /mcp HTTP/1.1", "no colon"], 400, id="malformed header"),
        pytest.param(["GET /mcp HTTP/1.1", f"x: {'y' * 17_000}"], 431, id="large headers"),
        pytest.param(["GET /mcp HTTP/1.1", *(f"x-{n}: y" for n in range(101))], 431, id="many headers"),
        pytest.param(["GET /mcp HTTP/1.1", "upgrade: websocket", "connection: upgrade"], 403, id="websocket"),
        pytest.param(["TRACE /mcp HTTP/1.1"], 405, id="trace"),
        pytest.param(["PURGE /mcp HTTP/1.1"], 405, id="odd method"),
        pytest.param(["get /mcp HTTP/1.1"], 400, id="lower-case method"),
        pytest.param(["BREW /mcp HTTP/1.1"], 400, id="unknown method"),
        pytest.param(["GET /mcp HTTP/1.0"], 426, id="HTTP/1.0"),
        pytest.param(["CONNECT mcp.example.com:443 HTTP/1.1"], 404, id="connect"),
        pytest.param(["GET /mcp HTTP/1.1", "host: mcp.example.com"], 404, id="two hosts"),
        pytest.param(["POST /mcp HTTP/1.1", "content-length: 3", "transfer-encoding: chunked"], 400, id="both lengths"),
        pytest.param(["POST /mcp HTTP/1.1", "content-length: 3", "content-length: 4"], 400, id="two lengths"),
        pytest.param(["POST /mcp HTTP/1.1", "transfer-encoding: chunked, gzip"], 501, id="odd transfer coding"),
        pytest.param(["GET /mcp HTTP/1.1", "x: a\x00b"], 400, id="NUL in a header"),
    ],
)
async def test_envoy_refuses_what_has_no_place_here_in_json(edge: Edge, lines, status):
    answer = await edge.raw(_HEAD % "\r\n".join(lines).encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) == status, answer
    assert set(json.loads(body)) == {"error", "error_description"}
    assert edge.check.seen == edge.origin.seen == edge.oauth.seen == []

"""No spelling of a path leads past the check: what an MCP server sees was decided on as exactly that."""

import random
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.directory import Directory
from tests.fakes.edge import GOOD, HOST, Edge, allow_headers, running_edge

_TRICKS = [
    *(
        "/mcp",
        "/mcp/",
        "/mcp/deep",
        "/mcp/.",
        "/mcp/..",
        "/mcp/../mcp",
        "/./mcp",
        "//mcp",
        "/mcp//",
        "///mcp",
        "/mcp/..;/",
    ),
    *("/.well-known/../mcp", "/.well-known/%2e%2e/mcp", "/.well-known/.%2e/mcp", "/.well-known/%2E%2E/mcp"),
    *("/.well-known%2f..%2fmcp", "/.well-known%5c..%5cmcp", "/.well-known\\..\\mcp", "/.well-known/..\\mcp"),
    *("/.well-known;/../mcp", "/.well-known/..;/mcp", "/.well-known/..;x/mcp", "/.well-known/;/mcp"),
    *("/.well-known/..%00/mcp", "/.well-known/%252e%252e/mcp", "/.well-known/..%252fmcp", "/.well-known//mcp"),
    *(
        "/token/../mcp",
        "/token;/../mcp",
        "/register/../mcp",
        "/register/..;/mcp",
        "/register/%2e%2e/mcp",
        "/register//mcp",
    ),
    *(
        "/open/../mcp",
        "/open/..;/mcp",
        "/open/%2e%2e/mcp",
        "/open/..%2fmcp",
        "/open/..%5cmcp",
        "/open/..\\mcp",
        "/open//mcp",
    ),
    *("/open/%252e%252e/mcp", "/open/..%00/mcp", "/open/;/mcp", "/open;/mcp", "/open/.%2e/mcp", "/open/..%c0%af/mcp"),
    *("/open/%u002e%u002e/mcp", "/open/..%ef%bc%8fmcp", "/open/\x80/../mcp", "/open/..\x00/mcp", "/open/..%0a/mcp"),
    *(
        "/mcp%00",
        "/mcp%2f",
        "/mcp%2F..%2Fopen",
        "/%6dcp",
        "/mc%70",
        "/MCP",
        "/mcp%20",
        "/mcp;x",
        "/mcp;/open",
        "/mcp\\",
        "/mcp.",
    ),
    *(
        "/mcp#/open",
        "/mcp?x=/open",
        "/open?x=/../mcp",
        "/open#/mcp",
        "/open?/../mcp",
        "/mcp%3f/open",
        "/open%3f/../mcp",
    ),
    *(
        "/mcp/../open",
        "/mcp/..;/open",
        "*",
        "mcp",
        "http://evil.example/mcp",
        f"https://{HOST}/mcp",
        f"http://{HOST}//mcp",
    ),
    *("/.well-known/oauth-protected-resource/open/../../../mcp", "/.well-known/oauth-protected-resource/open/..;/mcp"),
]
_PIECES = (
    *(
        "mcp",
        "open",
        "token",
        "register",
        ".well-known",
        "oauth-protected-resource",
        "..",
        ".",
        "",
        "%2e",
        "%2e%2e",
        ".%2E",
    ),
    *(
        "..;",
        "..;x=1",
        ";",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%252e",
        "%25",
        "%6dcp",
        "MCP",
        "..%2f",
        "%c0%ae",
        "?x=",
        "#",
        "a",
    ),
)


@pytest.fixture
async def deciding() -> AsyncIterator[Edge]:
    """An edge whose check decides by the directory, as the real one does."""
    async with running_edge() as edge:
        edge.check.answer = _Deciding(edge.plan.directory)
        yield edge


class _Deciding:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.allowed: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        target = request.raw_path.removeprefix("/check")
        server = self._directory.server_at(request.headers["host"], target.partition("?")[0])
        if server is None:
            return web.json_response({"error": "not_found"}, status=404)
        if request.headers.get("authorization") != GOOD["authorization"]:
            return web.json_response({"error": "invalid_token"}, status=401)
        self.allowed.append(target)
        return web.Response(headers=allow_headers())


async def _knock(edge: Edge, target: str, *, token: bool) -> int:
    """The status for a request with these bytes as its target; 0 when Envoy just closes."""
    lines = [f"GET {target} HTTP/1.1", f"host: {HOST}", "connection: close", *(["authorization: Bearer good"] * token)]
    answer = await edge.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))
    return int(answer.split(b" ")[1]) if answer else 0


def _assert_decided(edge: Edge, target: str) -> None:
    """What the origin saw was allowed in just these bytes, or is plainly a relayed server's."""
    allowed = edge.check.answer.allowed  # type: ignore[attr-defined]
    for seen in edge.origin.seen:
        path = seen.path.partition("?")[0]
        relayed = path.startswith("/.well-known/") or edge.plan.directory.server_at(HOST, path).name == "beside"
        assert edge.plan.directory.server_at(HOST, path) or path.startswith("/.well-known/"), (target, seen.path)
        assert relayed or seen.path in allowed, (target, seen.path)
        assert relayed == (seen.value("authorization") != "Bearer upstream-token"), (target, seen.path)
    edge.origin.seen.clear()
    allowed.clear()


@pytest.mark.req(181)
async def test_no_spelling_of_a_path_leads_past_the_check(deciding: Edge):
    for target in _TRICKS:
        for token in (False, True):
            await _knock(deciding, target, token=token)
            _assert_decided(deciding, target)


@pytest.mark.req(181)
async def test_random_paths_are_decided_on_as_the_server_sees_them(deciding: Edge):
    draw = random.Random(7)
    for _ in range(800):
        target = "/" + "/".join(draw.choices(_PIECES, k=draw.randint(1, 5)))
        await _knock(deciding, target, token=draw.random() < 0.5)
        _assert_decided(deciding, target)


@pytest.mark.req(181)
@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("/mcp", 200, id="plain"),
        pytest.param("/mcp/", 200, id="slash"),
        pytest.param("/mcp/deep?x=%2f;//", 200, id="anything in the query"),
        pytest.param("/.well-known/../mcp", 200, id="dot segments are resolved before the decision"),
        pytest.param("/.well-known/%2e%2e/mcp", 200, id="encoded ones too"),
        pytest.param("/MCP", 404, id="case"),
        pytest.param("//mcp", 400, id="double slash"),
        pytest.param("/mcp%2fdeep", 400, id="encoded slash"),
        pytest.param("/mcp%5cdeep", 400, id="encoded backslash"),
        pytest.param("/open/..;/mcp", 200, id="and those with a parameter"),
        pytest.param("/mcp/;/deep", 400, id="semicolon"),
        pytest.param("/mcp%00", 400, id="NUL"),
        pytest.param("/mcp/%252e%252e/open", 400, id="double encoding"),
        pytest.param("/mcp/%40deep", 400, id="an encoded mark that may stand plain"),
        pytest.param("/mcp/%61", 200, id="an encoded letter is decoded before the decision"),
        pytest.param("/mcp/a%20b%c3%a4", 200, id="what can only stand encoded"),
        pytest.param("/mcp#/open", 400, id="fragment"),
        pytest.param("/mcp/\xe4", 400, id="raw bytes"),
    ],
)
async def test_a_good_token_opens_plain_spellings_only(deciding: Edge, target, status):
    assert await _knock(deciding, target, token=True) == status
    assert [seen.value("authorization") for seen in deciding.origin.seen] == ["Bearer upstream-token"] * (status == 200)

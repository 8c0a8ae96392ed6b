"""Whatever is sent to whichever endpoint: the RFC's error as JSON (or our page, where people look), nothing written."""

import zlib

import pytest

from tests.endpoints.conftest import CHALLENGE, VERIFIER, Face

CODES = {
    "invalid_request",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_grant",
    "invalid_redirect_uri",
    "not_found",
    "unsupported_grant_type",
}
FORM = "application/x-www-form-urlencoded"
POSTS = ("/register", "/token", "/revoke")
PAGES = ("/authorize", "/callback")
MEBIBYTE = 1024 * 1024


async def refused(response, *statuses):
    """A JSON error that nobody keeps, with a reference, without a trace of what was sent."""
    assert response.status in statuses, await response.text()
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(response.headers["x-dcr-reference"]) == 10
    body = await response.json()
    assert body.keys() == {"error", "error_description"}
    assert body["error"] in CODES
    assert "canary" not in await response.text()
    return body["error"]


async def paged(response, *statuses):
    """Our own page: no redirect, and nothing of what was sent."""
    assert response.status in statuses, await response.text()
    assert response.content_type == "text/html"
    assert "Location" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["x-dcr-reference"] in await response.text()
    assert "canary" not in await response.text()


@pytest.fixture(autouse=True)
async def nothing_is_written(face: Face):
    keys = await face.key_count()
    yield
    assert await face.key_count() == keys


def form_fields(**changes):
    fields = {
        "grant_type": "authorization_code",
        "client_id": "canary-client",
        "code": "canary-code",
        "code_verifier": VERIFIER,
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.req(7, 125)
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        *(pytest.param(path, ("GET", "HEAD", "PUT", "PATCH", "DELETE"), id=path) for path in POSTS),
        pytest.param("/authorize", ("PUT", "PATCH", "DELETE", "OPTIONS"), id="/authorize"),
        pytest.param("/callback", ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"), id="/callback"),
        pytest.param("/.well-known/oauth-authorization-server", ("POST", "PUT", "DELETE"), id="metadata"),
        pytest.param("/.well-known/oauth-protected-resource/mcp", ("POST", "PUT", "DELETE"), id="resource"),
    ],
)
async def test_a_wrong_method_is_a_405_that_names_the_right_ones(face: Face, path, methods):
    for method in methods:
        response = await face.request(method, path)
        assert response.headers["Allow"]
        assert method not in response.headers["Allow"].split(", ")
        if method == "HEAD":
            assert (response.status, await response.read()) == (405, b"")
        else:
            assert await refused(response, 405) == "invalid_request"


@pytest.mark.req(38, 125, 126, 128)
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data; boundary=x", "application/xml", "canary", f"{FORM}, {FORM}"],
)
async def test_a_wrong_content_type_is_not_read(face: Face, path, content_type):
    response = await face.request("POST", path, data=b"canary=1", headers={"Content-Type": content_type})
    await refused(response, 400)


@pytest.mark.req(38, 125)
@pytest.mark.parametrize(("path", "content_type"), [("/register", FORM), ("/token", "application/json")])
async def test_form_and_json_are_not_taken_for_one_another(face: Face, path, content_type):
    response = await face.request("POST", path, data=b"{}", headers={"Content-Type": content_type})
    expected = {"/register": "invalid_client_metadata", "/token": "invalid_request"}
    assert await refused(response, 400) == expected[path]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "canary", "identity, gzip"])
async def test_a_compressed_body_is_not_inflated(face: Face, path, encoding):
    """Threats DC-09: a few bytes that become many."""
    bomb = zlib.compress(b" " * MEBIBYTE, wbits=31)
    kind = "application/json" if path == "/register" else FORM
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    assert await refused(await face.request("POST", path, data=bomb, headers=headers), 415) == "invalid_request"


async def chunks(total):
    for _ in range(total // 8192):
        yield b"a" * 8192


@pytest.mark.parametrize("path", [*POSTS, "/authorize"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: b"a" * (64 * 1024 + 1), id="one-byte-too-many"),
        pytest.param(lambda: b"a" * MEBIBYTE, id="declared"),
        pytest.param(lambda: chunks(MEBIBYTE), id="chunked"),
    ],
)
async def test_a_large_body_is_a_413(face: Face, path, body):
    kind = "application/json" if path == "/register" else FORM
    response = await face.request("POST", path, data=body(), headers={"Content-Type": kind})
    await (paged if path == "/authorize" else refused)(response, 413)


@pytest.mark.req(49, 59)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut-off"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"canary"', id="string"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"[" * 60_000, id="deep"),
        pytest.param(b'{"redirect_uris":' + b"[" * 1000 + b"]" * 1000 + b"}", id="nested"),
        pytest.param(b'{"redirect_uris":[' + b"9" * 60_000 + b"]}", id="long-number"),
        pytest.param(b'{"redirect_uris":["http://127.0.0.1/"],"client_name":"\\ud800"}', id="lone-surrogate"),
        pytest.param(b'\xef\xbb\xbf{"redirect_uris":["http://127.0.0.1/"]}', id="bom"),
        pytest.param(b'{"redirect_uris":["\xff"]}', id="not-utf-8"),
        pytest.param(b'{"redirect_uris":{"0":"http://127.0.0.1/"}}', id="object-for-list"),
        pytest.param(b'{"redirect_uris":[1]}', id="number-in-list"),
        pytest.param(b'{"redirect_uris":["http://127.0.0.1/"],"scope":1}', id="number-for-string"),
        pytest.param(b'{"redirect_uris":[' + b'"http://127.0.0.1/",' * 2000 + b'""]}', id="many"),
    ],
)
async def test_a_registration_that_is_none_is_refused(face: Face, body):
    response = await face.request("POST", "/register", data=body, headers={"Content-Type": "application/json"})
    assert await refused(response, 400) in {"invalid_client_metadata", "invalid_redirect_uri"}


@pytest.mark.req(126, 128, 129, 130, 134, 160)
@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        pytest.param({"grant_type": None}, 400, "invalid_request", id="no-grant-type"),
        pytest.param({"grant_type": ""}, 400, "invalid_request", id="empty-grant-type"),
        pytest.param({"grant_type": "password"}, 400, "unsupported_grant_type", id="password"),
        pytest.param({"grant_type": "canary"}, 400, "unsupported_grant_type", id="unknown-grant"),
        pytest.param({"client_id": None}, 401, "invalid_client", id="no-client"),
        pytest.param({"client_id": "\u20ac" * 100}, 401, "invalid_client", id="odd-client"),
        pytest.param({}, 401, "invalid_client", id="unknown-client"),
        pytest.param({"code": None}, 400, "invalid_request", id="no-code"),
    ],
)
async def test_a_token_request_that_is_none_is_refused(face: Face, changes, status, error):
    response = await face.post_form("/token", form_fields(**changes))
    assert (response.status, await refused(response, status)) == (status, error)


@pytest.mark.req(129)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(
            pytest.param("/token", f"{name}=a&{name}=b&grant_type=refresh_token", id=f"token-{name}")
            for name in ("client_id", "client_secret", "code", "refresh_token", "redirect_uri", "scope")
        ),
        pytest.param("/token", "grant_type=authorization_code&grant_type=refresh_token", id="token-grant"),
        *(
            pytest.param("/revoke", f"{name}=a&{name}=b&token=c", id=f"revoke-{name}")
            for name in ("client_id", "client_secret", "token_type_hint")
        ),
        pytest.param("/revoke", "token=a&token=b", id="revoke-token"),
    ],
)
async def test_a_repeated_parameter_is_refused(face: Face, path, body):
    response = await face.request("POST", path, data=body, headers={"Content-Type": FORM})
    assert await refused(response, 400) == "invalid_request"


@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize("body", [b"", b"&&&=&", b"%", b"%zz=1", b"\xff\xfe", b"a" * 60_000, b"a=1&" * 15_000])
async def test_a_form_that_is_none_is_refused(face: Face, path, body):
    response = await face.request("POST", path, data=body, headers={"Content-Type": FORM})
    await refused(response, 400, 401)


@pytest.mark.req(161)
@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        pytest.param({}, 401, "invalid_client", id="nothing"),
        pytest.param({"client_id": "canary"}, 400, "invalid_request", id="no-token"),
        pytest.param({"token": "canary"}, 401, "invalid_client", id="no-client"),
        pytest.param({"token": "canary", "client_id": "canary"}, 401, "invalid_client", id="unknown-client"),
    ],
)
async def test_a_revocation_that_is_none_is_refused(face: Face, fields, status, error):
    response = await face.post_form("/revoke", fields or {"x": "y"})
    assert await refused(response, status) == error


@pytest.mark.req(130, 132, 133)
@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("Basic", id="bare"),
        pytest.param("Basic !!!", id="not-base64"),
        pytest.param("Basic Y2FuYXJ5", id="no-colon"),
        pytest.param("Basic /////w==", id="not-utf-8"),
        pytest.param("Basic Og==", id="empty-both"),
        pytest.param("Basic Y2FuYXJ5OmNhbmFyeQ==", id="unknown"),
        pytest.param("Bearer canary", id="bearer"),
        pytest.param("canary", id="junk"),
        pytest.param("Basic " + "A" * 4000, id="long"),
    ],
)
async def test_authentication_that_is_none_is_refused(face: Face, path, authorization):
    fields = form_fields(client_id=None, token="t")
    response = await face.post_form(path, fields, headers={"Authorization": authorization})
    error = await refused(response, 400, 401)
    assert error == ("invalid_client" if response.status == 401 else "invalid_request")
    if response.status == 401 and authorization.startswith("Basic"):
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


async def test_two_authorization_headers_are_refused(face: Face):
    body = "grant_type=refresh_token&refresh_token=canary"
    lines = [
        "POST /token HTTP/1.1",
        "Host: mcp.example.com",
        "Authorization: Basic YTpi",
        "Authorization: Basic Yzpk",
        f"Content-Type: {FORM}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "",
        body,
    ]
    assert (await face.raw("\r\n".join(lines))).split()[1] == b"400"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([f"Content-Type: {FORM}", "Content-Length: 100"], id="cut-off"),
        pytest.param([f"Content-Type: {FORM}", "Transfer-Encoding: chunked"], id="no-chunks"),
        pytest.param([f"Content-Type: {FORM}", "Content-Type: text/plain", "Content-Length: 3"], id="two-types"),
        pytest.param([f"Content-Type: {FORM}", "Content-Length: 3", "Content-Length: 4"], id="two-lengths"),
        pytest.param([f"Content-Type: {FORM}", "Content-Length: -1"], id="negative"),
    ],
)
async def test_a_body_that_breaks_off_is_never_a_500(face: Face, headers):
    lines = ["POST /token HTTP/1.1", "Host: mcp.example.com", "Connection: close", *headers, "", "a=b"]
    answer = await face.raw("\r\n".join(lines), end=True)
    assert not answer or answer.split()[1] == b"400"


@pytest.mark.req(86, 89)
@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="nothing"),
        pytest.param("client_id=canary", id="unknown-client"),
        pytest.param("client_id=a&client_id=b", id="two-clients"),
        pytest.param("client_id=%00%ff&redirect_uri=javascript:alert(1)", id="odd-bytes"),
        pytest.param("client_id=" + "a" * 15_000, id="long"),
        pytest.param(f"response_type=code&code_challenge={CHALLENGE}", id="no-client"),
        pytest.param("client_id=https://canary.example/doc", id="url"),
        pytest.param("%", id="percent"),
        pytest.param("&" * 5_000, id="separators"),
    ],
)
async def test_an_authorization_request_without_a_known_client_is_a_page(face: Face, query):
    await paged(await face.get(f"/authorize?{query}"), 400)
    await paged(await face.request("POST", "/authorize", data=query, headers={"Content-Type": FORM}), 400)


@pytest.mark.parametrize(
    "query",
    ["", "code=canary", "state=canary", "state=a&state=b&code=c", "state=" + "a" * 15_000, "error=canary&state=x"],
)
async def test_a_return_that_belongs_to_no_sign_in_is_a_page(face: Face, query):
    await paged(await face.get(f"/callback?{query}"), 400, 403)


async def test_a_request_line_beyond_every_limit_is_refused(face: Face):
    answer = await face.raw(f"GET /authorize?{'a' * 70_000} HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n")
    assert answer.split()[1] == b"400"


@pytest.mark.parametrize("path", [*POSTS, *PAGES, "/.well-known/oauth-protected-resource/mcp"])
async def test_bytes_outside_ascii_in_headers_break_nothing(face: Face, path):
    """Threats EX-05."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: mcp.example.com\xff",
        "Authorization: Basic \xff\x80",
        "Origin: \xe9",
        f"Content-Type: {FORM}",
        "x-dcr-source: \xff",
        "Cookie: \xff=\xff",
        "Content-Length: 0",
        "Connection: close",
        "",
        "",
    ]
    assert (await face.raw("\r\n".join(lines))).split()[1] in {b"400", b"404", b"405"}

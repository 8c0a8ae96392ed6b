"""Who may use the admin API, and what everybody else gets."""

from dataclasses import replace

import pytest

from sidecar.app import admin_app
from sidecar.events import OperatorRefused
from tests.endpoints.admin import TOKEN, operators
from tests.endpoints.conftest import Face


@pytest.fixture
def settings(settings):
    return replace(settings, admin_token=TOKEN)


@pytest.fixture
async def admin(face: Face):
    async with operators(face) as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/admin/clients", id="resource"),
        pytest.param("/admin/openapi.json", id="document"),
        pytest.param("/admin/nothing", id="no-such-path"),
        pytest.param("/", id="outside"),
        pytest.param("/admin/clients/../../etc", id="dots"),
    ],
)
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer "}, id="empty"),
        pytest.param({"Authorization": f"Bearer {TOKEN[:-1]}"}, id="prefix"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, id="longer"),
        pytest.param({"Authorization": f"Bearer  {TOKEN}"}, id="two-spaces"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="basic"),
        pytest.param({"Authorization": TOKEN}, id="no-scheme"),
        pytest.param({"Authorization": "Bearer dcra_x"}, id="a-clients-token"),
        pytest.param({"Authorization": "Bearer \u00e9" + TOKEN}, id="not-ascii"),
        pytest.param({"Cookie": f"token={TOKEN}", "x-admin-token": TOKEN}, id="elsewhere"),
    ],
)
async def test_nothing_is_said_without_the_token(admin, face, path, sent):
    """threats AD-01: not even whether a path exists."""
    response = await admin.ask("GET", path, token=None, headers=sent)
    assert response.status == 401
    assert (await response.json())["error"] == "invalid_token"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="dcr-sidecar admin"'
    assert len(face.events_of(OperatorRefused)) == 1


async def test_a_second_token_beside_the_right_one_is_refused(admin, face):
    answer = await _raw(admin, f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer x\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_opens_whatever_the_case_of_the_scheme(admin, scheme):
    assert (
        await admin.ask("GET", "/admin/keys", token=None, headers={"Authorization": f"{scheme} {TOKEN}"})
    ).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        pytest.param("GET", "/admin/nothing", 404, "not_found", id="path"),
        pytest.param("GET", "/", 404, "not_found", id="root"),
        pytest.param("PUT", "/admin/keys", 405, "invalid_request", id="method"),
        pytest.param("HEAD", "/admin/keys", 405, "", id="head"),
    ],
)
async def test_an_operator_gets_errors_as_json(admin, method, path, status, error):
    response = await admin.ask(method, path)
    assert response.status == status
    assert response.content_type == "application/json"
    if error:
        assert (await response.json())["error"] == error


async def test_a_page_of_another_origin_gets_no_leave(admin):
    """threats AD-02: a browser asks first, without the token, and no answer names an origin."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
    preflight = await admin.ask("OPTIONS", "/admin/clients", token=None, headers=asked)
    plain = await admin.ask("GET", "/admin/clients", headers={"Origin": "http://evil.example"})
    assert preflight.status == 401
    for response in (preflight, plain):
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/admin/clients", "/admin/openapi.json", "/admin/nothing"])
async def test_nobody_keeps_an_answer(admin, path):
    response = await admin.ask("GET", path)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["x-dcr-reference"]


async def test_guesses_run_into_a_limit_and_the_right_token_never_does(admin, face, clock):
    """They cost no audit line beyond it; and nobody who can reach the listener can keep operators from it."""
    statuses = [(await admin.ask("GET", "/admin/keys", token="wrong")).status for _ in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    assert len(face.events_of(OperatorRefused)) == 20
    assert (await admin.ask("GET", "/admin/keys")).status == 200
    refused = await admin.ask("GET", "/admin/keys", token="wrong")
    assert 1 <= int(refused.headers["Retry-After"]) <= 4
    clock.now += 4
    assert (await admin.ask("GET", "/admin/keys", token="wrong")).status == 401


async def test_without_a_token_there_is_no_admin_application(face):
    async with face.with_settings(admin_token="") as other:
        with pytest.raises(ValueError, match="no token"):
            admin_app(other.services)


async def test_the_other_listeners_do_not_serve_it(face):
    """threats AD-02: what Envoy can reach knows no such path."""
    response = await face.get("/admin/clients", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status == 404


async def _raw(admin, lines: str) -> bytes:
    import asyncio

    server = admin.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(f"GET /admin/keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()

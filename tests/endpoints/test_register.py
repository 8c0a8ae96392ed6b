"""POST /register as clients call it (RFC 7591 3)."""

import hashlib
import re

import pytest
from multidict import CIMultiDict

from sidecar.events import ClientRegistered, RegistrationRefused
from sidecar.oauth.registration import RegistrationPolicy
from tests.endpoints.conftest import Face

CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]


@pytest.mark.req(37, 39, 40, 41, 42)
async def test_a_minimal_body_gets_the_defaults_spelled_out(face: Face):
    response = await face.post_json("/register", {"redirect_uris": ["http://127.0.0.1:3000/cb"]})
    assert response.status == 201
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    document = await response.json()
    assert type(document.pop("client_secret_expires_at")) is int
    assert document.pop("client_secret")
    assert document.pop("client_id_issued_at") == face.clock.now
    assert document.pop("client_id")
    assert document.pop("registration_client_uri")
    assert document.pop("registration_access_token")
    assert document == {
        "redirect_uris": ["http://127.0.0.1:3000/cb"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }


@pytest.mark.req(39, 40, 47, 52, 56, 58)
async def test_what_a_client_sent_comes_back_as_it_was_registered(face: Face):
    sent = {
        "redirect_uris": CURSOR,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
        "client_name": "Cursor",
        "client_uri": "https://cursor.com",
        "scope": "notes.read notes.write everything",
        "software_statement": "e30.e30.",
        "logo_uri": None,
        "foo": {"bar": 1},
    }
    response = await face.post_json("/register", sent)
    assert response.status == 201
    document = await response.json()
    expected = {name: value for name, value in sent.items() if name not in {"foo", "logo_uri", "software_statement"}}
    expected["scope"] = "notes.read notes.write"
    assert {name: document[name] for name in expected} == expected
    made = {"client_id", "client_id_issued_at", "registration_client_uri", "registration_access_token"}
    assert document.keys() - expected.keys() == made
    assert None not in document.values()


@pytest.mark.req(42, 43, 44, 45, 46)
@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
async def test_a_secret_comes_with_secret_methods_only(face: Face, method):
    document = await face.register(token_endpoint_auth_method=method)
    assert document["token_endpoint_auth_method"] == method
    assert ("client_secret" in document) == ("client_secret_expires_at" in document) == (method != "none")
    assert not document["client_id"].startswith("https://")
    for name in ("client_id", "client_secret"):
        assert re.fullmatch(r"[A-Za-z0-9._~-]*", document.get(name, ""))


async def test_every_registration_is_a_new_client(face: Face):
    first, second = await face.register(), await face.register()
    assert first["client_id"] != second["client_id"]
    assert first["client_secret"] != second["client_secret"]


@pytest.mark.req(38)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/x-www-form-urlencoded", b"redirect_uris=http://127.0.0.1/", id="form"),
        pytest.param("text/plain", b'{"redirect_uris":["http://127.0.0.1/"]}', id="text"),
        pytest.param("application/json, text/plain", b'{"redirect_uris":["http://127.0.0.1/"]}', id="two-in-one"),
        pytest.param("application/jsonx", b'{"redirect_uris":["http://127.0.0.1/"]}', id="near"),
        pytest.param("", b'{"redirect_uris":["http://127.0.0.1/"]}', id="none"),
    ],
)
async def test_only_json_is_read(face: Face, content_type, body):
    keys = await face.key_count()
    response = await face.request("POST", "/register", data=body, headers={"Content-Type": content_type})
    assert (response.status, (await response.json())["error"]) == (400, "invalid_client_metadata")
    assert await face.key_count() == keys


async def test_json_with_a_charset_is_json(face: Face):
    response = await face.request(
        "POST",
        "/register",
        data=b'{"redirect_uris":["http://127.0.0.1/"]}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert response.status == 201


@pytest.mark.req(49, 50, 51, 55, 57, 59, 60)
@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param({"redirect_uris": None}, "invalid_redirect_uri", id="no-redirect"),
        pytest.param({"redirect_uris": []}, "invalid_redirect_uri", id="empty-redirects"),
        pytest.param({"redirect_uris": ["/cb"]}, "invalid_redirect_uri", id="relative"),
        pytest.param({"redirect_uris": ["https://a.example/cb#x"]}, "invalid_redirect_uri", id="fragment"),
        pytest.param({"redirect_uris": ["https://u@a.example/cb"]}, "invalid_redirect_uri", id="userinfo"),
        pytest.param({"redirect_uris": ["http://a.example/cb"]}, "invalid_redirect_uri", id="http"),
        pytest.param({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", id="script"),
        pytest.param({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri", id="wildcard"),
        pytest.param({"redirect_uris": "https://a.example/cb"}, "invalid_client_metadata", id="string-for-list"),
        pytest.param({"grant_types": ["implicit", "password"]}, "invalid_client_metadata", id="grants"),
        pytest.param({"response_types": ["token"]}, "invalid_client_metadata", id="responses"),
        pytest.param({"jwks": {"keys": []}, "jwks_uri": "https://a.example/j"}, "invalid_client_metadata", id="jwks"),
        pytest.param({"client_name": "a\u202eb"}, "invalid_client_metadata", id="bidi"),
        pytest.param({"client_name": "x" * 10_000}, "invalid_client_metadata", id="long-name"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata", id="method"),
    ],
)
async def test_a_refusal_is_a_registered_error_and_writes_nothing(face: Face, members, error):
    keys = await face.key_count()
    response = await face.post_json("/register", {"redirect_uris": ["http://127.0.0.1/cb"], **members})
    assert (response.status, (await response.json())["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"
    assert await face.key_count() == keys
    assert [event.error for event in face.events_of(RegistrationRefused)] == [error]


@pytest.mark.req(194)
async def test_a_registration_is_audited_with_its_source(face: Face):
    document = await face.register(source="192.0.2.7", client_name="Notes", redirect_uris=CURSOR)
    (event,) = face.events_of(ClientRegistered)
    assert event == ClientRegistered(
        issuer="https://mcp.example.com",
        pool="corp",
        client=document["client_id"],
        client_name="Notes",
        redirect_hosts=("cursor://anysphere.cursor-mcp", "www.cursor.com", "localhost"),
        auth_method="client_secret_basic",
        source="192.0.2.7",
    )
    assert event.audit


@pytest.mark.req(65)
async def test_a_registration_holds_on_another_replica(face: Face):
    document = await face.register(token_endpoint_auth_method="client_secret_post")
    async with face.replica() as other:
        assert await other.knows(document)


@pytest.mark.req(63, 65)
async def test_a_registration_outlives_the_store_that_forgot_it(face: Face):
    document = await face.register(token_endpoint_auth_method="client_secret_post")
    await face.forget_everything()
    assert await face.knows(document)
    assert await face.key_count() == 0, "asking alone leaves no trace"


async def test_a_body_too_long_for_the_id_registers_through_the_store(face: Face):
    uris = [f"https://client.example/{hashlib.sha256(bytes([number])).hexdigest()}" for number in range(8)]
    document = await face.register(redirect_uris=uris, token_endpoint_auth_method="client_secret_post")
    assert len(document["client_id"]) <= 255
    assert document["redirect_uris"] == uris
    assert face.events_of(ClientRegistered)[0].stored
    assert await face.knows(document)
    await face.forget_everything()
    assert not await face.knows(document)


async def test_a_client_of_one_issuer_is_nobody_at_another(face: Face):
    document = await face.register(token_endpoint_auth_method="client_secret_post")
    assert not await face.knows(document, path="/tenant1/token", host="multi.example.com")


async def test_an_issuers_endpoints_are_at_its_own_path_only(face: Face):
    body = {"redirect_uris": ["http://127.0.0.1/cb"]}
    assert (await face.post_json("/tenant1/register", body, host="multi.example.com")).status == 201
    for path, host in [
        ("/tenant1/register", "mcp.example.com"),
        ("/register", "multi.example.com"),
        ("/tenant3/register", "multi.example.com"),
        ("/mcp/register", "mcp.example.com"),
    ]:
        assert (await face.post_json(path, body, host=host)).status == 404, (path, host)


@pytest.mark.req(7)
@pytest.mark.parametrize("path", ["/register/", "/register//", "/Register", "/token/", "/revoke/"])
async def test_near_paths_are_404_and_never_redirected(face: Face, path):
    response = await face.post_json(path, {})
    assert response.status == 404
    assert "Location" not in response.headers


@pytest.mark.req(130, 131, 132)
@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        pytest.param("client_secret_post", {"client_secret": "wrong"}, id="wrong-secret"),
        pytest.param("client_secret_post", {}, id="no-secret"),
        pytest.param("client_secret_basic", {"client_secret": ...}, id="post-for-basic"),
        pytest.param("none", {"client_secret": "x"}, id="secret-of-a-public-client"),
        pytest.param("none", {"client_id": "dcr1-AAAA"}, id="unknown-id"),
        pytest.param("none", {"client_id": "\u20ac" * 300}, id="absurd-id"),
    ],
)
async def test_a_failed_authentication_is_invalid_client(face: Face, registered, sent):
    document = await face.register(token_endpoint_auth_method=registered)
    fields = {"client_id": document["client_id"]} | {
        name: document[name] if value is ... else value for name, value in sent.items()
    }
    response = await face.post_form("/token", face.code_fields(**fields))
    assert (response.status, (await response.json())["error"]) == (401, "invalid_client")


@pytest.mark.req(184, 185, 186, 187)
@pytest.mark.parametrize("path", ["/register", "/token", "/revoke"])
async def test_a_browser_client_may_call_it(face: Face, path):
    origin = {"Origin": "https://inspector.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = await face.request("OPTIONS", path, headers=origin | asked)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    refused = await face.request("POST", path, headers=origin)
    assert refused.status == 400
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.req(100, 187)
@pytest.mark.parametrize("path", ["/authorize", "/callback"])
async def test_pages_are_for_no_other_page_to_read(face: Face, path):
    for method in ("GET", "OPTIONS"):
        response = await face.request(
            method, path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        )
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


async def test_registration_can_be_switched_off(face: Face):
    """Then nothing promises it, and what was registered before still works."""
    document = await face.register(token_endpoint_auth_method="client_secret_post")
    async with face.with_settings(dcr="off") as other:
        assert (await other.post_json("/register", {})).status == 404
        metadata = await other.get_json("/.well-known/oauth-authorization-server")
        assert "registration_endpoint" not in metadata
        assert await other.knows(document)


@pytest.mark.req(54)
async def test_policy_is_asked_again_at_every_use(face: Face):
    """Design 8: what a new policy refuses is not a client's redirect URI any more."""
    document = await face.register(
        redirect_uris=["https://app.example/cb"], token_endpoint_auth_method="client_secret_post"
    )
    for hosts, known in [(("app.example",), True), (("claude.ai",), False)]:
        async with face.with_settings(registration=RegistrationPolicy(redirect_hosts=hosts)) as other:
            assert await other.knows(document) == known


@pytest.mark.req(53)
async def test_a_refused_uri_among_good_ones_is_left_out_of_the_reply(face: Face):
    async with face.with_settings(registration=RegistrationPolicy(redirect_hosts=("claude.ai",))) as other:
        document = await other.register(redirect_uris=["https://claude.ai/cb", "https://else.example/cb"])
    assert document["redirect_uris"] == ["https://claude.ai/cb"]


async def test_a_source_that_was_sent_twice_is_nobodys(face: Face):
    headers = CIMultiDict([("x-dcr-source", "192.0.2.1"), ("x-dcr-source", "192.0.2.2")])
    await face.post_json("/register", {"redirect_uris": ["http://127.0.0.1/"]}, headers=headers)
    assert face.events_of(ClientRegistered)[0].source == ""


@pytest.mark.req(193)
async def test_no_secret_is_stored(face: Face):
    document = await face.register(token_endpoint_auth_method="client_secret_post")
    assert document["client_secret"].encode() not in await face.dump()

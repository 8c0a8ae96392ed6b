"""The documents clients find us by: RFC 9728, RFC 8414, and what real clients probe besides."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.endpoints.conftest import GONE, ISSUER, MULTI, Face
from tests.fakes.idp import Fault

PRM = "/.well-known/oauth-protected-resource"
AS = "/.well-known/oauth-authorization-server"


def _values(document):
    """Every value at any depth."""
    yield document
    for item in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _values(item)


@pytest.mark.req(9, 11, 12, 13, 14, 16)
@pytest.mark.parametrize(
    ("path", "resource"),
    [
        pytest.param(f"{PRM}/mcp", f"{ISSUER}/mcp", id="inserted"),
        pytest.param(PRM, f"{ISSUER}/mcp", id="root"),
        pytest.param(f"{PRM}/", f"{ISSUER}/mcp", id="root-slash"),
        pytest.param(f"{PRM}/mcp/", f"{ISSUER}/mcp/", id="slash-variant-echoes-the-slash"),
    ],
)
async def test_the_resource_names_itself_and_us(face: Face, path, resource):
    response = await face.get(path)
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.json() == {
        "resource": resource,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["notes.read"],
    }


@pytest.mark.req(10)
async def test_with_several_servers_on_a_host_the_root_names_none(face: Face):
    assert (await face.get(PRM, host="multi.example.com")).status == 404
    for tenant in ("tenant1", "tenant2"):
        document = await face.get_json(f"{PRM}/{tenant}/mcp", host="multi.example.com")
        assert document["resource"] == f"{MULTI}/{tenant}/mcp"
        assert document["authorization_servers"] == [f"{MULTI}/{tenant}"]


@pytest.mark.req(14, 20)
async def test_a_server_without_scopes_has_no_scopes_member(face: Face):
    document = await face.get_json(f"{PRM}/tenant2/mcp", host="multi.example.com")
    assert "scopes_supported" not in document
    assert None not in _values(document)
    assert [] not in _values(document)


@pytest.mark.req(15)
async def test_offline_access_is_in_no_document(face: Face):
    assert "offline_access" not in json.dumps(await face.get_json(f"{PRM}/mcp"))
    assert "offline_access" not in json.dumps(await face.get_json(AS))


@pytest.mark.req(17)
@pytest.mark.parametrize("authorization", ["Bearer dcra_junk", "Basic Zm9vOmJhcg==", "junk", ""])
async def test_documents_need_no_credentials_and_mind_none(face: Face, authorization):
    for path in (f"{PRM}/mcp", AS):
        assert (await face.get(path, headers={"Authorization": authorization})).status == 200


@pytest.mark.req(18)
async def test_a_query_changes_nothing(face: Face):
    assert await face.get_json(f"{PRM}/mcp?x=1&y") == await face.get_json(f"{PRM}/mcp")
    assert await face.get_json(f"{AS}?x=1") == await face.get_json(AS)


@pytest.mark.req(19, 33)
@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/mcp/.well-known/oauth-authorization-server",
        "/mcp/.well-known/oauth-protected-resource",
        f"{AS}/mcp",
        f"{AS}x",
        f"{AS}//",
        f"{PRM}/other",
        f"{PRM}/mcp/deeper",
        f"{PRM}/mcp//",
        f"{PRM}/MCP",
        f"{PRM}/%6dcp",
        f"{PRM}//mcp",
        f"{PRM}/..%2fmcp",
        f"{PRM}/mcp;x",
        "/.well-known/foo",
        "/.well-known/",
        "/",
    ],
)
async def test_every_other_location_is_a_json_404(face: Face, path):
    response = await face.get(path)
    assert response.status == 404
    assert response.content_type == "application/json"
    assert (await response.json())["error"] == "not_found"
    assert "Location" not in response.headers


@pytest.mark.req(2, 3, 21, 22, 23, 24, 25, 26, 27, 29, 30, 32)
async def test_the_authorization_server_publishes_what_it_enforces(face: Face):
    methods = ["none", "client_secret_post", "client_secret_basic"]
    assert await face.get_json(AS) == {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "registration_endpoint": f"{ISSUER}/register",
        "revocation_endpoint": f"{ISSUER}/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["notes.read"],
    }


@pytest.mark.req(6, 21, 22)
async def test_a_path_issuer_has_its_document_behind_the_well_known_segment(face: Face):
    document = await face.get_json(f"{AS}/tenant1", host="multi.example.com")
    assert document["issuer"] == f"{MULTI}/tenant1"
    assert document["registration_endpoint"] == f"{MULTI}/tenant1/register"
    assert (await face.get(AS, host="multi.example.com")).status == 404


@pytest.mark.req(28)
async def test_client_documents_are_not_promised_while_they_are_not_read(face: Face):
    assert "client_id_metadata_document_supported" not in await face.get_json(AS)


@pytest.mark.req(4, 31)
async def test_nothing_of_the_idp_shows(face: Face):
    """The fake IdP publishes a full OpenID document; its name and its members stay behind us."""
    document = await face.get_json(AS)
    assert face.idp.seen("discovery")
    assert face.idp.issuer not in json.dumps(document)
    assert not {"jwks_uri", "userinfo_endpoint", "subject_types_supported"} & document.keys()


@pytest.mark.req(34)
async def test_the_document_has_neither_null_nor_empty_list(face: Face):
    for path, host in ((AS, "mcp.example.com"), (f"{AS}/tenant2", "multi.example.com")):
        document = await face.get_json(path, host=host)
        assert not [value for value in _values(document) if value is None or value in ([], "")]


@pytest.mark.req(35)
async def test_documents_may_be_kept_for_five_minutes(face: Face):
    for path in (AS, f"{PRM}/mcp"):
        response = await face.get(path)
        assert response.headers["Cache-Control"] == "public, max-age=300"
        again = await face.get(path, headers={"If-None-Match": response.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["ETag"] == response.headers["ETag"]


@pytest.mark.req(35)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=500), id="error"),
        pytest.param(Fault(drop=True), id="dropped"),
        pytest.param(Fault(status=200, body=b"<html>"), id="junk"),
        pytest.param(Fault(redirect="http://127.0.0.1:1/"), id="redirect"),
    ],
)
async def test_documents_are_served_while_the_idp_is_down(face: Face, fault):
    face.idp.fail("discovery", fault)
    assert (await face.get_json(AS))["issuer"] == ISSUER
    assert (await face.get_json(f"{PRM}/mcp"))["authorization_servers"] == [ISSUER]


@asynccontextmanager
async def origin_that_publishes(documents):
    """An MCP server with documents of its own, by path."""

    async def answer(request):
        found = documents.get(request.path)
        return web.json_response(found) if found is not None else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.req(4, 11, 13, 31)
async def test_what_a_server_says_about_itself_is_kept_where_it_harms_nobody(face: Face):
    """Design 7: other members pass; who it is, and who issues its tokens, is ours to say."""
    documents = {
        f"{PRM}/mcp": {
            "resource": "http://10.0.0.1:3000/mcp",
            "authorization_servers": ["https://idp.example"],
            "scopes_supported": ["everything", "offline_access"],
            "resource_name": "Notes",
            "jwks_uri": "https://idp.example/jwks",
            "signed_metadata": "e30.e30.",
        },
    }
    async with origin_that_publishes(documents) as origin, face.with_origin("notes", origin) as other:
        assert await other.get_json(f"{PRM}/mcp") == {
            "resource": f"{ISSUER}/mcp",
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["notes.read"],
            "resource_name": "Notes",
        }


@pytest.mark.req(4, 22, 31)
async def test_a_server_that_was_its_own_issuer_is_rewritten_into_us(face: Face):
    documents = {
        AS: {
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example/authorize",
            "token_endpoint": "https://idp.example/token",
            "registration_endpoint": "https://idp.example/register",
            "device_authorization_endpoint": "https://idp.example/device",
            "service_documentation": "https://docs.example/notes",
            "grant_types_supported": ["password"],
        }
    }
    async with origin_that_publishes(documents) as origin, face.with_origin("notes", origin) as other:
        document = await other.get_json(AS)
        assert document == await face.get_json(AS) | {"service_documentation": "https://docs.example/notes"}


async def test_head_is_get_without_a_body(face: Face):
    response = await face.request("HEAD", AS)
    assert response.status == 200
    assert await response.read() == b""
    assert response.headers["ETag"] == (await face.get(AS)).headers["ETag"]


@pytest.mark.req(1)
@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}, id="x-forwarded"),
        pytest.param({"Forwarded": "host=evil.example;proto=http"}, id="forwarded"),
        pytest.param({"X-Forwarded-Prefix": "/evil", "X-Original-URL": "/evil"}, id="prefix"),
    ],
)
async def test_forwarded_headers_mean_nothing(face: Face, forged):
    plain = await (await face.get(AS)).read()
    assert await (await face.get(AS, headers=forged)).read() == plain


@pytest.mark.req(1)
@pytest.mark.parametrize(
    "host", ["evil.example", "mcp.example.com.", "mcp.example.com:8443", "mcp.example.com:evil", "x"]
)
async def test_an_unknown_host_is_a_404(face: Face, host):
    for path in (AS, f"{PRM}/mcp", "/token", "/authorize", "/nothing"):
        response = await face.get(path, host=host)
        body = await response.text()
        assert response.status in {404, 405}, path
        assert response.content_type == "application/json"
        assert host not in body


@pytest.mark.req(1)
@pytest.mark.parametrize("host", ["MCP.Example.COM", "mcp.example.com:443"])
async def test_spellings_of_the_configured_host_get_the_configured_bytes(face: Face, host):
    assert (await face.get_json(AS, host=host))["issuer"] == ISSUER


@pytest.mark.parametrize(
    ("target", "hosts", "status"),
    [
        pytest.param(AS, ["mcp.example.com", "evil.example"], 400, id="two-hosts"),
        pytest.param(AS, ["mcp.example.com", "mcp.example.com"], 400, id="the-same-twice"),
        pytest.param(AS, [], 400, id="no-host"),
        pytest.param(AS, [""], 404, id="empty-host"),
        pytest.param(f"https://evil.example{AS}", ["mcp.example.com"], 404, id="absolute-form"),
        pytest.param(f"/{AS}/", ["mcp.example.com"], 404, id="double-slash"),
        pytest.param("//evil.example/%2e%2e", ["mcp.example.com"], 404, id="network-path"),
    ],
)
async def test_odd_request_targets_reach_no_document(face: Face, target, hosts, status):
    lines = [f"GET {target} HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    answer = await face.raw("\r\n".join(lines))
    assert answer.split()[1] == str(status).encode()
    assert b"evil" not in answer
    assert b"Location" not in answer


async def test_a_deleted_pool_takes_our_whole_face_away(face: Face):
    """Design 7: no documents, no registration, no endpoint; what clients have kept is told to be worth nothing."""
    for method, path, status, error in [
        ("GET", AS, 404, "not_found"),
        ("GET", f"{PRM}/mcp", 404, "not_found"),
        ("POST", "/register", 404, "not_found"),
        ("POST", "/token", 401, "invalid_client"),
        ("POST", "/revoke", 401, "invalid_client"),
        ("GET", "/authorize", 404, "not_found"),
        ("GET", "/callback", 404, "not_found"),
    ]:
        response = await face.request(method, path, host=GONE)
        assert (response.status, (await response.json())["error"]) == (status, error), path


async def test_a_server_without_a_pool_has_no_document(face: Face):
    assert (await face.get(f"{PRM}/mcp", host="bare.example.com")).status == 404


@pytest.mark.req(184, 185, 186, 187)
async def test_a_browser_client_may_read_the_documents(face: Face):
    origin = {"Origin": "https://inspector.example"}
    preflight = await face.request(
        "OPTIONS",
        f"{PRM}/mcp",
        headers=origin
        | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "mcp-protocol-version"},
    )
    assert preflight.status == 204
    assert "MCP-Protocol-Version" in preflight.headers["Access-Control-Allow-Headers"]
    for path in (f"{PRM}/mcp", AS, "/.well-known/foo"):
        response = await face.get(path, headers=origin)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers

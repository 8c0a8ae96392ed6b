"""Every finding is provoked by the fault that it names, at its level, and by nothing in a server that is right."""

from pathlib import Path

import pytest

from sidecar.probe import CHECKS
from tests.probe.fake import DROP, OAUTH, OPENID, PAGE, PRM, Fake, Reply

RESULT = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}
BROWSER = {"browser_origin": PAGE}
REGISTER = {"register": True}
ACTIVE = {"active": True}
NO_PRM = {f"GET {PRM}/mcp": Reply(404), f"GET {PRM}": Reply(404)}


def prm(**members):
    return lambda fake: fake.prm.update({name: _filled(value, fake) for name, value in members.items()})


def server(**members):
    return lambda fake: fake.server.update({name: _filled(value, fake) for name, value in members.items()})


def routes(found):
    return lambda fake: fake.routes.update({key: _filled_reply(reply, fake) for key, reply in found.items()})


def challenge(text):
    return lambda fake: setattr(fake, "challenge", _filled(text, fake))


def several(*changes):
    def change(fake):
        for each in changes:
            each(fake)

    return change


def _filled(value, fake):
    if isinstance(value, list):
        return [_filled(item, fake) for item in value]
    return value.replace("HERE", fake.url) if isinstance(value, str) else value


def _filled_reply(reply, fake):
    return Reply(reply.status, reply.body, {k: _filled(v, fake) for k, v in reply.headers.items()}, reply.content_type)


def everything(reply):
    return routes({"POST /mcp": reply, "GET /mcp": reply})


def only_root(**members):
    """The path's own document stays right; the root's is this."""

    def change(fake):
        body = {**fake.prm, **{name: _filled(value, fake) for name, value in members.items()}}
        fake.routes[f"GET {PRM}"] = Reply(body=body)

    return change


def echo(**members):
    """The registration's answer: a right one with these members."""
    right = {"client_id": "c-1", "redirect_uris": ["http://127.0.0.1:33418/callback"]}
    right |= {"token_endpoint_auth_method": "none"}
    body = {name: value for name, value in {**right, **members}.items() if value is not DROP}

    def register(_request, sent):
        return Reply(400, {"error": "invalid_client_metadata"}) if sent.endswith(b"[") else Reply(201, body)

    return lambda fake: fake.routes.update({"POST /register": register})


ROWS = [
    # --- the first answer
    ("mcp-redirect", "warning", routes({"POST /mcp": Reply(307, headers={"Location": "/moved"})}), {}),
    ("mcp-moved", "error", everything(Reply(302, headers={"Location": "https://login.example.com/"})), {}),
    ("forbidden-instead-of-401", "error", everything(Reply(403)), {}),
    ("no-mcp-here", "error", everything(Reply(404)), {}),
    ("refused-otherwise", "error", everything(Reply(400)), {}),
    ("rate-limited", "warning", everything(Reply(429)), {}),
    ("server-error", "error", everything(Reply(500)), {}),
    ("not-mcp", "error", everything(Reply(200, "<html>sign in</html>")), {}),
    (
        "old-transport",
        "warning",
        routes({"POST /mcp": Reply(405), "GET /mcp": Reply(200, b"event: endpoint\n\n", {}, "text/event-stream")}),
        {},
    ),
    ("open-with-metadata", "warning", routes({"POST /mcp": Reply(200, RESULT)}), {}),
    ("stream-differs", "warning", routes({"GET /mcp": Reply(403)}), {}),
    # --- the challenge
    ("challenge-missing", "warning", challenge(""), {}),
    ("challenge-no-metadata", "warning", challenge('Bearer realm="mcp"'), {}),
    ("challenge-several", "warning", challenge(f'Basic realm="x", Bearer resource_metadata="HERE{PRM}/mcp"'), {}),
    (
        "challenge-ambiguous",
        "warning",
        challenge(f'Bearer realm="see scope=none", resource_metadata="HERE{PRM}/mcp", scope="notes.read"'),
        {},
    ),
    ("challenge-relative", "error", challenge(f'Bearer resource_metadata="{PRM}/mcp"'), {}),
    ("challenge-dead-link", "error", challenge(f'Bearer resource_metadata="HERE{PRM}/gone"'), {}),
    ("challenge-elsewhere", "warning", challenge('Bearer resource_metadata="http://localhost:9/prm"'), {}),
    ("challenge-early-error", "note", challenge(f'Bearer error="x", resource_metadata="HERE{PRM}/mcp"'), {}),
    # --- protected resource metadata
    ("prm-missing", "warning", several(challenge("Bearer"), routes(NO_PRM)), {}),
    ("prm-path-missing", "note", several(challenge(""), routes({f"GET {PRM}/mcp": Reply(404)})), {}),
    ("prm-needs-token", "error", routes({f"GET {PRM}/mcp": Reply(401)}), {}),
    ("prm-needs-token", "warning", routes({f"GET {PRM}": Reply(401)}), {}),
    ("prm-server-error", "error", routes({f"GET {PRM}/mcp": Reply(500)}), {}),
    ("prm-differs", "warning", only_root(authorization_servers=["HERE/other"]), {}),
    ("resource-missing", "error", prm(resource=DROP), {}),
    ("resource-mismatch", "error", prm(resource="HERE/other"), {}),
    ("resource-mismatch", "error", prm(resource="https://mcp.example.com/mcp"), {}),
    ("resource-slash", "error", prm(resource="HERE/mcp/"), {}),
    ("resource-not-exact", "warning", prm(resource="HERE"), {}),
    ("prm-no-servers", "error", prm(authorization_servers=DROP), {}),
    ("prm-no-servers", "error", prm(authorization_servers=[]), {}),
    ("prm-several-servers", "note", prm(authorization_servers=["HERE", "HERE/two"]), {}),
    ("scopes-offline-access", "note", prm(scopes_supported=["notes.read", "offline_access"]), {}),
    (
        "scopes-offline-access",
        "note",
        challenge(f'Bearer resource_metadata="HERE{PRM}/mcp", scope="a offline_access"'),
        {},
    ),
    ("scopes-many", "warning", prm(scopes_supported=[f"s{number}" for number in range(21)]), {}),
    ("scopes-unknown", "warning", prm(scopes_supported=["notes.write"]), {}),
    ("tokens-not-in-header", "error", prm(bearer_methods_supported=["query"]), {}),
    ("tokens-bound", "error", prm(dpop_bound_access_tokens_required=True), {}),
    # --- both documents
    ("too-large", "error", routes({f"GET {PRM}/mcp": Reply(200, b" " * 300_000)}), {}),
    (
        "redirect-other-origin",
        "error",
        routes({f"GET {OAUTH}": Reply(302, headers={"Location": "http://localhost/"})}),
        {},
    ),
    ("metadata-redirect", "warning", routes({f"GET {PRM}": Reply(302, headers={"Location": f"{PRM}/mcp"})}), {}),
    ("metadata-not-json", "error", routes({f"GET {OAUTH}": Reply(200, "<html></html>")}), {}),
    ("metadata-content-type", "warning", routes({f"GET {PRM}/mcp": Reply(200, b"{}", {}, "text/plain")}), {}),
    ("null-member", "error", server(service_documentation=None), {}),
    ("null-member", "error", prm(scopes_supported=[None]), {}),
    ("empty-list", "warning", prm(scopes_supported=[]), {}),
    ("member-type", "error", prm(scopes_supported="notes.read"), {}),
    ("member-type", "error", server(token_endpoint="/token"), {}),
    ("member-type", "error", server(client_id_metadata_document_supported="true"), {}),
    ("member-type", "error", server(issuer=7), {}),
    ("odd-scopes", "warning", prm(scopes_supported=["notes.read notes.write"]), {}),
    ("odd-scopes", "warning", prm(scopes_supported=["notes.read", "notes.read"]), {}),
    # --- the authorization server
    ("as-missing", "error", routes({f"GET {OAUTH}": Reply(404)}), {}),
    (
        "no-sign-in",
        "error",
        several(challenge("Bearer"), routes({**NO_PRM, f"GET {OAUTH}": Reply(404)})),
        {},
    ),
    (
        "as-guessed",
        "warning",
        several(challenge("Bearer"), routes({**NO_PRM, f"GET {OAUTH}": Reply(404), "GET /register": Reply(405)})),
        {},
    ),
    ("as-legacy", "warning", several(challenge("Bearer"), routes(NO_PRM)), {}),
    ("as-server-error", "error", routes({f"GET {OAUTH}": Reply(500)}), {}),
    ("issuer-mismatch", "error", server(issuer="https://login.example.com"), {}),
    ("issuer-slash", "error", server(issuer="HERE/"), {}),
    ("issuer-slash", "error", prm(authorization_servers=["HERE/"]), {}),
    ("as-member-missing", "error", server(token_endpoint=DROP), {}),
    ("no-code-flow", "error", server(response_types_supported=["token"]), {}),
    ("no-code-flow", "error", server(grant_types_supported=["client_credentials"]), {}),
    ("no-refresh", "note", server(grant_types_supported=["authorization_code"]), {}),
    ("pkce-no-s256", "error", server(code_challenge_methods_supported=DROP), {}),
    ("pkce-no-s256", "error", server(code_challenge_methods_supported=["plain"]), {}),
    ("pkce-plain", "note", server(code_challenge_methods_supported=["S256", "plain"]), {}),
    ("no-registration", "error", server(registration_endpoint=DROP), {}),
    (
        "only-cimd",
        "warning",
        server(registration_endpoint=DROP, client_id_metadata_document_supported=True),
        {},
    ),
    (
        "cimd-without-none",
        "warning",
        server(
            client_id_metadata_document_supported=True, token_endpoint_auth_methods_supported=["client_secret_post"]
        ),
        {},
    ),
    ("no-public-clients", "warning", server(token_endpoint_auth_methods_supported=DROP), {}),
    ("only-public-clients", "note", server(token_endpoint_auth_methods_supported=["none"]), {}),
    (
        "all-scopes-asked",
        "note",
        several(challenge(f'Bearer resource_metadata="HERE{PRM}/mcp"'), prm(scopes_supported=DROP)),
        {},
    ),
    ("no-iss", "note", server(authorization_response_iss_parameter_supported=DROP), {}),
    # --- endpoints
    ("endpoint-query", "warning", server(authorization_endpoint="HERE/authorize?tenant=1"), {}),
    ("http-endpoint", "error", server(token_endpoint="http://login.example.com/token"), {}),
    ("url-fragment", "error", server(token_endpoint="HERE/token#x"), {}),
    # --- registration
    ("registration-broken", "error", routes({"POST /register": Reply(500)}), ACTIVE),
    ("registration-broken", "error", routes({"POST /register": Reply(307, headers={"Location": "/r"})}), ACTIVE),
    ("registration-broken", "error", routes({"POST /register": Reply(404)}), ACTIVE),
    ("registration-blind", "error", routes({"POST /register": Reply(201, {"client_id": "x"})}), ACTIVE),
    ("registration-error-form", "warning", routes({"POST /register": Reply(400, "no")}), ACTIVE),
    ("registration-guarded", "error", routes({"POST /register": Reply(401)}), ACTIVE),
    ("registration-refused", "error", routes({"POST /register": Reply(400, {"error": "no"})}), REGISTER),
    ("registration-answer", "error", echo(redirect_uris=DROP), REGISTER),
    ("registration-answer", "error", echo(client_id=DROP), REGISTER),
    ("registration-answer", "error", echo(client_uri=None), REGISTER),
    ("registration-status", "note", routes({"POST /register": Reply(200, {"client_id": "x"})}), REGISTER),
    ("registration-method", "warning", echo(token_endpoint_auth_method="client_secret_basic"), REGISTER),
    ("registration-left", "note", echo(), REGISTER),
    ("registration-left", "note", routes({"DELETE /register/c-1": Reply(500)}), REGISTER),
    # --- CORS
    ("cors-preflight", "error", routes({"OPTIONS /mcp": Reply(401)}), BROWSER),
    (
        "cors-preflight",
        "error",
        routes({"OPTIONS /token": Reply(204, headers={"Access-Control-Allow-Headers": "*"})}),
        BROWSER,
    ),
    (
        "cors-answer",
        "error",
        routes({"POST /mcp": Reply(401, headers={"Access-Control-Allow-Origin": "https://other.example"})}),
        BROWSER,
    ),
    (
        "cors-challenge-hidden",
        "warning",
        routes({"POST /mcp": Reply(401, headers={"WWW-Authenticate": "Bearer"})}),
        BROWSER,
    ),
    (
        "cors-credentials",
        "warning",
        routes({f"GET {PRM}/mcp": Reply(200, {}, {"Access-Control-Allow-Credentials": "true"})}),
        BROWSER,
    ),
]

ELSEWHERE = {
    "certificate": "test_walk.py",
    "http-behind-https": "test_walk.py",
    "no-answer": "test_walk.py",
    "not-finished": "test_walk.py",
    "only-discover": "test_modes.py",
    "plain-http": "test_public_hosts.py",
    "private-host": "test_public_hosts.py",
    "slow-answer": "test_walk.py",
}
"""What needs more than one bent answer."""


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row[0]}-{number}") for number, row in enumerate(ROWS)])
async def test_a_fault_is_found(fake: Fake, probed, row):
    name, level, bend, options = row
    bend(fake)
    report = await probed(**options)
    assert (name, level) in {(one.id, one.level) for one in report.findings}


async def test_a_right_server_has_no_finding(probed):
    report = await probed(browser_origin=PAGE, register=True)
    assert report.findings == ()
    assert (report.mode, report.exit_code) == ("oauth-dcr", 0)


async def test_a_right_openid_provider_has_no_finding(fake: Fake, probed):
    fake.server |= {
        "jwks_uri": f"{fake.url}/jwks",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_parameter_supported": False,
    }
    fake.routes[f"GET {OPENID}"] = fake.routes.pop(f"GET {OAUTH}")
    assert (await probed()).findings == ()


async def test_an_openid_document_needs_what_openid_demands(fake: Fake, probed):
    """The TypeScript SDK parses what it finds there by the OpenID schema."""
    fake.routes[f"GET {OPENID}"] = fake.routes.pop(f"GET {OAUTH}")
    (found,) = (await probed()).findings
    assert found.id == "as-member-missing"
    assert "jwks_uri" in found.text


async def test_a_second_authorization_server_weighs_less(fake: Fake, probed):
    """SDKs use the first one only."""
    fake.prm["authorization_servers"] = [fake.url, f"{fake.url}/two"]
    report = await probed()
    assert {(one.id, one.level) for one in report.findings} == {
        ("as-missing", "warning"),
        ("prm-several-servers", "note"),
    }
    assert (report.mode, report.exit_code) == ("oauth-dcr", 0)


def test_every_check_has_a_row_and_every_row_a_check():
    named = {row[0] for row in ROWS} | set(ELSEWHERE)
    assert named == {check.id for check in CHECKS}


def test_ids_are_unique_and_every_finding_says_how_to_mend_it():
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert [check.id for check in CHECKS if not check.mend.endswith(".") and not check.mend.endswith("`.")] == []


def test_what_is_tested_elsewhere_is():
    for name, file in ELSEWHERE.items():
        assert f'"{name}"' in (Path(__file__).parent / file).read_text(), name

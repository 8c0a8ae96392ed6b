"""The mode that a client picks, the exit code for CI, and whether the sidecar would help: with what configuration."""

import json
import re

import pytest
import yaml

from sidecar import keyfile, settings
from sidecar.upstream.quirks import PRESETS
from tests.probe.fake import DROP, OAUTH, OPENID, PRM, Fake, Reply

RESULT = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}
NO_DCR = {"registration_endpoint": DROP}


def at_issuer(fake: Fake, issuer: str) -> None:
    fake.prm["authorization_servers"] = [issuer]


@pytest.fixture
def loads(tmp_path, entropy, clock):
    """Whether `servers` and `pools` make a configuration once keys, a store and the secret are there."""
    keyfile.generate(tmp_path / "keys.json", entropy=entropy, clock=clock)

    def loads(text: str) -> settings.Settings:
        found = yaml.safe_load(text)
        for pool in found["pools"]:
            (tmp_path / pool["client_secret_file"]).write_text("fake")
        return settings.parse({**found, "store": {"url": "redis://127.0.0.1:6379/0"}}, base=tmp_path)

    return loads


async def test_oauth_with_registration(probed):
    report = await probed()
    assert (report.mode, report.exit_code, report.remedy.helps) == ("oauth-dcr", 0, False)


async def test_oauth_with_documents_only(fake: Fake, probed):
    fake.server |= {**NO_DCR, "client_id_metadata_document_supported": True}
    report = await probed()
    assert (report.mode, report.exit_code, report.remedy.helps) == ("oauth-cimd", 0, False)


async def test_its_own_server_without_registration(fake: Fake, probed, loads):
    fake.server |= NO_DCR
    report = await probed()
    assert (report.mode, report.exit_code, report.remedy.helps) == ("oauth-manual", 1, True)
    assert "its own authorization server" in report.remedy.why
    found = loads(report.remedy.config)
    (server,) = found.directory.servers
    assert server.origin == fake.url
    assert found.directory.pool_of(server).issuer == fake.url
    assert server.issuer != fake.url, "its own sign-in keeps its name"


async def test_a_registration_that_wants_a_token_is_manual(fake: Fake, probed):
    fake.routes["POST /register"] = Reply(401)
    report = await probed(active=True)
    assert (report.mode, report.exit_code) == ("oauth-manual", 1)


async def test_a_faulty_issuer_is_broken(fake: Fake, probed):
    fake.server["issuer"] = "https://login.example.com"
    report = await probed()
    assert (report.mode, report.exit_code, report.remedy.helps) == ("broken", 1, False)


@pytest.mark.parametrize(
    ("issuer", "provider"),
    [
        pytest.param("https://accounts.google.com", "google"),
        pytest.param("https://accounts.google.com/", "google", id="google-slash"),
        pytest.param("https://github.com/login/oauth", "github"),
        pytest.param("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", "entra"),
        pytest.param("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555", "entra", id="entra-v1"),
        pytest.param("https://acme.okta.com", "okta"),
        pytest.param("https://acme.okta.com/oauth2/default", "okta-custom"),
        pytest.param("https://acme.eu.auth0.com/", "auth0"),
        pytest.param("https://sso.example.com/realms/acme", "keycloak"),
        pytest.param("https://github.com", "github", id="github-host"),
        pytest.param("https://login.example.com", "oauth2"),
    ],
)
async def test_an_identity_provider_without_registration(loads, issuer, provider):
    from sidecar.probe.exchange import Exchange, Purpose
    from sidecar.probe.report import Report
    from sidecar.probe.seen import ResourceMetadata, Seen, ServerMetadata

    url = "https://mcp.example.net/mcp"
    prm = {"resource": url, "authorization_servers": [issuer], "scopes_supported": ["notes.read", "openid", 'x"']}
    document = Exchange(Purpose.RESOURCE, "GET", f"https://mcp.example.net{PRM}/mcp", status=200, body=_json(prm))
    metadata = Exchange(Purpose.SERVER, "GET", f"{issuer}{OAUTH}", status=200, body=_json({"issuer": issuer}))
    call = Exchange(Purpose.CALL, "POST", url, status=401)
    seen = Seen(url, call, resource=ResourceMetadata((document,)), servers=(ServerMetadata(issuer, (metadata,)),))
    remedy = Report.of(seen).remedy
    assert remedy.helps
    found = loads(remedy.config)
    assert found.warnings == ()
    (server,) = found.directory.servers
    pool = found.directory.pool_of(server)
    assert (server.resource, pool.provider, pool.scopes) == (url, provider, ("notes.read",))
    known = "" if PRESETS[provider].issuer else issuer
    assert pool.issuer == (f"{issuer}/v2.0" if issuer.endswith("555555555555") else known)
    assert "https://mcp.example.net/callback" in remedy.config


async def test_an_openid_provider_is_named_as_one(fake: Fake, probed, loads):
    async with Fake.running() as idp:
        at_issuer(fake, idp.url)
        idp.server |= {**NO_DCR, "jwks_uri": f"{idp.url}/jwks", "subject_types_supported": ["public"]}
        idp.server["id_token_signing_alg_values_supported"] = ["ES256"]
        idp.routes[f"GET {OPENID}"] = idp.routes.pop(f"GET {OAUTH}")
        report = await probed()
        assert report.mode == "oauth-manual"
        assert idp.url in report.remedy.why
        (server,) = loads(report.remedy.config).directory.servers
        assert server.pool == "oidc"


async def test_a_401_that_says_nothing_is_a_case_for_the_sidecar(fake: Fake, probed, loads):
    fake.challenge = ""
    for place in (f"{PRM}/mcp", PRM, OAUTH):
        del fake.routes[f"GET {place}"]
    report = await probed()
    assert (report.mode, report.remedy.helps) == ("broken", True)
    assert loads(report.remedy.config).directory.servers[0].resource == fake.mcp


@pytest.mark.parametrize("method", ["initialize", "server/discover"])
async def test_no_sign_in_in_either_wire_era(fake: Fake, probed, method):
    def answer(_request, body):
        right = f'"{method}"'.encode() in body
        return Reply(200, RESULT) if right else Reply(400, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32022}})

    fake.routes = {"POST /mcp": answer}
    report = await probed()
    assert (report.mode, report.exit_code, report.remedy.helps) == ("none", 0, False)
    assert [one.id for one in report.findings] == ([] if method == "initialize" else ["only-discover"])


async def test_the_old_transport_without_sign_in(fake: Fake, probed):
    fake.routes = {"GET /mcp": Reply(200, b"event: endpoint\n\n", {}, "text/event-stream")}
    report = await probed()
    assert (report.mode, report.exit_code) == ("none", 0)


async def test_a_stateless_server_that_wants_a_token(fake: Fake, probed):
    """MCP 2026-07-28 alone: `initialize` is unknown there, and the challenge comes later."""
    refuse = fake.routes["POST /mcp"]

    def answer(request, body):
        return refuse(request, body) if b"server/discover" in body else Reply(400)

    fake.routes["POST /mcp"] = answer
    report = await probed()
    assert (report.mode, report.exit_code) == ("oauth-dcr", 0)


async def test_guessed_endpoints_are_what_older_clients_use(fake: Fake, probed):
    fake.challenge = ""
    for place in (f"{PRM}/mcp", PRM, OAUTH):
        del fake.routes[f"GET {place}"]
    fake.routes["GET /register"] = Reply(405)
    report = await probed()
    assert (report.mode, report.exit_code) == ("oauth-dcr", 0)


async def test_errors_fail_ci_even_where_clients_get_in(fake: Fake, probed):
    fake.server["code_challenge_methods_supported"] = DROP
    report = await probed()
    assert (report.mode, report.exit_code) == ("oauth-dcr", 1)


async def test_a_server_without_401_cannot_be_helped_as_it_is(fake: Fake, probed):
    fake.routes["POST /mcp"] = fake.routes["GET /mcp"] = Reply(500)
    report = await probed()
    assert (report.mode, report.remedy.helps, report.remedy.config) == ("broken", False, "")


def test_every_preset_can_be_suggested():
    """A provider with an issuer of a known form is recognised by it; the plain protocols are what is left."""
    from sidecar.probe.remedy import _preset

    for name, quirks in PRESETS.items():
        issuer = quirks.issuer or re.sub(r"<[^>]*>", "acme", quirks.issuer_form)
        if issuer and issuer not in {"https://acme", "https://acme/"}:
            found = PRESETS[_preset(issuer)]
            assert (found.issuer, found.issuer_form) == (quirks.issuer, quirks.issuer_form), name


def _json(value) -> bytes:
    return json.dumps(value).encode()

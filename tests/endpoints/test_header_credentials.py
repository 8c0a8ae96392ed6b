"""The MCP server's own credentials beside ours: exactly what is configured passes, and nothing else with it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sidecar import headers
from sidecar.directory import Directory, HeaderCredentials
from sidecar.events import CallDecided, CredentialPassed
from tests.endpoints.checker import Checker, checking, removed
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import tokens_for

OWN = HeaderCredentials(("pat_", "ghp_"), ("x-api-key", "private-token"))


@pytest.fixture
async def opted(face: Face) -> AsyncIterator[Face]:
    """`notes` has credentials of its own; no other server does."""
    served = face.services.settings.directory
    servers = tuple(
        replace(server, header_credentials=OWN if server.name == "notes" else None) for server in served.servers
    )
    async with face.with_settings(directory=Directory(servers, served.issuers, served.pools)) as other:
        yield other


@pytest.fixture
async def check(opted: Face) -> AsyncIterator[Checker]:
    async with checking(opted) as checker:
        yield checker


@pytest.mark.req(179)
@pytest.mark.parametrize(
    ("extra", "known_by"),
    [
        pytest.param({"Authorization": "Bearer pat_secret-1"}, "pat_", id="prefix"),
        pytest.param({"Authorization": "bearer ghp_secret-1"}, "ghp_", id="second prefix, lower-case scheme"),
        pytest.param({"X-Api-Key": "secret-1"}, "x-api-key", id="header"),
        pytest.param({"Private-Token": "glpat-secret-1"}, "private-token", id="second header"),
    ],
)
async def test_a_credential_of_the_servers_own_passes_untouched_and_alone(
    opted: Face, check: Checker, extra: dict[str, str], known_by: str
) -> None:
    response = await check(extra={**extra, "x-dcr-source": "192.0.2.7"})
    assert response.status == 200
    assert {"cookie", *headers.IDENTITY, *headers.FOREIGN_IDENTITY} == removed(response)
    assert not [name for name in response.headers if name.lower() in {*headers.IDENTITY, "authorization", "x-api-key"}]
    assert opted.events_of(CallDecided)[-1].outcome == "passed"
    assert opted.events_of(CredentialPassed) == [
        CredentialPassed(server="notes", credential=known_by, source="192.0.2.7")
    ]
    assert "secret-1" not in str(response.headers) + str(opted.events)


async def test_a_refusal_of_it_has_no_token_set_to_report(check: Checker) -> None:
    response = await check(token="pat_x")
    assert response.headers["x-dcr-log-server"] == "notes"
    assert not {"x-dcr-log-grant", "x-dcr-log-serial"} & {name.lower() for name in response.headers}


async def test_our_tokens_work_beside_them(opted: Face, check: Checker) -> None:
    tokens = await tokens_for(opted)
    response = await check(token=tokens["access_token"])
    assert (response.status, response.headers["Authorization"]) == (200, "Bearer up-1")


@pytest.mark.req(170, 173)
@pytest.mark.parametrize(
    ("extra", "status", "outcome"),
    [
        pytest.param({"Authorization": "Bearer other_1"}, 401, "invalid_token", id="another prefix"),
        pytest.param({"Authorization": "Bearer xpat_1"}, 401, "invalid_token", id="prefix inside"),
        pytest.param({"Authorization": "Bearer PAT_1"}, 401, "invalid_token", id="another case"),
        pytest.param({"Authorization": "Bearer pat"}, 401, "invalid_token", id="half a prefix"),
        pytest.param({"Authorization": "pat_1"}, 401, "no_token", id="no scheme"),
        pytest.param({"Authorization": "Basic pat_1"}, 401, "no_token", id="another scheme"),
        pytest.param({"Authorization": "Bearer pat_1,Bearer dcra_1"}, 401, "invalid_token", id="joined by Envoy"),
        pytest.param({"Authorization": "Bearer pat_1 x"}, 401, "invalid_token", id="blank inside"),
        pytest.param({"X-Api-Key": ""}, 401, "no_token", id="empty header"),
        pytest.param({"X-Api-Key": " "}, 401, "no_token", id="blank header"),
        pytest.param({"X-Other-Key": "1"}, 401, "no_token", id="another header"),
        pytest.param({"Cookie": "x-api-key=1"}, 401, "no_token", id="cookie"),
        pytest.param({"X-Api-Key": "1", "Private-Token": "2"}, 400, "ambiguous", id="two headers"),
        pytest.param({"X-Api-Key": "1", "Authorization": "Bearer pat_1"}, 400, "ambiguous", id="header and prefix"),
        pytest.param({"X-Api-Key": "1", "Authorization": "Basic YTpi"}, 400, "ambiguous", id="header and basic"),
        pytest.param({"X-Api-Key": "1", "Authorization": ""}, 400, "ambiguous", id="header and empty"),
    ],
)
async def test_whatever_is_not_exactly_one_configured_credential_is_refused(
    opted: Face, check: Checker, extra: dict[str, str], status: int, outcome: str
) -> None:
    response = await check(extra=extra)
    assert response.status == status
    assert ("WWW-Authenticate" in response.headers) is (status == 401)
    assert opted.events_of(CallDecided)[-1].outcome == outcome
    assert opted.events_of(CredentialPassed) == []


async def test_a_token_of_ours_and_a_credential_are_two(opted: Face, check: Checker) -> None:
    """Which of the two speaks for the caller nobody can say (RFC 6750 3.1)."""
    tokens = await tokens_for(opted)
    response = await check(token=tokens["access_token"], extra={"X-Api-Key": "1"})
    assert response.status == 400
    assert (await response.json())["error"] == "invalid_request"


@pytest.mark.req(179)
@pytest.mark.parametrize("form", ["{}", "Bearer {}"])
async def test_our_token_reaches_no_server_in_a_credentials_place(opted: Face, check: Checker, form: str) -> None:
    tokens = await tokens_for(opted)
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert (await check(extra={"X-Api-Key": form.format(token)})).status == 401


@pytest.mark.parametrize("extra", [{"Authorization": "Bearer pat_1"}, {"X-Api-Key": "1"}])
async def test_a_server_that_did_not_opt_in_lets_none_pass(check: Checker, extra: dict[str, str]) -> None:
    assert (await check("/tenant1/mcp", host="multi.example.com", extra=extra)).status == 401


@pytest.mark.parametrize(
    ("host", "path", "status"), [("mcp.example.com", "/token", 404), ("evil.example", "/mcp", 404)]
)
async def test_it_opens_nothing_but_its_server(check: Checker, host: str, path: str, status: int) -> None:
    assert (await check(path, "pat_1", host=host)).status == status


@pytest.mark.req(188)
async def test_a_foreign_page_may_not_use_one(check: Checker) -> None:
    assert (await check(token="pat_1", extra={"Origin": "https://evil.example"})).status == 403
    response = await check(token="pat_1", extra={"Origin": "https://mcp.example.com"})
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "https://mcp.example.com")


@pytest.mark.req(185)
async def test_a_page_of_the_servers_own_may_send_the_header(check: Checker) -> None:
    asked = {"Origin": "https://mcp.example.com", "Access-Control-Request-Method": "POST"}
    response = await check(method="OPTIONS", extra=asked)
    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"x-api-key", "private-token", "authorization"} <= allowed

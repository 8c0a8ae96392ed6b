"""The clients whose programs cannot be run in a test: what each sends, from its first look to its second sign-in.

`closed_clients` has their shapes. Clients that can be run are run by `make test-interop`.
"""

import json
from typing import Any

import aiohttp
import pytest

from sidecar.oauth.policy import KNOWN_REDIRECTS, RegistrationPolicy
from tests.endpoints.closed_clients import CLIENTS, OAUTH, ClosedClient
from tests.endpoints.front import CHALLENGE, ISS, RESOURCE, VERIFIER
from tests.endpoints.journey import HOST, Journey, journeys

EACH = pytest.mark.parametrize("client", [pytest.param(each, id=name) for name, each in CLIENTS.items()])


def redirect_of(client: ClosedClient) -> str:
    return client.redirect or client.registration["redirect_uris"][0]  # type: ignore[index]


async def code_for(journey: Journey, client: ClosedClient) -> dict[str, str]:
    """The query with which the browser comes back to the client, after the person approved."""
    answer = await journey.come_back(
        redirect_uri=redirect_of(client),
        scope=client.scope,
        resource=client.resource,
        state=client.state,
        code_challenge=CHALLENGE,
        **client.asks,
    )
    assert answer.status in {302, 303}, answer.text
    assert answer.location.partition("?")[0] == redirect_of(client)
    return answer.query


async def at_token(journey: Journey, **form: str) -> tuple[int, dict[str, Any]]:
    """As its registration says that it authenticates; the default is HTTP Basic (RFC 7591 2)."""
    if journey.client["token_endpoint_auth_method"] != "client_secret_basic":
        return await journey.post("/token", **form)
    pair = journey.client["client_id"], journey.client["client_secret"]
    headers = {**HOST, "Authorization": aiohttp.encode_basic_auth(*pair)}
    async with journey.front.session.post(journey.front.base + "/token", data=form, headers=headers) as response:
        return response.status, await response.json()


async def redeemed(journey: Journey, client: ClosedClient) -> dict[str, Any]:
    query = await code_for(journey, client)
    status, tokens = await at_token(
        journey,
        grant_type="authorization_code",
        code=query["code"],
        code_verifier=VERIFIER,
        redirect_uri=redirect_of(client),
        **client.at_token,
    )
    assert status == 200, tokens
    return tokens


@EACH
@pytest.mark.req(6, 9, 21, 22, 40, 42, 44, 52, 98, 142)
async def test_it_finds_registers_signs_in_refreshes_and_signs_in_again(client: ClosedClient) -> None:
    async with journeys() as journey:
        for path in client.reads:
            assert await found(journey, path), path
        for path in client.misses:
            assert (await read(journey, path))[0] == 404, path
        if client.all_scopes:
            assert " ".join((await read(journey, OAUTH))[1]["scopes_supported"]) == client.scope
        assert await registered(journey, client) == 201
        assert (await code_for(journey, client))["state"] == client.state
        tokens = await redeemed(journey, client)
        assert tokens["token_type"] == "Bearer"
        assert (await journey.call(tokens["access_token"]))[0] == 200
        if "refresh_token" in tokens:
            form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **client.at_token}
            status, again = await at_token(journey, **form)
            assert status == 200, again
            assert (await journey.call(again["access_token"]))[0] == 200
            assert (await journey.call(tokens["access_token"]))[0] == 200, "which another node of it still uses"
            assert await at_token(journey, **form) == (200, again), "its other node did so at the same moment"
        else:
            assert "refresh_token" not in journey.client["grant_types"]
        assert (await journey.call((await redeemed(journey, client))["access_token"]))[0] == 200


@EACH
@pytest.mark.req(39, 40, 42)
async def test_the_registration_comes_back_as_its_schema_wants_it(client: ClosedClient) -> None:
    """Arrays are arrays, nothing is null or empty, and a secret comes only with a method that needs it."""
    async with journeys() as journey:
        await registered(journey, client)
        document = journey.client
        for name in ("redirect_uris", "grant_types", "response_types"):
            assert isinstance(document[name], list)
        assert document["redirect_uris"] == client.registration["redirect_uris"]
        assert not [name for name, value in document.items() if value is None or value == ""]
        method = client.registration.get("token_endpoint_auth_method", "client_secret_basic")
        assert document["token_endpoint_auth_method"] == method
        assert ("client_secret" in document) == (method != "none")
        assert method == "none" or type(document["client_secret_expires_at"]) is int


@EACH
@pytest.mark.req(130, 155)
async def test_what_it_kept_and_we_no_longer_know_is_refused_in_the_words_that_make_it_start_over(
    client: ClosedClient,
) -> None:
    async with journeys() as journey:
        await registered(journey, client)
        status, refused = await at_token(journey, grant_type="refresh_token", refresh_token="dcrr_gone")
        kept = "refresh_token" in journey.client["grant_types"]  # else it never had one
        assert (status, refused["error"]) == (400, "invalid_grant" if kept else "unauthorized_client")
        journey.client["client_id"] = "of-another-day"
        status, refused = await at_token(journey, grant_type="refresh_token", refresh_token="dcrr_gone")
        assert (status, refused["error"]) == (401, "invalid_client")


@EACH
@pytest.mark.req(52, 54)
def test_it_is_let_in_by_an_operator_who_lets_in_known_clients_only(client: ClosedClient) -> None:
    known = RegistrationPolicy(redirect_hosts=KNOWN_REDIRECTS)
    assert [uri for uri in (*client.registration["redirect_uris"], redirect_of(client)) if not known.allows(uri)] == []


async def registered(journey: Journey, client: ClosedClient) -> int:
    sent = {**HOST, "Content-Type": "application/json"}
    body = json.dumps(dict(client.registration))
    async with journey.front.session.post(journey.front.base + "/register", data=body, headers=sent) as response:
        journey.client = await response.json()
        return response.status


async def found(journey: Journey, path: str) -> bool:
    status, document = await read(journey, path)
    assert status == 200, document
    if "oauth-protected-resource" in path:
        return (document["resource"], document["authorization_servers"]) == (RESOURCE, [ISS])
    return document["issuer"] == ISS and document["registration_endpoint"] == f"{ISS}/register"


async def read(journey: Journey, path: str) -> tuple[int, dict[str, Any]]:
    async with journey.front.session.get(journey.front.base + path, headers=HOST) as response:
        return response.status, await response.json()

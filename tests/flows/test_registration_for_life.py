"""RFC 7592 through real Envoy: what the official client registered is read, changed and ended by its own token."""

from pathlib import Path

import pytest

from sidecar.events import ClientDeleted
from sidecar.grants.principals import STALENESS_SECONDS
from tests.flows.person import Person
from tests.flows.running import eventually, running


@pytest.mark.req(66, 67, 73)
async def test_a_client_reads_changes_and_ends_its_registration(tmp_path: Path) -> None:
    """Ending it ends what was signed in with it, within the published bound."""
    alice = Person("alice")
    async with running(tmp_path) as demo:
        await alice.whoami(demo.url)
        body = {"redirect_uris": ["http://127.0.0.1:33418/callback"], "token_endpoint_auth_method": "none"}
        mine = (await demo.request("POST", f"{demo.origin}/register", json=body)).json
        where, token = mine["registration_client_uri"], {"Authorization": f"Bearer {mine['registration_access_token']}"}
        assert where.startswith(f"{demo.origin}/register/")
        assert (await demo.request("GET", where, headers=token)).json["client_id"] == mine["client_id"]
        named = {**body, "client_id": mine["client_id"], "client_name": "Renamed"}
        changed = await demo.request("PUT", where, headers=token, json=named)
        assert (changed.status, changed.json["client_name"]) == (200, "Renamed")
        assert (await demo.request("DELETE", where, headers=token)).status == 204
        assert (await demo.request("GET", where, headers=token)).status == 401


@pytest.mark.req(73)
async def test_ending_a_registration_ends_the_calls_made_with_it(tmp_path: Path) -> None:
    alice = Person("alice")
    async with running(tmp_path) as demo:
        await alice.whoami(demo.url)
        registered, tokens = alice.storage.client, alice.storage.tokens
        assert registered is not None
        assert tokens is not None
        (answer,) = [got for got in alice.responses if got.request.url.path == "/register"]
        await answer.aread()
        sent = {"Authorization": f"Bearer {answer.json()['registration_access_token']}"}
        where = f"{demo.origin}/register/{registered.client_id}"
        assert (await demo.request("DELETE", where, headers=sent)).status == 204

        async def denied() -> bool:
            return (await demo.call(tokens.access_token)).status == 401

        await eventually(denied, seconds=STALENESS_SECONDS + 1)
        assert [event.grants for event in demo.happened(ClientDeleted)] == [1]

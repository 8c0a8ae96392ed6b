"""A new key takes over and the old one goes, while clients and users are at work: pending, active, open, retired."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import TestClient, TestServer

from sidecar.app import build, check_app, oauth_app
from sidecar.app.serving import HTTP
from sidecar.events import UnexpectedError
from sidecar.sealing import Key, Keyring, KeyState
from tests.endpoints.front import LONG
from tests.endpoints.journey import HOST, REDIRECT, Journey, journeys
from tests.fakes.entropy import SeededEntropy

_NEW = SeededEntropy(8)(32)
PUBLIC = {"token_endpoint_auth_method": "none"}
CONFIDENTIAL = {"token_endpoint_auth_method": "client_secret_post"}
KINDS = [
    pytest.param(PUBLIC, id="public"),
    pytest.param(CONFIDENTIAL, id="confidential"),
    pytest.param({**CONFIDENTIAL, "redirect_uris": [REDIRECT, LONG]}, id="in the store only"),
]


def stages(old: bytes) -> Mapping[str, Keyring]:
    """The key file at each step of a rotation. Neighbours are in use at one time, on different replicas."""

    def ring(first: KeyState, second: KeyState | None = None) -> Keyring:
        keys = (Key(1, first, b"" if first is KeyState.RETIRED else old),)
        return Keyring(keys + ((Key(2, second, _NEW),) if second else ()))

    return {
        "before": ring(KeyState.ACTIVE),
        "pending": ring(KeyState.ACTIVE, KeyState.PENDING),
        "rotated": ring(KeyState.OPEN, KeyState.ACTIVE),
        "retired": ring(KeyState.RETIRED, KeyState.ACTIVE),
    }


@dataclass
class Rotation:
    """One store, and a replica of each stage."""

    replicas: Mapping[str, Journey]

    def __getitem__(self, stage: str) -> Journey:
        return self.replicas[stage]

    async def register(self, stage: str, **members: Any) -> dict[str, Any]:
        """At a replica of this stage; then known to all of them, as to a client."""
        assert await self[stage].register(**members) == 201
        self.use(self[stage].client)
        return self[stage].client

    def use(self, client: dict[str, Any]) -> None:
        for journey in self.replicas.values():
            journey.client = client

    async def manage(self, stage: str, method: str, **members: Any) -> tuple[int, dict[str, Any]]:
        """RFC 7592 at a replica of this stage, with the client's token."""
        front, client = self[stage].front, self[stage].client
        url = front.base + urlsplit(client["registration_client_uri"]).path
        headers = HOST | {"Authorization": f"Bearer {client['registration_access_token']}"}
        body = {"client_id": client["client_id"], **members} if members else None
        async with front.session.request(method, url, headers=headers, json=body) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def rotation() -> AsyncIterator[Rotation]:
    async with journeys() as first, AsyncExitStack() as stack:
        services = first.front.services
        replicas = {}
        for name, ring in stages(SeededEntropy(7)(32)).items():
            after = build(replace(services.settings, keyring=ring), services.adapters, services.sources)
            oauth = TestServer(oauth_app(after), host="127.0.0.1")
            await oauth.start_server(**HTTP)
            stack.push_async_callback(oauth.close)
            check = await stack.enter_async_context(TestClient(TestServer(check_app(after), host="127.0.0.1")))
            front = replace(first.front, services=after, base=str(oauth.make_url("")).rstrip("/"))
            replicas[name] = replace(first, front=front, check=check)
        yield Rotation(replicas)
        assert first.front.seen(UnexpectedError) == [], "nothing went wrong that nobody thought of"


@pytest.mark.req(193)
@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_rotation_everything_old_works(rotation: Rotation, kind: dict[str, Any]):
    """Id, secret, registration token, access token, refresh token, and a code on its way."""
    client = await rotation.register("before", **kind)
    tokens = await rotation["before"].sign_in()
    code = (await rotation["before"].come_back()).query["code"]
    after = rotation["rotated"]
    assert (await after.call(tokens["access_token"]))[0] == 200
    status, fresh = await after.refresh(tokens["refresh_token"])
    assert status == 200
    assert (await after.call(fresh["access_token"]))[0] == 200
    assert (await after.redeem(code))[0] == 200
    assert await rotation.manage("rotated", "GET") == (200, client)
    assert (await after.sign_in())["access_token"]


@pytest.mark.req(193)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_new_key_makes_opens_where_it_is_still_pending(rotation: Rotation, kind: dict[str, Any]):
    """So the replicas are restarted one by one, and clients meet now one, now the other."""
    await rotation.register("rotated", **kind)
    tokens = await rotation["rotated"].sign_in()
    behind = rotation["pending"]
    assert (await behind.call(tokens["access_token"]))[0] == 200
    status, mixed = await behind.refresh(tokens["refresh_token"])
    assert status == 200
    for stage in ("rotated", "pending"):
        assert (await rotation[stage].call(mixed["access_token"]))[0] == 200
    assert (await rotation.manage("pending", "GET"))[0] == 200


@pytest.mark.req(193)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", ["pending", "rotated"])
async def test_a_sign_in_meets_another_replica_at_every_step(rotation: Rotation, kind: dict[str, Any], first: str):
    """Form, transaction, code and tokens are each made with one key where the other is active."""
    second = {"pending": "rotated", "rotated": "pending"}[first]
    one, other = rotation[first], rotation[second]
    await rotation.register(second, **kind)
    browser, page = await one.ask()
    browser.front = other.front
    away = await browser.approve(page)
    browser.front = one.front
    back = await browser.come_back(await one.front.at_idp(away.location))
    status, tokens = await other.redeem(back.query["code"])
    assert status == 200
    assert (await one.call(tokens["access_token"]))[0] == 200
    assert (await one.refresh(tokens["refresh_token"]))[0] == 200


@pytest.mark.req(193)
@pytest.mark.parametrize("kind", KINDS)
async def test_retiring_a_key_ends_the_clients_and_the_tokens_that_it_made(rotation: Rotation, kind: dict[str, Any]):
    await rotation.register("before", **kind)
    tokens = await rotation["before"].sign_in()
    code = (await rotation["before"].come_back()).query["code"]
    browser, page = await rotation["before"].ask()
    after = rotation["retired"]
    status, headers = await after.call(tokens["access_token"])
    assert (status, "invalid_token" in headers["www-authenticate"]) == (401, True)
    for status, body in (await after.refresh(tokens["refresh_token"]), await after.redeem(code)):
        assert (status, body["error"]) == (401, "invalid_client")
    assert (await after.post("/revoke", token=tokens["refresh_token"]))[1]["error"] == "invalid_client"
    _, asked = await after.ask()
    assert (asked.status, "Location" in asked.headers) == (400, False)
    browser.front = after.front
    assert (await browser.answer(page.form)).status == 400
    for method in ("GET", "DELETE"):
        assert (await rotation.manage("retired", method))[0] == 401
    assert (await rotation.manage("retired", "PUT", redirect_uris=[REDIRECT]))[0] == 401
    assert (await rotation["rotated"].refresh(tokens["refresh_token"]))[0] == 200, "the old replica still knows it"


@pytest.mark.req(193)
async def test_a_newer_client_keeps_its_id_when_its_tokens_end(rotation: Rotation):
    """It signed in at a replica that was restarted last."""
    await rotation.register("rotated", **CONFIDENTIAL)
    tokens = await rotation["pending"].sign_in()
    code = (await rotation["pending"].come_back()).query["code"]
    after = rotation["retired"]
    assert (await after.call(tokens["access_token"]))[0] == 401
    for status, body in (await after.refresh(tokens["refresh_token"]), await after.redeem(code)):
        assert (status, body["error"]) == (400, "invalid_grant")
    assert (await after.post("/revoke", token=tokens["refresh_token"])) == (200, {})
    assert (await after.sign_in())["access_token"]


@pytest.mark.req(193)
async def test_a_client_that_refreshed_in_time_keeps_its_access_until_it_must_refresh_again(rotation: Rotation):
    """What a check reads is the grant: an access token of the new key is good to its end, an hour at most."""
    await rotation.register("before", **CONFIDENTIAL)
    tokens = await rotation["before"].sign_in()
    _, fresh = await rotation["rotated"].refresh(tokens["refresh_token"])
    after = rotation["retired"]
    assert (await after.call(tokens["access_token"]))[0] == 401
    assert (await after.call(fresh["access_token"]))[0] == 200
    assert (await after.refresh(fresh["refresh_token"]))[1]["error"] == "invalid_client"


@pytest.mark.req(71, 193)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_change_under_the_new_key_does_not_keep_an_old_clients_id(rotation: Rotation, kind: dict[str, Any]):
    """Its secret and its registration token went with the key that made the id, so the id goes too."""
    await rotation.register("before", **kind)
    assert (await rotation.manage("rotated", "PUT", redirect_uris=[REDIRECT], client_name="Changed"))[0] == 200
    assert (await rotation["rotated"].ask())[1].status == 200
    _, asked = await rotation["retired"].ask()
    assert asked.status == 400
    status, body = await rotation["retired"].redeem("dcrc_junk")
    assert (status, body["error"]) == (401, "invalid_client")
    assert (await rotation.manage("retired", "GET"))[0] == 401


@pytest.mark.req(71, 193)
async def test_a_change_ends_with_the_key_that_sealed_it(rotation: Rotation):
    """Not back to what was registered: the redirect URIs that a client took away must not return."""
    await rotation.register("rotated", **PUBLIC, redirect_uris=[REDIRECT, "https://sold.example/cb"])
    assert (await rotation.manage("pending", "PUT", redirect_uris=[REDIRECT]))[0] == 200
    assert (await rotation["rotated"].ask())[1].status == 200
    _, asked = await rotation["retired"].ask(redirect_uri="https://sold.example/cb")
    assert (asked.status, "Location" in asked.headers) == (400, False)

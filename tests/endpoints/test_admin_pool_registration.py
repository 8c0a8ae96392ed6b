"""/admin/pools for a pool that registers itself: made without a client, shown with how that went, told in the log."""

from dataclasses import replace

import pytest

from sidecar.events import CallDecided, RequestServed
from sidecar.records import UpstreamCredentials
from tests.endpoints.checker import checking
from tests.endpoints.conftest import GONE, Face
from tests.endpoints.test_admin_pools import SECRET, SHOWN, TOKEN, admin, made, refused, settings
from tests.fakes.registrations import Registrations

__all__ = ["admin", "settings"]

DAY = 86400
BY_ITSELF = {"client_id": None, "client_secret": None}


async def looked(face: Face) -> None:
    """As every few seconds."""
    await face.services.pool_registration.look()
    await face.services.pools.refresh()


async def test_a_pool_without_a_client_waits_until_it_is_registered_and_is_shown_with_what_it_got(admin, face):
    face.idp.registrations = Registrations(initial_access_token="fake-initial-token")
    token = {"initial_access_token": "fake-initial-token", "allowed_issuers": [face.idp.issuer]}
    view = await made(admin, face, **BY_ITSELF, registration=token)
    assert (view["state"], view["registration"]["state"], view["client_id"]) == ("waiting", "waiting", "")
    assert (view["callback_urls"], view["scopes_to_allow"]) == ([f"https://{GONE}/callback"], ["openid"])
    await looked(face)
    view = await admin.get("/pools/gone")
    assert (view["state"], view["problem"], view["client_id"]) == ("live", "", "registered-1")
    assert view["registration"]["issuer"] == face.idp.issuer
    assert "fake-initial-token" not in str(view)
    assert (await face.get(SHOWN, host=GONE)).status == 200
    body = {"registration": {"allowed_issuers": []}}
    assert (await admin.done("PATCH", "/pools/gone", json=body))["registration"]["allowed_issuers"] == []


async def test_a_client_that_is_entered_later_leaves_the_registered_one_to_its_grants(admin, face):
    face.idp.registrations = Registrations()
    await made(admin, face, **BY_ITSELF)
    await looked(face)
    body = {"client_id": "client-1", "client_secret": SECRET}
    view = await admin.done("PATCH", "/pools/gone", json=body)
    assert (view["client_id"], view["registration"]) == ("client-1", None)
    until = face.clock() + face.services.settings.lifetimes.grant
    assert face.services.pools["gone"].former == (UpstreamCredentials("registered-1", "secret a+b%2F1", until),)


async def test_what_such_a_pool_was_registered_as_before_is_shown_without_a_secret(admin, face):
    face.idp.registrations = Registrations(lifetime=30 * DAY, managed=False)
    await made(admin, face, **BY_ITSELF)
    await looked(face)
    over = face.clock() + 30 * DAY
    face.clock.advance(30 * DAY - 3600)
    await looked(face)
    view = await admin.get("/pools/gone")
    assert view["client_id"] == "registered-2"
    assert view["former"] == [{"client_id": "registered-1", "until": over}]
    assert "secret a" not in str(view)


async def test_why_such_a_pool_is_not_served_is_in_the_log_and_on_no_wire(admin, face):
    face.idp.registrations = Registrations(refusal="invalid_client_metadata")
    await made(admin, face, **BY_ITSELF)
    await looked(face)
    view = await admin.get("/pools/gone")
    assert (view["state"], view["registration"]["state"]) == ("waiting", "refused")
    assert view["problem"].startswith("the provider refused its registration: ")
    why = f"pool gone has no client at its provider (refused): {view['registration']['detail']}"
    async with checking(face) as check:
        response = await check("/mcp", host=GONE)
        assert (response.status, "refused" in await response.text()) == (503, False)
    assert [each.detail for each in face.events_of(CallDecided)] == [why]
    for method, path, status in (("GET", "/authorize", 404), ("POST", "/register", 404), ("POST", "/token", 401)):
        response = await face.request(method, path, host=GONE)
        assert (response.status, "refused" in await response.text()) == (status, False)
        assert face.events_of(RequestServed)[-1].detail == why


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"client_id": None}, "client_id: is required with a client secret", id="secret-alone"),
        pytest.param(
            {**BY_ITSELF, "provider": "github", "issuer": None, "scopes": []}, "nowhere to register", id="no-discovery"
        ),
        pytest.param({**BY_ITSELF, "registration": {"initial_access_token": TOKEN}}, "must differ", id="admin-token"),
        pytest.param({**BY_ITSELF, "registration": {"allowed_issuers": ["http://a.example"]}}, "https", id="issuer"),
    ],
)
async def test_a_pool_that_could_not_register_itself_is_not_made(admin, face, changes, text):
    assert text in await refused(admin, "POST", "/pools", 400, json={**body_of(face), **changes})


def body_of(face: Face):
    pool = replace(face.idp.pool(), name="gone", id="gone-1")
    body = {name: getattr(pool, name) for name in ("name", "id", "provider", "issuer")}
    return {**body, "client_id": "client-1", "client_secret": SECRET, "scopes": ["openid"]}

"""/admin/clients: operators find, see and end clients."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from sidecar.directory import Directory
from sidecar.events import ClientDeleted, ClientReadmitted, GrantEnded
from sidecar.records import StaticClient
from sidecar.store.base import StoreError
from tests.endpoints.admin import TOKEN, encoded, operators
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, sign_in, tokens_for

DOCUMENT = "https://app.example/oauth/client.json"


@pytest.fixture
def settings(settings):
    return replace(settings, admin_token=TOKEN)


@pytest.fixture
async def admin(face: Face):
    async with operators(face) as opened:
        yield opened


async def test_what_looks_the_same_is_one_row(admin, face, clock):
    """Programs register again and again, on any loopback port."""
    for port in (3000, 4000, 5000):
        clock.advance(60)
        last = await face.register(client_name="Editor", redirect_uris=[f"http://127.0.0.1:{port}/cb"])
    await face.register(client_name="Editor", redirect_uris=["https://editor.example/cb"])
    await face.register(client_name="Other")
    rows = (await admin.get("/clients?pool=corp"))["clients"]
    assert sorted((row["name"], row["count"]) for row in rows) == [("Editor", 1), ("Editor", 3), ("Other", 1)]
    (group,) = (row for row in rows if row["count"] == 3)
    assert group["client"] == last["client_id"]
    assert group["last_registered_at"] - group["first_registered_at"] == 120
    assert group["auth_method"] == last["token_endpoint_auth_method"]


async def test_single_ones_come_in_pages_from_every_pool(admin, face):
    mine = {(await face.register())["client_id"] for _ in range(5)}
    theirs = await face.post_json(
        "/tenant1/register", {"redirect_uris": ["https://a.example/cb"]}, host="multi.example.com"
    )
    theirs = (await theirs.json())["client_id"]
    found, after, pages = {}, "", 0
    while True:
        page = await admin.get(f"/clients?grouped=false&limit=2&after={encoded(after)}")
        found |= {row["client"]: row["pool"] for row in page["clients"]}
        after, pages = page["after"], pages + 1
        if not after:
            break
    assert found == {**dict.fromkeys(mine, "corp"), theirs: "one"}
    assert pages >= 4


@pytest.mark.parametrize(("wanted", "count"), [("edit", 1), ("EDITOR", 1), ("", 2), ("nobody", 0)])
async def test_clients_are_found_by_a_part_of_their_name(admin, face, wanted, count):
    await face.register(client_name="My Editor")
    await face.register(client_name="Browser")
    assert len((await admin.get(f"/clients?name={wanted}"))["clients"]) == count


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("pool=nowhere", 404, id="unknown-pool"),
        pytest.param("pool=NO!", 400, id="no-pool-name"),
        pytest.param("limit=0", 400, id="limit-low"),
        pytest.param("limit=1001", 400, id="limit-high"),
        pytest.param("limit=1e2", 400, id="limit-text"),
        pytest.param("grouped=yes", 400, id="flag"),
        pytest.param("after=corp~x", 400, id="cursor"),
        pytest.param("after=nowhere~", 404, id="cursor-of-another-pool"),
        pytest.param("pool=corp&pool=one", 400, id="twice"),
        pytest.param("color=red", 400, id="unknown-parameter"),
        pytest.param("body={}", 400, id="body-in-query"),
    ],
)
async def test_what_was_asked_wrongly_is_told(admin, query, status):
    response = await admin.ask("GET", f"/admin/clients?{query}")
    assert response.status == status
    assert (await response.json())["error_description"]


async def test_a_client_is_shown_with_what_it_registered(admin, face):
    made = await face.register(client_name="Editor", client_uri="https://editor.example", **PUBLIC)
    await tokens_for(face, made)
    shown = await admin.get(f"/clients/{made['client_id']}")
    assert shown["client"] == made["client_id"]
    assert (shown["kind"], shown["pool"], shown["issuer"]) == ("dcr", "corp", "https://mcp.example.com")
    assert (shown["state"], shown["name"], shown["auth_method"], shown["key"]) == ("good", "Editor", "none", 1)
    assert (shown["changed"], shown["grants"]) == (False, 1)
    assert shown["metadata"]["client_uri"] == "https://editor.example"
    assert shown["registered_at"] == made["client_id_issued_at"]
    text = str(shown)
    assert made["registration_access_token"] not in text
    assert "secret" not in text


async def test_a_client_that_the_registry_lost_is_shown_by_its_id_alone(admin, face):
    made = await face.register(client_name="Editor")
    await face.forget_everything()
    shown = await admin.get(f"/clients/{made['client_id']}")
    assert (shown["state"], shown["name"], shown["redirect_uris"]) == ("good", "", made["redirect_uris"])


@pytest.mark.parametrize("name", ["dcr1-nothing", "nothing", encoded(DOCUMENT)])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("DELETE", "?dry_run=true")])
async def test_a_client_that_nobody_knows_is_not_found(admin, name, method, rest):
    response = await admin.ask(method, f"/admin/clients/{name}{rest}")
    assert (response.status, (await response.json())["error"]) == (404, "not_found")


async def test_a_dry_run_says_what_would_end_and_ends_nothing(admin, face):
    made = await face.register(**PUBLIC)
    for _ in range(3):
        await tokens_for(face, made)
    before = await face.dump()
    told = await admin.done("DELETE", f"/clients/{made['client_id']}?dry_run=true")
    assert told == {"dry_run": True, "grants": 3, "users": 1, "complete": True}
    assert await face.dump() == before
    assert face.events_of(ClientDeleted) == []


@pytest.mark.req(73)
async def test_a_deleted_client_and_all_that_it_holds_are_over(admin, face):
    """As after RFC 7592 2.3, by an operator's hand."""
    made = await face.register(client_name="Editor", **PUBLIC)
    tokens = [await tokens_for(face, made) for _ in range(2)]
    told = await admin.done("DELETE", f"/clients/{made['client_id']}")
    assert told == {"dry_run": False, "grants": 2, "users": 0, "complete": True}
    form = {"grant_type": "refresh_token", "refresh_token": tokens[0]["refresh_token"], "client_id": made["client_id"]}
    response = await face.post_form("/token", form)
    assert (await response.json())["error"] == "invalid_client"
    (event,) = face.events_of(ClientDeleted)
    assert (event.client, event.client_name, event.grants, event.source) == (made["client_id"], "Editor", 2, "admin")
    assert event.issuer == "https://mcp.example.com"
    assert [end.reason for end in face.events_of(GrantEnded)] == ["client_deleted"] * 2
    assert (await admin.ask("DELETE", f"/admin/clients/{made['client_id']}")).status == 404
    assert (await admin.get("/clients"))["clients"] == []
    assert (await admin.get(f"/clients/{made['client_id']}"))["state"] == "ended"


async def test_a_registered_client_is_not_let_in_again(admin, face):
    made = await face.register()
    await admin.done("DELETE", f"/clients/{made['client_id']}")
    response = await admin.ask("POST", f"/admin/clients/{made['client_id']}/readmit")
    assert (response.status, (await response.json())["error"]) == (409, "conflict")


@pytest.mark.parametrize("client", [DOCUMENT, "partner"])
async def test_a_document_or_a_configured_client_is_ended_and_let_in_again(face, client):
    served = face.services.settings.directory
    partner = StaticClient("partner", "corp", "Partner", ("https://partner.example/cb",))
    served = Directory(served.servers, served.issuers, served.pools, MappingProxyType({"partner": partner}))
    async with face.with_settings(directory=served) as other, operators(other) as admin:
        path = f"/clients/{encoded(client)}"
        await other.services.adapters.store.deny(client)
        assert (await admin.get(path))["state"] == "ending"
        assert (await admin.ask("POST", f"/admin{path}/readmit")).status == 409
        assert (await admin.done("DELETE", path))["complete"]
        assert (await admin.get(path))["state"] == "ended"
        assert await admin.done("POST", f"{path}/readmit") == {"readmitted": True}
        assert await admin.done("POST", f"{path}/readmit") == {"readmitted": False}
        assert [event.client for event in other.events_of(ClientReadmitted)] == [client]
        assert await other.services.adapters.store.denied(client) == ""


async def test_a_code_that_was_not_redeemed_ends_with_its_client(admin, face):
    made = await face.register(**PUBLIC)
    code = await sign_in(face, made)
    assert (await admin.done("DELETE", f"/clients/{made['client_id']}"))["grants"] == 1
    response = await face.post_form("/token", face.code_fields(code=code, client_id=made["client_id"]))
    assert response.status == 401


class Down:
    """Grants of which none can be ended now."""

    def __init__(self, store):
        self.read = store.read

    async def revoke(self, grant_id):
        raise StoreError("canary")


async def test_a_deletion_that_breaks_off_has_denied_already_and_is_gone_on_with(face):
    """Nothing may begin behind the sweep, and nothing is forgotten with the process."""
    made = await face.register(**PUBLIC)
    tokens = await tokens_for(face, made)
    admin, store = face.services.operators.clients, face.services.adapters.store
    broken = replace(admin, sweeper=replace(admin.sweeper, grants=Down(store)))
    with pytest.raises(StoreError):
        await broken.delete(made["client_id"], dry_run=False)
    assert await store.denied(made["client_id"]) == "ending"
    await admin.sweeper.resume()
    assert await store.denied(made["client_id"]) == "ended"
    assert len(face.events_of(ClientDeleted)) == 1
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": made["client_id"]}
    assert (await face.post_form("/token", form)).status == 401

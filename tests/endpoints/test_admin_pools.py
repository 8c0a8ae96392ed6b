"""/admin/pools: made, shown, changed and ended while clients and users are there."""

import asyncio
import time
from dataclasses import replace

import pytest

from sidecar.events import GrantEnded, PoolCreated, PoolDeleted, PoolUpdated
from sidecar.oauth.errors import AccessDenied
from sidecar.records import StaticClient, UpstreamCredentials
from sidecar.upstream.base import UpstreamUnavailable
from tests.endpoints.admin import TOKEN, operators
from tests.endpoints.checker import checking
from tests.endpoints.conftest import GONE, Face
from tests.endpoints.signed_in import PUBLIC, REDIRECT, sign_in, tokens_for
from tests.fakes.idp import FakeIdp
from tests.upstream.certificates import private_tls

SECRET = "fake-upstream-secret-1"
SHOWN = "/.well-known/oauth-authorization-server"
PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"


@pytest.fixture
def settings(settings):
    partner = StaticClient("partner", "gone", "The Partner", (REDIRECT,))
    return replace(settings, admin_token=TOKEN, directory=replace(settings.directory, clients={partner.id: partner}))


@pytest.fixture
async def admin(face: Face):
    async with operators(face) as opened:
        yield opened


def new_pool(face, **changes):
    idp = face.idp.pool()
    body = {"name": "gone", "id": "gone-1", "provider": idp.provider, "issuer": idp.issuer, "client_id": "client-1"}
    return {**body, "client_secret": SECRET, "scopes": ["openid"], **changes}


async def made(admin, face, **changes):
    return await admin.done("POST", "/pools", json=new_pool(face, **changes))


async def refused(admin, method, path, status, **more):
    response = await admin.ask(method, f"/admin{path}", **more)
    assert response.status == status, await response.text()
    return (await response.json())["error_description"]


async def registered(face):
    body = {"redirect_uris": ["http://127.0.0.1:3000/cb"], "client_name": "Gone Editor", **PUBLIC}
    response = await face.post_json("/register", body, host=GONE)
    assert response.status == 201, await response.text()
    return await response.json()


async def signed_in(face):
    client = await registered(face)
    code = await sign_in(face, client, server="gone")
    response = await face.post_form("/token", face.code_fields(code=code, client_id=client["client_id"]), host=GONE)
    return {**await response.json(), "client_id": client["client_id"]}


async def test_a_pool_that_is_made_is_served_at_once_and_tells_what_to_enter_at_the_provider(admin, face):
    assert (await face.get(SHOWN, host=GONE)).status == 404
    view = await made(admin, face)
    assert (view["source"], view["state"], view["servers"]) == ("store", "live", ["gone"])
    assert view["callback_urls"] == [f"https://{GONE}/callback"]
    assert view["scopes_to_allow"] == ["openid"]
    document = await face.get_json(SHOWN, host=GONE)
    assert document["registration_endpoint"] == f"https://{GONE}/register"
    assert (await signed_in(face))["access_token"]
    assert face.events_of(PoolCreated) == [
        PoolCreated(pool="gone", pool_id="gone-1", provider=view["provider"], source="admin")
    ]


@pytest.mark.req(192, 193)
async def test_a_secret_goes_in_and_never_comes_out(admin, face):
    view = await made(admin, face, proxy="http://user:fake-proxy-password@proxy:3128")
    changed = await admin.done("PATCH", "/pools/gone", json={"client_secret": "fake-upstream-secret-2"})
    seen = f"{view}{changed}{await admin.get('/pools')}{await admin.get('/pools/gone')}{face.events}"
    kept = await face.dump()
    for secret in (SECRET, "fake-upstream-secret-2", "fake-proxy-password"):
        assert secret not in seen
        assert secret.encode() not in kept
    assert view["proxy"] == "http://proxy:3128"


async def test_a_private_ca_is_kept_with_the_pool_so_that_no_replica_needs_a_file(admin, face, tmp_path):
    tls, file = private_tls(tmp_path)
    pem = file.read_text()
    async with FakeIdp.running(tls=tls, clock=face.clock) as idp:
        view = await made(admin, face, issuer=idp.issuer, ca=f"# ours\r\n{pem}")
        file.unlink()
        (ca,) = view["ca"]
        assert (ca["subject"], len(ca["sha256"]), ca["until"] > time.time()) == ("CN=test CA", 64, True)
        pool = face.services.pools["gone"]
        assert pool.ca == pem
        asked = {"redirect_uri": "https://x.example", "state": "s", "nonce": "n", "challenge": "c"}
        url = await face.services.adapters.upstream.authorization_url(pool, **asked)
        assert url.startswith(f"{idp.issuer}/authorize?")
        assert (await admin.done("PATCH", "/pools/gone", json={"ca": ""}))["ca"] == []
        with pytest.raises(UpstreamUnavailable):
            await face.services.adapters.upstream.authorization_url(face.services.pools["gone"], **asked)


async def test_a_configured_client_of_a_pool_that_is_made_later_is_known_as_long_as_the_pool_is_there(admin, face):
    partner = {"client_id": "partner"}

    async def redeemed(code):
        response = await face.post_form("/token", face.code_fields(code=code, client_id="partner"), host=GONE)
        return response.status, await response.json()

    assert (await redeemed("dcrc_x"))[1]["error"] == "invalid_client"
    await made(admin, face)
    status, answer = await redeemed(await sign_in(face, partner, server="gone"))
    assert status == 200, answer
    code = await sign_in(face, partner, server="gone")
    foreseen = await admin.done("DELETE", "/pools/gone?dry_run=true")
    await admin.done("DELETE", f"/pools/gone?version={foreseen['version']}")
    assert (await redeemed(code))[1]["error"] == "invalid_client"


async def test_all_pools_are_listed_with_where_they_live(admin, face):
    await made(admin, face)
    await tokens_for(face)
    rows = {row["pool"]: row for row in (await admin.get("/pools"))["pools"]}
    assert {name: row["source"] for name, row in rows.items()} == {
        **dict.fromkeys(("corp", "one", "two"), "configuration"),
        "gone": "store",
    }
    assert (rows["corp"]["clients"], rows["corp"]["grants"], rows["gone"]["grants"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({"name": "corp"}, 409, "pools[corp]", id="name-of-the-configuration"),
        pytest.param({"id": "corp-1"}, 409, "has the id corp-1", id="id-of-the-configuration"),
        pytest.param({"provider": "goggle"}, 400, "did you mean `google`", id="provider"),
        pytest.param({"client_id": ""}, 400, "client_id: is required", id="client-id"),
        pytest.param({"client_secret": ""}, 400, "client_secret: is required", id="secret"),
        pytest.param({"client_secret": TOKEN}, 400, "every secret must differ", id="admin-token"),
        pytest.param({"issuer": "http://idp.example"}, 400, "must be https", id="issuer"),
        pytest.param({"authorize_params": {"state": "x"}}, 400, "state is always ours", id="params"),
        pytest.param({"ca": "nothing"}, 400, "ca: holds no PEM certificate", id="ca"),
        pytest.param({"ca": "x" * 50_000}, 400, "ca: String should have at most", id="large-ca"),
        pytest.param({"ca": f"{PEM}A{PEM}"}, 400, "ca: holds a certificate that cannot be read", id="broken-ca"),
        pytest.param({"ca": "-----BEGIN EC PRIVATE KEY-----"}, 400, "ca: holds a private key", id="ca-with-a-key"),
        pytest.param({"proxy": "http://user:fake-pw@[x"}, 400, "proxy: must be like", id="proxy"),
        pytest.param({"proxy": "proxy:3128"}, 400, "proxy: must be like", id="proxy-without-scheme"),
        pytest.param({"name": "Corp Inc"}, 400, "name: must be lower-case letters", id="name"),
        pytest.param({"scopes": ["a b"]}, 400, "without blanks", id="scope"),
        pytest.param({"provider": "google", "issuer": None}, 400, "servers[gone].allow: is required", id="public"),
        pytest.param({"shoe_size": 43}, 400, "unknown member", id="unknown"),
    ],
)
async def test_a_pool_at_which_nobody_or_everybody_could_sign_in_is_not_made(admin, face, changes, status, text):
    before = await face.key_count()
    assert text in await refused(admin, "POST", "/pools", status, json=new_pool(face, **changes))
    assert await face.key_count() == before
    assert face.events_of(PoolCreated) == []


async def test_of_two_who_make_one_name_one_does(admin, face):
    calls = (admin.ask("POST", "/admin/pools", json=new_pool(face, id=f"gone-{n}")) for n in range(6))
    statuses = sorted([response.status for response in await asyncio.gather(*calls)])
    assert statuses == [201, 409, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("method", "more"),
    [("PATCH", {"json": {"scopes": ["a"]}}), ("DELETE", {}), ("DELETE", {"params": {"dry_run": "true"}})],
)
async def test_a_pool_of_the_configuration_is_changed_there(admin, method, more):
    assert "pools[corp]" in await refused(admin, method, "/pools/corp", 409, **more)
    assert (await admin.get("/pools/corp"))["source"] == "configuration"


async def test_a_change_disturbs_no_client_and_leaves_what_was_before_for_a_while(admin, face):
    first = await made(admin, face)
    tokens = await signed_in(face)
    changed = await admin.done(
        "PATCH",
        "/pools/gone",
        json={"client_secret": "fake-2", "scopes": ["openid", "email"], "version": first["version"]},
    )
    assert changed["version"] > first["version"]
    assert changed["former"] == [{"client_id": "client-1", "until": face.clock() + 7 * 86400}]
    pool = face.services.pools["gone"]
    assert (pool.client_secret, pool.scopes) == ("fake-2", ("openid", "email"))
    assert pool.former == (UpstreamCredentials("client-1", SECRET, face.clock() + 7 * 86400),)
    async with checking(face) as check:
        assert (await check("/mcp", tokens["access_token"], host=GONE)).status == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": tokens["client_id"]}
    assert (await face.post_form("/token", form, host=GONE)).status == 200
    (event,) = face.events_of(PoolUpdated)
    assert event.changed == ("client_secret", "scopes")


async def test_another_client_id_needs_its_secret_and_the_former_one_goes_on_until_its_grants_end(admin, face):
    await made(admin, face)
    assert "client_secret" in await refused(admin, "PATCH", "/pools/gone", 400, json={"client_id": "client-2"})
    body = {"client_id": "client-2", "client_secret": "fake-2"}
    changed = await admin.done("PATCH", "/pools/gone", json=body)
    life = face.services.settings.lifetimes.grant
    assert changed["former"] == [{"client_id": "client-1", "until": face.clock() + life}]


async def test_two_operators_do_not_undo_each_other(admin, face):
    first = await made(admin, face)
    await admin.done("PATCH", "/pools/gone", json={"scopes": ["a"], "version": first["version"]})
    text = await refused(admin, "PATCH", "/pools/gone", 409, json={"scopes": ["b"], "version": first["version"]})
    assert "changed meanwhile" in text
    assert "changed meanwhile" in await refused(
        admin, "DELETE", "/pools/gone", 409, params={"version": str(first["version"])}
    )
    assert (await admin.get("/pools/gone"))["scopes"] == ["a"]


@pytest.mark.parametrize("member", ["id", "name", "provider", "issuer"])
async def test_what_makes_another_pool_of_it_cannot_be_changed(admin, face, member):
    await made(admin, face)
    text = await refused(admin, "PATCH", "/pools/gone", 400, json={member: "other"})
    assert "unknown member" in text


async def test_a_change_of_nothing_is_none(admin, face):
    first = await made(admin, face)
    same = await admin.done("PATCH", "/pools/gone", json={"scopes": ["openid"], "client_secret": SECRET})
    assert same["version"] == first["version"]
    assert face.events_of(PoolUpdated) == []


async def test_deleting_says_before_what_it_ends_and_wants_that_confirmed(admin, face):
    view = await made(admin, face)
    tokens = await signed_in(face)
    would = await admin.done("DELETE", "/pools/gone", params={"dry_run": "true"})
    assert (would["clients"], would["users"], would["grants"], would["servers"]) == (1, 1, 1, ["gone"])
    assert would["version"] == view["version"]
    assert "dry_run" in await refused(admin, "DELETE", "/pools/gone", 400)
    async with checking(face) as check:
        assert (await check("/mcp", tokens["access_token"], host=GONE)).status == 200
    assert face.events_of(PoolDeleted) == []


@pytest.mark.req(180)
async def test_a_deleted_pool_takes_all_of_it_with_it_on_every_replica(admin, face):
    view = await made(admin, face)
    async with face.replica() as other:
        tokens = await signed_in(face)
        assert b"Gone Editor" in await face.dump()
        async with checking(other) as check:
            assert (await check("/mcp", tokens["access_token"], host=GONE)).status == 200
        ended = await admin.done("DELETE", "/pools/gone", params={"version": str(view["version"])})
        assert (ended["clients"], ended["grants"], ended["complete"]) == (1, 1, True)
        await other.services.pools.refresh()  # as each second
        for each in (face, other):
            async with checking(each) as check:
                assert (await check("/mcp", tokens["access_token"], host=GONE)).status == 503
            for path in (SHOWN, "/.well-known/oauth-protected-resource/mcp", "/authorize"):
                assert (await each.get(path, host=GONE)).status == 404
            assert (await each.post_json("/register", {}, host=GONE)).status == 404
            for path in ("/token", "/revoke"):
                response = await each.post_form(path, {"client_id": tokens["client_id"], "token": "x"}, host=GONE)
                assert (response.status, (await response.json())["error"]) == (401, "invalid_client")
                preflight = await each.request("OPTIONS", path, host=GONE, headers={"Origin": "https://a.example"})
                assert preflight.status == 204
    (event,) = face.events_of(GrantEnded)
    assert event.reason == "pool_deleted"
    assert len(face.events_of(PoolDeleted)) == 1
    assert (await admin.ask("GET", "/admin/pools/gone")).status == 404
    assert b"Gone Editor" not in await face.dump()


async def test_its_name_may_be_used_again_and_its_id_never(admin, face):
    view = await made(admin, face)
    client = await registered(face)
    await admin.done("DELETE", "/pools/gone", params={"version": str(view["version"])})
    assert "Choose another" in await refused(admin, "POST", "/pools", 409, json=new_pool(face))
    await made(admin, face, id="gone-2")
    form = face.code_fields(client_id=client["client_id"])
    assert (await face.post_form("/token", form, host=GONE)).status == 401
    assert (await signed_in(face))["access_token"]


async def test_a_sign_in_under_way_ends_with_the_pool(admin, face):
    view = await made(admin, face)
    client = await registered(face)
    async with face.replica() as slow:  # which has not looked yet
        await admin.done("DELETE", "/pools/gone", params={"version": str(view["version"])})
        slow.services.pools.changed()
        with pytest.raises(AccessDenied):
            await sign_in(slow, client, server="gone")
    assert (await face.services.adapters.store.pool_records()).records == {}


async def test_a_deletion_that_broke_off_is_gone_on_with(admin, face):
    """By any replica, and by asking again: the record says that it is over, and goes last."""
    view = await made(admin, face)
    tokens = await signed_in(face)
    book = face.services.operators.pool_admin.book
    stored = (await book.entries())["gone"].stored
    await book.replace(replace(stored, state="deleting"), view["version"])
    await face.services.pools.refresh()
    row = await admin.get("/pools/gone")
    assert row["state"] == "deleting"
    assert "being deleted" in await refused(admin, "PATCH", "/pools/gone", 409, json={"scopes": ["a"]})
    async with checking(face) as check:
        assert (await check("/mcp", tokens["access_token"], host=GONE)).status == 503
    await face.services.operators.pool_removal.resume()
    assert (await admin.ask("GET", "/admin/pools/gone")).status == 404
    assert [event.reason for event in face.events_of(GrantEnded)] == ["pool_deleted"]
    await face.services.operators.pool_removal.resume()


async def test_an_upstream_end_that_has_to_wait_keeps_the_record(admin, face):
    view = await made(admin, face)
    asked = []

    async def retire(pool):
        asked.append(pool.name)
        return len(asked) > 1

    removal = replace(face.services.operators.pool_removal, retire=retire)
    ended = await removal.delete("gone", dry_run=False, version=view["version"])
    assert not ended.complete
    assert (await admin.get("/pools/gone"))["state"] == "deleting"
    assert (await removal.delete("gone", dry_run=False, version=view["version"])).complete
    assert asked == ["gone", "gone"]
    assert len(face.events_of(PoolDeleted)) == 1

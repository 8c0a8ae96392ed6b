"""/admin/grants and /admin/users: what operators see of sign-ins, and how they end them."""

import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from sidecar.app import check_app
from sidecar.events import GrantEnded, UserOffboarded, UserReadmitted
from sidecar.store.listing import OfUser, Sweep
from tests.endpoints.admin import TOKEN, operators
from tests.endpoints.conftest import Face, open_face
from tests.endpoints.signed_in import PUBLIC, sign_in, tokens_for
from tests.fakes.clock import FakeClock

NOBODY = "f" * 32


@pytest.fixture
def settings(settings):
    return replace(settings, admin_token=TOKEN)


@pytest.fixture
async def admin(face: Face):
    async with operators(face) as opened:
        yield opened


@asynccontextmanager
async def skewed(face, seconds):
    """Another replica on the same store, whose clock is off by so much."""
    clock = FakeClock(face.clock.now + seconds)
    async with open_face(face.idp, clock, face.services.settings, face.redis, seed=2) as other:
        yield other


async def call(face, token):
    """What Envoy is told about an MCP request with this token."""
    async with TestClient(TestServer(check_app(face.services))) as check:
        headers = {"Host": "mcp.example.com", "Authorization": f"Bearer {token}"}
        return (await check.post("/check/mcp", headers=headers)).status


@pytest.mark.parametrize("query", ["client={client}", "pool=corp", "pool=corp&user=alice"])
async def test_grants_are_found_by_client_pool_and_user(admin, face, query):
    tokens = await tokens_for(face)
    (row,) = (await admin.get("/grants?" + query.format(client=tokens["client_id"])))["grants"]
    assert (row["user"], row["email"], row["server"], row["pool"]) == ("alice", "alice@example.com", "notes", "corp")
    assert (row["client"], row["state"], row["reference"]) == (tokens["client_id"], "live", "ref0000001")
    assert tokens["access_token"] not in str(row)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("", 400, id="nothing"),
        pytest.param("client=a&pool=corp", 400, id="two-things"),
        pytest.param("user=alice", 400, id="user-without-pool"),
        pytest.param("pool=nowhere", 404, id="unknown-pool"),
        pytest.param("pool=corp&after=junk", 400, id="cursor"),
    ],
)
async def test_a_list_is_of_one_thing(admin, query, status):
    assert (await admin.ask("GET", f"/admin/grants?{query}")).status == status


async def test_a_grant_that_an_operator_ends_lets_no_call_through(admin, face):
    tokens, other = await tokens_for(face), await tokens_for(face)
    assert await call(face, tokens["access_token"]) == 200
    (row,) = (await admin.get(f"/grants?client={tokens['client_id']}"))["grants"]
    assert await admin.done("DELETE", f"/grants/{row['grant']}") is None
    assert await call(face, tokens["access_token"]) == 401
    assert await call(face, other["access_token"]) == 200
    (event,) = face.events_of(GrantEnded)
    assert (event.grant, event.reason, event.user) == (row["grant"], "operator", "alice")
    assert (await admin.ask("DELETE", f"/admin/grants/{row['grant']}")).status == 404


@pytest.mark.parametrize(("grant", "status"), [(NOBODY, 404), ("x", 400), ("F" * 32, 400)])
async def test_a_grant_that_is_none_cannot_be_ended(admin, grant, status):
    assert (await admin.ask("DELETE", f"/admin/grants/{grant}")).status == status


@pytest.mark.parametrize(("find", "count"), [("", 1), ("ALICE@", 1), ("bob", 0)])
async def test_users_are_found_by_what_people_know_of_them(admin, face, find, count):
    for _ in range(2):
        await tokens_for(face)
    users = (await admin.get(f"/users/corp?find={find}"))["users"]
    assert len(users) == count
    assert [(user["user"], user["grants"]) for user in users] == [("alice", 2)] * count


async def test_an_offboarded_user_has_nothing_left_and_may_sign_in_again(admin, face):
    made = await face.register(**PUBLIC)
    tokens = [await tokens_for(face, made) for _ in range(3)]
    told = await admin.done("DELETE", "/users/corp/alice")
    assert (told["grants"], told["complete"], told["dry_run"]) == (3, True, False)
    assert (told["denial"]["denied"], told["denial"]["barred"]) == (True, False)
    assert abs(told["denial"]["until"] - time.time()) < 60  # by the store's clock
    assert "provider" in told["remains"]
    assert [await call(face, each["access_token"]) for each in tokens] == [401] * 3
    assert [event.reason for event in face.events_of(GrantEnded)] == ["user_offboarded"] * 3
    (event,) = face.events_of(UserOffboarded)
    assert (event.pool, event.user, event.barred, event.source) == ("corp", "alice", False, "admin")
    again = await tokens_for(face, made)
    assert await call(face, again["access_token"]) == 200
    assert len((await admin.get("/users/corp/alice"))["grants"]) == 1


@pytest.mark.parametrize("seconds", [-180, 180], ids=["behind", "ahead"])
async def test_a_replica_whose_clock_is_wrong_neither_saves_a_grant_nor_keeps_anybody_out(admin, face, seconds):
    made = await face.register(**PUBLIC)
    async with skewed(face, seconds) as other:
        before = [await tokens_for(each, made) for each in (face, other)]
        under_way = await sign_in(other, made)
        assert (await admin.done("DELETE", "/users/corp/alice"))["grants"] == 3
        assert [await call(each, tokens["access_token"]) for each in (face, other) for tokens in before] == [401] * 4
        fields = other.code_fields(code=under_way, client_id=made["client_id"])
        assert (await other.post_form("/token", fields)).status == 400
        after = [await tokens_for(each, made) for each in (face, other)]
        assert [await call(face, tokens["access_token"]) for tokens in after] == [200] * 2
        # Offboarded by the one that is wrong, it is the same.
        async with operators(other) as elsewhere:
            assert (await elsewhere.done("DELETE", "/users/corp/alice"))["grants"] == 2
        assert [await call(other, tokens["access_token"]) for tokens in after] == [401] * 2
        assert await call(face, (await tokens_for(face, made))["access_token"]) == 200


async def test_what_began_behind_the_cutoff_outlives_its_sweep_that_is_gone_on_with_later(admin, face):
    store, whose = face.services.adapters.store, OfUser("corp-1", "alice")
    old = await tokens_for(face)
    cutoff = await store.cut_off(whose, bar=False)
    await store.sweep_begun(Sweep(whose, cutoff, "user_offboarded", {}))
    new = await tokens_for(face)
    await face.services.operators.sweeper.resume()
    assert [await call(face, each["access_token"]) for each in (old, new)] == [401, 200]
    assert await store.sweeps_pending() == ()


async def test_a_sweep_of_a_barred_user_spares_what_began_after_the_user_was_let_in_again(admin, face):
    store, whose = face.services.adapters.store, OfUser("corp-1", "alice")
    old = await tokens_for(face)
    cutoff = await store.cut_off(whose, bar=True)
    await store.sweep_begun(Sweep(whose, cutoff, "user_offboarded", {}))
    assert await admin.done("POST", "/users/corp/alice/readmit") == {"readmitted": True}
    new = await tokens_for(face)
    await face.services.operators.sweeper.resume()
    assert [await call(face, each["access_token"]) for each in (old, new)] == [401, 200]


async def test_a_barred_user_comes_in_again_only_when_readmitted(admin, face, clock):
    made = await face.register(**PUBLIC)
    assert (await admin.done("DELETE", "/users/corp/alice?bar=true"))["denial"]["barred"]
    assert (await admin.done("DELETE", "/users/corp/alice"))["denial"]["barred"]  # not weakened
    clock.advance(60)
    with pytest.raises(Exception, match="denied"):
        await tokens_for(face, made)
    assert await admin.done("POST", "/users/corp/alice/readmit") == {"readmitted": True}
    assert await admin.done("POST", "/users/corp/alice/readmit") == {"readmitted": False}
    assert len(face.events_of(UserReadmitted)) == 1
    assert await call(face, (await tokens_for(face, made))["access_token"]) == 200


async def test_a_dry_run_of_an_offboarding_changes_nothing(admin, face):
    tokens = await tokens_for(face)
    before = await face.dump()
    told = await admin.done("DELETE", "/users/corp/alice?dry_run=true&bar=true")
    assert (told["grants"], told["dry_run"], told["denial"]["denied"]) == (1, True, False)
    assert await face.dump() == before
    assert await call(face, tokens["access_token"]) == 200


async def test_another_pool_s_user_of_the_same_name_is_somebody_else(admin, face):
    tokens = await tokens_for(face)
    assert (await admin.done("DELETE", "/users/one/alice"))["grants"] == 0
    assert await call(face, tokens["access_token"]) == 200
    assert (await admin.ask("DELETE", "/admin/users/nowhere/alice")).status == 404


@pytest.mark.parametrize("user", ["auth0%7Cx%2Fy", "%C3%9Cmit", "a%20b", "..%2F.."])
async def test_a_subject_may_hold_any_character(admin, user):
    assert (await admin.get(f"/users/corp/{user}"))["user"] not in {"", user}
    assert (await admin.done("DELETE", f"/users/corp/{user}?bar=true"))["denial"]["barred"]
    assert (await admin.get(f"/users/corp/{user}"))["denial"]["barred"]


@pytest.mark.parametrize("path", ["/users/corp/%FF", "/users/corp/%00?x=1", "/users/corp/" + "a" * 256])
async def test_a_subject_that_is_none_is_refused(admin, path):
    assert (await admin.ask("GET", f"/admin{path}")).status == 400


async def test_another_replica_s_cached_answer_ends_at_once(face):
    """The end is published, so no replica lets a call through for longer than it takes to hear of it."""
    tokens = await tokens_for(face)
    async with face.replica() as other, operators(face) as admin:
        assert await call(other, tokens["access_token"]) == 200
        news = other.services.adapters.store.news()
        assert (await anext(news)).kind == "up"
        await admin.done("DELETE", "/users/corp/alice")
        assert (await anext(news)).kind == "grant"
        await news.aclose()


async def test_keys_say_how_many_clients_each_made(admin, face):
    await face.register()
    await face.register()
    told = await admin.get("/keys")
    assert [(key["id"], key["state"], key["clients"]) for key in told["keys"]] == [(0, "open", 0), (1, "active", 2)]
    assert (told["complete"], told["clients_read"]) == (True, 2)
    assert set(told["keys"][0]) == {"id", "state", "created_at", "clients"}

"""What is served under a pool's name, and when nobody knows, that it is denied."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fakeredis import FakeServer

from sidecar.directory import AllowRule, Directory, Server
from sidecar.events import PoolNotServed, UnexpectedError
from sidecar.pools import LivePools, PoolVault, StoredPool
from sidecar.pools.book import PoolBook
from sidecar.pools.selection import Selection, incomplete
from sidecar.records import Pool, UpstreamCredentials
from sidecar.sealing import Key, Keyring, KeyState, Sealer
from sidecar.store.base import StoreError
from tests.fakes.entropy import SeededEntropy
from tests.fakes.store import fake_store

LOGIN = "https://login.example.com"
CORP = Pool("corp", "corp-1", "oidc", "client", "fake-secret", ("openid",), issuer=LOGIN)
LAB = replace(CORP, name="lab", id="lab-1", client_secret="fake-lab-secret")


def server(pool, **more):
    return Server("notes", "https://mcp.example.com/mcp", "http://127.0.0.1:9", "https://mcp.example.com", pool, **more)


class World:
    def __init__(self, store, keyring):
        self.store, self.now, self.told = store, 100.0, []
        self.vault = PoolVault(Sealer(keyring, "pool", SeededEntropy()))
        self.book = PoolBook(store, self.vault)

    def live(self, *servers, configured=(CORP,), store=None, complete=incomplete):
        directory = Directory(servers or (server("lab"),), (), {pool.name: pool for pool in configured})
        return LivePools(
            Selection(directory, self.vault, complete),
            store or self.store,
            monotonic=lambda: self.now,
            recorder=self.told.append,
        )

    async def made(self, pool=LAB, state="live"):
        return await self.book.add(StoredPool(pool, state, 1, 1))


@pytest.fixture
async def world(keyring):
    async with fake_store(FakeServer()) as store:
        yield World(store, keyring)


class Broken:
    """A store that is down; it counts how often it was asked."""

    asked = 0

    async def pools_revision(self):
        self.asked += 1
        raise StoreError("down")


async def test_pools_of_the_configuration_need_no_store_at_all(world):
    live = world.live(server("corp"), store=Broken())
    await live.refresh()
    await live.follow()  # ends at once: there is nothing to follow
    assert (live["corp"], list(live), len(live)) == (CORP, ["corp"], 1)
    assert live.get("lab") is None
    assert live._store.asked == 0


async def test_a_name_that_the_configuration_lacks_is_looked_up_in_the_store(world):
    live = world.live()
    await live.refresh()
    assert live.get("lab") is None
    await world.made()
    assert live.get("lab") is None, "until somebody looked"
    await live.refresh()
    assert live["lab"] == LAB
    assert set(live) == {"corp", "lab"}


@pytest.mark.req(180)
async def test_a_copy_that_is_old_answers_nothing_but_for_pools_of_the_configuration(world):
    await world.made()
    live = world.live()
    with pytest.raises(StoreError):
        live.get("lab")  # never read
    await live.refresh()
    world.now += 2.0
    assert live["lab"] == LAB
    world.now += 0.1
    for name in ("lab", "nowhere"):
        with pytest.raises(StoreError):
            live.get(name)
    assert live["corp"] == CORP
    await live.refresh()
    assert live["lab"] == LAB


async def test_the_copys_age_counts_from_before_it_was_asked_for(world):
    await world.made()

    class Slow:
        async def pools_revision(self):
            world.now += 3.0
            return await world.store.pools_revision()

        async def pool_records(self):
            return await world.store.pool_records()

    live = world.live(store=Slow())
    await live.refresh()
    with pytest.raises(StoreError):
        live.get("lab")


async def test_a_pool_that_is_being_deleted_is_gone(world):
    put = await world.made()
    live = world.live()
    await live.refresh()
    await world.book.replace(StoredPool(LAB, "deleting", 1, 2), put.version)
    await live.refresh()
    assert live.get("lab") is None


async def test_the_configuration_goes_before_the_store(world):
    await world.made(replace(CORP, id="other-1", client_id="other"))
    live = world.live()
    await live.refresh()
    assert live["corp"] == CORP


@pytest.mark.parametrize(
    ("pool", "servers", "reason"),
    [
        pytest.param(
            replace(LAB, id="corp-1"), (server("lab"),), "id_in_configuration", id="an-id-of-the-configuration"
        ),
        pytest.param(
            replace(LAB, provider="google", issuer=""), (server("lab"),), "needs_allow", id="public-and-no-rule"
        ),
    ],
)
async def test_a_record_that_must_not_be_used_is_told_and_denies_rather_than_being_absent(world, pool, servers, reason):
    await world.made(pool)
    live = world.live(*servers)
    await live.refresh()
    with pytest.raises(StoreError):
        live.get("lab")
    assert world.told == [PoolNotServed(pool="lab", reason=reason)]
    await live.refresh()
    assert len(world.told) == 1, "once, not each second"


async def test_a_public_provider_is_served_where_a_rule_says_who_may_come(world):
    pool = replace(LAB, provider="google", issuer="")
    await world.made(pool)
    live = world.live(server("lab", allow=AllowRule(domains=frozenset({"example.com"}))))
    await live.refresh()
    assert live["lab"] == pool


async def test_a_record_of_a_lost_key_denies_and_stays(world):
    draw = SeededEntropy(seed=99)
    stranger = PoolVault(Sealer(Keyring((Key(1, KeyState.ACTIVE, draw(32)),)), "pool", draw))
    await world.store.put_pool("lab", stranger.seal(StoredPool(LAB, "live", 1, 1)), version=0)
    live = world.live()
    await live.refresh()
    with pytest.raises(StoreError):
        live.get("lab")
    assert world.told == [PoolNotServed(pool="lab", reason="unreadable")]
    assert "lab" in (await world.store.pool_records()).records


async def test_a_record_is_good_under_its_own_name_only(world):
    await world.store.put_pool("other", world.vault.seal(StoredPool(LAB, "live", 1, 1)), version=0)
    assert (await world.book.entries())["other"].stored is None


@pytest.mark.req(193)
async def test_nothing_of_a_pool_is_kept_in_clear_and_all_of_it_comes_back(world):
    pool = replace(
        LAB,
        proxy="http://user:fake-proxy-password@proxy:3128",
        authorize_params=(("prompt", "login"), ("hd", "example.com")),
        former=(UpstreamCredentials("client", "fake-former-secret", 7),),
        clients_not_before=5,
    )
    await world.made(pool)
    ((name, record),) = (await world.store.pool_records()).records.items()
    for text in (b"fake-lab-secret", b"fake-proxy-password", b"fake-former-secret", b"login.example.com"):
        assert text not in record.sealed
    assert name == "lab"
    assert (await world.book.entries())["lab"].stored == StoredPool(pool, "live", 1, 1)


async def test_a_pool_without_a_client_id_is_absent_until_something_makes_it_whole(world):
    bare = replace(CORP, client_id="")
    live = world.live(server("corp"), configured=(bare,))
    await live.refresh()
    assert live.get("corp") is None
    whole = world.live(
        server("corp"), configured=(bare,), complete=lambda pool, _records: replace(pool, client_id="registered")
    )
    await whole.refresh()
    assert whole["corp"].client_id == "registered"


@asynccontextmanager
async def following(live):
    task = asyncio.create_task(live.follow())
    try:
        yield
    finally:
        while not task.done():  # fakeredis waits with asyncio.wait_for, which swallows one that comes at a bad moment
            task.cancel()
            await asyncio.wait([task], timeout=0.1)


async def until(true):
    while not true():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0)


async def test_following_survives_a_store_that_is_down_and_a_defect(world):
    await world.made()
    errors = [StoreError("down"), RuntimeError("defect")]
    seen = asyncio.Event()

    class Shaky:
        async def pools_revision(self):
            if errors:
                raise errors.pop(0)
            seen.set()
            return await world.store.pools_revision()

        async def pool_records(self):
            return await world.store.pool_records()

    live = world.live(store=Shaky())
    live.changed()
    async with following(live), asyncio.timeout(10):
        await seen.wait()
        while True:
            try:
                assert live["lab"] == LAB
                break
            except StoreError:
                live.changed()
                await asyncio.sleep(0)
    assert [type(event) for event in world.told] == [UnexpectedError]


async def test_news_of_a_change_is_not_waited_for(world):
    live = world.live()
    async with following(live), asyncio.timeout(0.9):  # less than the second between two looks
        await until(lambda: live._copy.revision >= 0)
        await world.made()
        live.changed()
        await until(lambda: live.get("lab") is not None)

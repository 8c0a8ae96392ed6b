"""Pools that register themselves: once for all replicas, kept in order, taken back, and never in a hurry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fakeredis import FakeServer

from sidecar.directory import Directory, Issuer, Server
from sidecar.events import (
    Event,
    UpstreamRegistered,
    UpstreamRegistrationDeleted,
    UpstreamRegistrationFailed,
    UpstreamRegistrationLost,
)
from sidecar.pools import LivePools, PoolVault, StoredPool
from sidecar.pools.attempts import Attempts
from sidecar.pools.book import PoolBook
from sidecar.pools.registered import RegistrationVault
from sidecar.pools.registration import LEASE_SECONDS, PoolRegistration
from sidecar.pools.selection import Selection
from sidecar.records import Pool, UpstreamCredentials
from sidecar.sealing import Key, Keyring, KeyState, Sealer
from sidecar.upstream.client import open_upstream
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy
from tests.fakes.idp import ABSENT, FakeIdp, Fault
from tests.fakes.registrations import Registrations
from tests.fakes.store import fake_store

ISSUER = "https://mcp.example.com"
NOTES = Server("notes", f"{ISSUER}/mcp", "http://127.0.0.1:9", ISSUER, "corp")
DAY = 86400
AGAIN = 601
"""Seconds after a registration from which on another may follow."""


class Replica:
    def __init__(self, store, opened, clock, keyring, pool: Pool, draw, *paths: str) -> None:  # noqa: PLR0917 - a world's parts
        self.events: list[Event] = []
        self.store, self.pool, self.clock = store, pool, clock
        vault = PoolVault(Sealer(keyring, "pool", draw))
        self.vault = RegistrationVault(Sealer(keyring, "upstream-registration", draw))
        self.book = PoolBook(store, vault)
        configured = {pool.name: pool} if pool.name == "corp" else {}
        issuers = tuple(Issuer(f"{ISSUER}{path}", pool.name) for path in paths or ("",))
        selection = Selection(
            Directory((replace(NOTES, pool=pool.name),), issuers, configured), vault, self.vault.complete
        )
        self.live = LivePools(
            selection, store, monotonic=lambda: float(clock.now), recorder=self.events.append,
        )  # fmt: skip
        self.registration = PoolRegistration(
            selection, store, self.vault,
            Attempts(opened.registrar, clock, self.events.append), clock, draw, self.events.append, self.live.changed,
        )  # fmt: skip

    async def look(self) -> None:
        await self.registration.look()

    async def served(self) -> Pool | None:
        await self.live.refresh()
        return self.live.get(self.pool.name)

    async def cooled(self) -> None:
        """What was tried in vain may be tried again. The store keeps its own time."""
        key = self.store.keys.upstream_registration(self.pool.id)
        await self.store.link.command("HDEL", key, "lc")

    def told(self, kind: type[Event]) -> list:
        return [event for event in self.events if type(event) is kind]

    @property
    def state(self) -> str:
        return self.registration.status(self.pool).state


class World:
    def __init__(self, idp: FakeIdp, clock: FakeClock, keyring: Keyring) -> None:
        self.idp, self.clock, self.keyring, self.redis, self.seed = idp, clock, keyring, FakeServer(), 0

    @asynccontextmanager
    async def replica(self, *paths: str, keyring: Keyring | None = None, **changes) -> AsyncIterator[Replica]:
        self.seed += 1
        pool = self.idp.pool(client_id="", client_secret="", **changes)
        monotonic = lambda: float(self.clock.now)  # noqa: E731
        async with (
            fake_store(self.redis) as store,
            open_upstream(clock=self.clock, monotonic=monotonic, recorder=lambda _: None) as opened,
        ):
            yield Replica(store, opened, self.clock, keyring or self.keyring, pool, SeededEntropy(self.seed), *paths)


@pytest.fixture
async def world(clock: FakeClock, keyring: Keyring) -> AsyncIterator[World]:
    async with FakeIdp.running(clock=clock, registrations=Registrations()) as idp:
        yield World(idp, clock, keyring)


@pytest.fixture
async def replica(world: World) -> AsyncIterator[Replica]:
    async with world.replica() as replica:
        yield replica


async def test_a_pool_without_a_client_id_is_served_once_it_has_registered(world: World, replica: Replica):
    assert await replica.served() is None
    assert replica.state == "waiting"
    await replica.look()
    served = await replica.served()
    assert served is not None
    assert (served.client_id, served.client_secret, served.token_auth) == ("registered-1", "secret a+b%2F1", "post")
    (told,) = replica.told(UpstreamRegistered)
    assert (told.pool, told.upstream_issuer, told.upstream_client) == ("corp", world.idp.issuer, "registered-1")
    await replica.look()
    assert world.idp.registrations.made == 1
    status = replica.registration.status(replica.pool)
    assert (status.state, status.client_id, status.former) == ("registered", "registered-1", ())


async def test_of_many_replicas_one_registers_and_all_serve_it(world: World):
    async with world.replica() as one, world.replica() as two, world.replica() as three:
        replicas = (one, two, three)
        await asyncio.gather(*(each.look() for each in replicas for _ in range(5)))
        assert world.idp.registrations.made == 1
        assert {(await each.served()).client_id for each in replicas} == {"registered-1"}
        assert sum(len(each.told(UpstreamRegistered)) for each in replicas) == 1


async def test_nothing_of_it_can_be_read_in_the_store(replica: Replica):
    await replica.look()
    dump = repr(await replica.store.link.command("HGETALL", replica.store.keys.pools()))
    assert not [word for word in ("registered-1", "secret a", "manage-1") if word in dump]


async def test_a_holder_that_dies_leaves_one_orphan_that_is_told(world: World):
    """It called, and was gone before it could keep what it got."""
    async with world.replica() as died, world.replica() as next_:
        at = float(world.clock.now)
        await died.store.lease_registration("corp-1", "died", LEASE_SECONDS)
        await next_.look()
        assert world.idp.registrations.made == 0
        key = died.store.keys.upstream_registration("corp-1")
        await died.store.link.command("HSET", key, "lu", int(at))
        await next_.look()
        assert world.idp.registrations.made == 1
        assert [each.outcome for each in next_.told(UpstreamRegistrationLost)] == ["orphaned"]
        assert (await next_.served()).client_id == "registered-1"


async def test_who_was_too_slow_takes_its_registration_back(world: World):
    """The fence: another holder has written meanwhile, so what the slow one brings home is of no use."""
    async with world.replica() as slow, world.replica() as quick:
        gate = asyncio.Event()
        world.idp.fail("register", Fault(hold=gate))
        task = asyncio.create_task(slow.look())
        while not world.idp.seen("register"):
            await world.idp.received.wait()
            world.idp.received.clear()
        world.idp.heal()
        key = slow.store.keys.upstream_registration("corp-1")
        await slow.store.link.command("DEL", key)
        await quick.look()
        gate.set()
        await task
        assert (await slow.served()).client_id == (await quick.served()).client_id == "registered-1"
        assert set(world.idp.registrations.clients) == {"registered-1"}
        assert [each.upstream_client for each in slow.told(UpstreamRegistrationDeleted)] == ["registered-2"]


@pytest.mark.parametrize(
    ("metadata", "refusal", "state"),
    [
        pytest.param({"registration_endpoint": ABSENT}, "", "not_offered", id="not-offered"),
        pytest.param({}, "invalid_redirect_uri", "refused", id="refused"),
        pytest.param({"registration_endpoint": "http://x.example/"}, "", "refused", id="malformed"),
    ],
)
async def test_without_registration_people_are_told_once_what_to_enter(world: World, metadata, refusal, state):
    world.idp.metadata, world.idp.registrations.refusal = metadata, refusal
    async with world.replica() as one, world.replica() as two:
        for _ in range(3):
            await one.look()
            await two.look()
            await one.cooled()
        (told,) = one.told(UpstreamRegistrationFailed) + two.told(UpstreamRegistrationFailed)
        assert (told.outcome, told.callbacks) == (state, (f"{ISSUER}/callback",))
        assert told.scopes == ("openid", "email", "offline_access")
        assert "set the pool's client_id" in told.detail
        assert (one.state, two.state) == (state, state)
        assert await one.served() is None


async def test_what_came_to_nothing_is_not_tried_again_at_once(world: World, replica: Replica):
    world.idp.registrations.refusal = "access_denied"
    for _ in range(5):
        await replica.look()
    assert len(world.idp.seen("register")) == 1
    await replica.cooled()
    world.idp.registrations.refusal = ""
    await replica.look()
    assert (await replica.served()).client_id == "registered-1"
    assert replica.state == "registered"


@pytest.mark.parametrize("managed", [True, False])
async def test_an_idp_that_forgot_us_gets_to_know_us_anew(world: World, replica: Replica, managed: bool):
    world.idp.registrations.managed = managed
    await replica.look()
    world.idp.registrations.forget()
    world.clock.advance(AGAIN)
    replica.registration.forgotten(await replica.served())
    await replica.look()
    served = await replica.served()
    assert (served.client_id, served.former) == ("registered-2", ())
    assert [each.outcome for each in replica.told(UpstreamRegistrationLost)] == ["forgotten"]


async def test_an_idp_that_forgets_us_every_time_is_not_flooded(world: World, replica: Replica):
    await replica.look()
    for _ in range(60):
        world.idp.registrations.forget()
        replica.registration.forgotten(await replica.served())
        await replica.cooled()
        await replica.look()
        world.clock.advance(60)
    assert world.idp.registrations.made <= 4


async def test_a_look_now_and_then_sees_that_we_are_forgotten(world: World, replica: Replica):
    """Some IdPs show the user a page and tell us nothing."""
    await replica.look()
    world.idp.registrations.forget()
    world.clock.advance(DAY // 4)
    await replica.look()
    assert (await replica.served()).client_id == "registered-2"


async def test_a_secret_that_the_idp_changed_by_itself_is_taken_over(world: World, replica: Replica):
    await replica.look()
    world.idp.registrations.clients["registered-1"]["client_secret"] = "changed"
    replica.registration.forgotten(await replica.served())
    await replica.look()
    served = await replica.served()
    assert (served.client_id, served.client_secret) == ("registered-1", "changed")
    assert served.former == (UpstreamCredentials("registered-1", "secret a+b%2F1"),)


async def test_an_unreachable_idp_changes_nothing(world: World, replica: Replica):
    await replica.look()
    before = await replica.served()
    world.idp.fail("client", Fault(status=503))
    replica.registration.forgotten(before)
    await replica.look()
    assert (await replica.served(), replica.state, world.idp.registrations.made) == (before, "registered", 1)


@pytest.mark.parametrize("managed", [True, False])
async def test_a_secret_that_ends_is_renewed_in_time(world: World, replica: Replica, managed: bool):
    world.idp.registrations.lifetime, world.idp.registrations.managed = 30 * DAY, managed
    await replica.look()
    world.clock.advance(29 * DAY - 60)
    await replica.look()
    assert (await replica.served()).client_secret == "secret a+b%2F1"
    world.clock.advance(120)
    await replica.look()
    served = await replica.served()
    assert served.client_id == ("registered-1" if managed else "registered-2")
    assert served.client_secret == "secret a+b%2F2"
    (former,) = served.former
    assert (former.client_id, former.client_secret) == ("registered-1", "secret a+b%2F1")
    assert former.until == world.clock.now + DAY - 60
    assert replica.registration.status(replica.pool).former == (("registered-1", former.until),)


@pytest.mark.parametrize("managed", [True, False])
async def test_other_callbacks_and_scopes_become_known_to_the_idp(world: World, managed: bool):
    world.idp.registrations.managed = managed
    async with world.replica() as before:
        await before.look()
    world.clock.advance(AGAIN)
    async with world.replica("", "/second", scopes=("openid", "groups")) as after:
        await after.look()
        client = world.idp.registrations.clients[(await after.served()).client_id]
        assert client["redirect_uris"] == [f"{ISSUER}/callback", f"{ISSUER}/second/callback"]
        assert client["scope"] == "openid groups"
        assert len(world.idp.registrations.clients) == (1 if managed else 2)
        await after.look()
    assert len(world.idp.seen("register")) + len(world.idp.seen("client")) == 2


async def test_credentials_never_go_to_another_server_than_they_came_from(world: World, replica: Replica, clock):
    await replica.look()
    async with (
        FakeIdp.running(clock=clock, registrations=Registrations()) as other,
        world.replica(issuer=other.issuer) as moved,
    ):
        assert await moved.served() is None
        await moved.look()
        served = await moved.served()
        assert (served.issuer, served.former) == (other.issuer, ())
        assert other.registrations.made == 1
        assert [each.outcome for each in moved.told(UpstreamRegistrationLost)] == ["orphaned"]


async def test_a_deleted_pool_leaves_nothing_at_the_idp(world: World, replica: Replica):
    await replica.look()
    assert await replica.registration.end(replica.pool)
    assert world.idp.registrations.clients == {}
    assert await replica.served() is None
    assert [each.upstream_client for each in replica.told(UpstreamRegistrationDeleted)] == ["registered-1"]
    assert await replica.registration.end(replica.pool)


@pytest.mark.parametrize("managed", [True, False])
async def test_what_cannot_be_deleted_is_told(world: World, replica: Replica, managed: bool):
    world.idp.registrations.managed = managed
    await replica.look()
    await world.idp.stop()
    assert await replica.registration.end(replica.pool)
    (lost,) = replica.told(UpstreamRegistrationLost)
    assert (lost.outcome, lost.upstream_client) == ("orphaned", "registered-1")


async def test_a_pool_that_was_made_while_we_ran_registers_too(world: World):
    async with world.replica(name="lab", id="lab-1") as replica:
        await replica.book.add(StoredPool(replica.pool, "live", 1, 1))
        await replica.look()
        assert (await replica.registration.store.pool_records()).records.keys() == {"lab", "registration:lab-1"}


async def test_a_record_that_does_not_open_is_left_and_told_once(world: World, replica: Replica):
    await replica.look()
    stranger = Keyring((Key(9, KeyState.ACTIVE, SeededEntropy(99)(32)),))
    async with world.replica(keyring=stranger) as other:
        await other.look()
        await other.look()
        assert await other.served() is None
        assert [each.outcome for each in other.told(UpstreamRegistrationFailed)] == ["unreadable"]
        assert other.state == "unreadable"
    assert world.idp.registrations.made == 1
    assert (await replica.served()).client_id == "registered-1"


async def test_a_record_is_sealed_anew_with_the_active_key(world: World, replica: Replica):
    await replica.look()
    old = (replace(key, state=KeyState.OPEN) for key in world.keyring.keys)
    newer = Keyring((*old, Key(77, KeyState.ACTIVE, SeededEntropy(77)(32))))
    async with world.replica(keyring=newer) as other:
        await other.look()
        (record,) = (await other.store.pool_records()).records.values()
        assert int.from_bytes(record.sealed[:2], "big") == 77
        assert (await other.served()).client_id == "registered-1"

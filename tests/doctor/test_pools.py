"""The pools that stand in the store: read with the keys, examined at their providers, and what is wrong with them."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from sidecar.clock import system_entropy
from sidecar.directory import AllowRule
from sidecar.doctor import StoreAddress
from sidecar.doctor.pools import judge_pools
from sidecar.doctor.seen import PoolsSeen
from sidecar.pools import PoolVault, StoredPool
from sidecar.pools.book import PoolBook
from sidecar.pools.registered import Registration, RegistrationVault, Status, record_name
from sidecar.records import Pool
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.upstream.registration_messages import Registered
from tests.doctor.deployed import CALLBACK, ISSUER, KEYRING, deployment, directory, examined, wrong
from tests.fakes.idp import FakeIdp
from tests.store.servers import patient_store, running, valkey_binary

CORP = Pool("corp", "corp-1", "oidc", "id", "fake-secret", ("openid",), issuer="https://idp.example")
OWN = replace(CORP, client_id="", client_secret="")

CASES = [
    pytest.param({}, PoolsSeen({"corp": CORP}), [], id="right"),
    pytest.param({"corp": CORP}, PoolsSeen({"corp": CORP}, fault="down"), [], id="configured-whole"),
    pytest.param({}, PoolsSeen({}, fault="down"), ["pool-unread"], id="unread"),
    pytest.param({"corp": OWN}, PoolsSeen({"corp": OWN}, fault="down"), ["pool-unread"], id="own-unread"),
    pytest.param({}, PoolsSeen({}), ["pool-absent"], id="absent"),
    pytest.param({}, PoolsSeen({}, ending=frozenset({"corp"})), ["pool-absent"], id="ending"),
    pytest.param({}, PoolsSeen({}, unfit={"corp": "unreadable"}), ["pool-unreadable"], id="unreadable"),
    pytest.param({}, PoolsSeen({}, unfit={"corp": "needs_allow"}), ["pool-open"], id="open"),
    pytest.param({}, PoolsSeen({}, unfit={"corp": "id_in_configuration"}), ["pool-id-twice"], id="id-twice"),
    pytest.param({}, PoolsSeen({"corp": CORP, "lab": CORP}), ["pool-unused"], id="unused"),
    pytest.param({"corp": CORP, "lab": CORP}, PoolsSeen({"corp": CORP, "lab": CORP}), [], id="configured-unused"),
]


@pytest.mark.parametrize(("configured", "seen", "ids"), CASES)
async def test_each_fault_of_a_pool_is_found_and_nothing_else(configured, seen, ids):
    assert wrong(judge_pools(seen, directory(**configured))) == ids


class World:
    def __init__(self, url: str, store, idp: FakeIdp) -> None:
        self.url, self.store, self.idp = url, store, idp
        self.book = PoolBook(store, PoolVault.of(KEYRING, system_entropy))

    async def make(self, state="live", **changes) -> Pool:
        pool = self.idp.pool(**{"name": "corp", "id": "corp-1"} | changes)
        await self.book.add(StoredPool(pool, state, 1, 1))
        return pool

    async def register(self, pool: Pool, client_id: str, status: Status, **members) -> None:
        registered = (
            Registered(client_id, self.idp.client_secret, "client_secret_post", **members) if client_id else None
        )
        kept = Registration(pool.id, self.idp.issuer, registered, status=status)
        sealed = RegistrationVault.of(KEYRING, system_entropy).seal(kept)
        await self.store.put_pool(record_name(pool.id), sealed, version=0)

    async def examined(self, **changes):
        made = deployment(store=StoreAddress(self.url), **changes)
        return await examined("idp", made)


@pytest.fixture(scope="module")
def url():
    with running(valkey_binary()) as server:
        yield server.url


@pytest.fixture
async def world(url):
    async with patient_store(url) as store, FakeIdp.running() as idp:
        await store.link.command("DEL", store.keys.pools())
        yield World(url, store, idp)


async def test_a_pool_that_was_made_by_command_is_examined_like_one_of_the_configuration(world):
    await world.make()
    before = await world.store.pool_records()
    told = await world.examined()
    assert wrong(told) == []
    assert [one.where for one in told] == ["pool corp", "pool corp", CALLBACK]
    assert len(world.idp.seen("token")) == 1
    assert await world.store.pool_records() == before


async def test_what_is_wrong_with_it_is_told_with_what_the_command_line_mends(world):
    await world.make(client_secret="over")
    (fault,) = [one for one in await world.examined() if one.level == "error"]
    assert (fault.id, fault.where) == ("idp-credentials", "pool corp")
    assert "`dcr-sidecar pool update --client-secret-file FILE`" in fault.fix
    configured = await world.examined(directory=directory(corp=world.idp.pool(client_secret="over")))
    (fault,) = [one for one in configured if one.level == "error"]
    assert "`client_secret_file`" in fault.fix


@pytest.mark.parametrize(
    ("client", "status", "ids"),
    [
        pytest.param("upstream-client", Status("registered"), [], id="registered"),
        pytest.param("forgotten", Status("registered"), ["idp-callback", "idp-forgotten"], id="forgotten"),
        pytest.param("", Status("not_offered", "it has no such thing"), ["idp-not-registered"], id="not-offered"),
        pytest.param("", Status(), ["idp-self-registered"], id="not-yet"),
    ],
)
@pytest.mark.parametrize("stored", [pytest.param(True, id="stored"), pytest.param(False, id="configured")])
async def test_one_that_registers_itself_is_examined_with_what_it_got(world, client, status, ids, stored):
    own = {"client_id": "", "client_secret": ""}
    pool = await world.make(**own) if stored else world.idp.pool(**own)
    await world.register(pool, client, status)
    told = await world.examined(**({} if stored else {"directory": directory(corp=pool)}))
    assert sorted(wrong(told)) == ids
    assert len(world.idp.seen("token")) == bool(client)
    assert world.idp.client_secret not in repr(told)


async def test_a_pool_of_other_keys_one_that_is_over_and_one_that_everybody_could_enter_are_told(world):
    await world.make(state="deleting")
    assert wrong(await world.examined()) == ["pool-absent"]
    stranger = Keyring((Key(9, KeyState.ACTIVE, bytes(reversed(range(32)))),))
    assert wrong(await world.examined(keyring=stranger)) == ["pool-unreadable"]
    await world.make(name="lab", id="lab-1", provider="google", issuer="https://accounts.google.com")
    served = directory(corp=world.idp.pool())
    lab = replace(served.servers[0], name="lab", pool="lab", resource=f"{ISSUER}/lab")
    both = replace(served, servers=(*served.servers, lab))
    assert wrong(await world.examined(directory=both)) == ["pool-open"]
    ruled = replace(lab, allow=AllowRule(domains=frozenset({"example.com"})))
    taken = replace(served, servers=(ruled,), pools=MappingProxyType({"corp": world.idp.pool(id="lab-1")}))
    assert wrong(await world.examined(directory=taken)) == ["pool-id-twice"]


async def test_a_store_that_is_down_hides_no_pool_of_the_configuration(world):
    served = directory(corp=world.idp.pool(client_secret="over"))
    lab = replace(served.servers[0], name="lab", pool="lab", resource=f"{ISSUER}/lab")
    both = replace(served, servers=(*served.servers, lab))
    told = await examined("idp", deployment(directory=both, store=StoreAddress("unix:///nowhere.sock")))
    assert wrong(told) == ["pool-unread", "idp-credentials"]
    assert told[0].text.startswith("lab: ")


async def test_what_the_configuration_warns_of_is_left_to_who_knows_the_store():
    warnings = ("servers[notes].pool: no pool corp here", "servers[notes]: is relayed")
    assert wrong(await examined("config", deployment(warnings=warnings))) == ["config-warning"]

"""What is counted of each pool for the metrics."""

from sidecar.events import PoolsCounted
from sidecar.pools.census import Census
from sidecar.records import Pool
from sidecar.store.registry import Registration
from tests.fakes.store import fake_store
from tests.store.build import created, now


def pool(name: str) -> Pool:
    return Pool(name, f"{name}-1", "oidc", "up", "secret", ("openid",), issuer="http://127.0.0.1:9")


async def test_every_pool_that_is_served_is_counted():
    told = []
    async with fake_store() as store:
        for number in range(3):
            await store.register(Registration(f"dcr1-{number}", "corp-1", {}, now(), now()), 3600)
        await created(store)
        await created(store, pool_id="other-1")
        await Census({"corp": pool("corp"), "empty": pool("empty")}, store, told.append).count()
    assert told == [PoolsCounted(counts=(("corp", 3, 1), ("empty", 0, 0)))]


async def test_a_pool_that_goes_while_it_is_counted_is_left_out():
    class Going(dict[str, Pool]):
        def __getitem__(self, name: str) -> Pool:
            raise KeyError(name)

    told = []
    async with fake_store() as store:
        await Census(Going(corp=pool("corp")), store, told.append).count()
    assert told == [PoolsCounted(counts=())]

"""Finding and authenticating clients, below HTTP: what it costs and what it leaves behind."""

from dataclasses import replace
from typing import Any, cast

import pytest

from sidecar.client_ids import ClientIds
from sidecar.clients import Clients, Configured, Documented, Registered
from sidecar.clients.assertions import Assertions
from sidecar.directory import Directory, Issuer, Server
from sidecar.oauth.errors import InvalidClient, NotFound
from sidecar.oauth.params import ClientCredentials
from sidecar.oauth.policy import DocumentPolicy, RegistrationPolicy
from sidecar.records import Pool
from tests.fakes.client_documents import FakeClientDocuments
from tests.fakes.store import fake_store

ISSUER = Issuer("https://mcp.example.com", "corp")
POOL = Pool(name="corp", id="corp-1", provider="oidc", client_id="up", client_secret="s", scopes=())
SERVED = Directory(
    servers=(Server("notes", f"{ISSUER.url}/mcp", "http://127.0.0.1:9", ISSUER.url, "corp", ("a",), ("b",)),),
    issuers=(ISSUER,),
    pools={"corp": POOL},
)
BODY = {"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "client_secret_post"}


class CountingStore:
    def __init__(self, store):
        self._store = store
        self.calls = []

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self._store, name)


@pytest.fixture
async def store():
    async with fake_store() as opened:
        yield CountingStore(opened)


@pytest.fixture
def registered(store, keyring, entropy, clock) -> Registered:
    events = []
    return Registered(ClientIds(keyring, entropy), store, SERVED, RegistrationPolicy(), clock, events.append)


@pytest.fixture
def clients(registered, store, clock) -> Clients:
    documents = FakeClientDocuments()
    documented = Documented(documents, store, DocumentPolicy(), RegistrationPolicy(), cast("Any", None))
    return Clients(
        registered, Configured(SERVED, store), documented, Assertions(documented, store, clock), store, clock
    )


def credentials(document, **changes) -> ClientCredentials:
    sent = {"client_id": document["client_id"], "method": "client_secret_post", "secret": document["client_secret"]}
    return ClientCredentials(**(sent | changes))


@pytest.mark.req(135)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"secret": "wrong"}, id="wrong-secret"),
        pytest.param({"client_id": "dcr1-AAAA"}, id="unknown-id"),
        pytest.param({"client_id": "x" * 5000}, id="absurd-id"),
        pytest.param({"client_id": "\udcff"}, id="no-text"),
        pytest.param({"method": "none", "secret": ""}, id="no-secret"),
        pytest.param({"method": "client_secret_basic"}, id="another-method"),
    ],
)
async def test_every_refusal_costs_one_read_and_sounds_the_same(registered, clients, store, changes):
    document = await registered.register(ISSUER, BODY, "")
    store.calls.clear()
    with pytest.raises(InvalidClient) as refusal:
        await clients.authenticate(ISSUER, POOL, credentials(document, **changes), basic=False, source="")
    assert sorted(store.calls) == ["denied", "registered"]
    assert refusal.value.body() == InvalidClient().body()


@pytest.mark.req(130)
@pytest.mark.parametrize("basic", [True, False])
async def test_only_who_tried_basic_is_challenged_for_basic(clients, basic):
    with pytest.raises(InvalidClient) as refusal:
        await clients.authenticate(ISSUER, POOL, ClientCredentials("x", "none", ""), basic=basic, source="")
    assert ("WWW-Authenticate" in refusal.value.headers) == basic


async def test_a_use_is_noted_and_a_look_is_not(registered, clients, store, clock):
    document = await registered.register(ISSUER, BODY, "")
    clock.advance(1000)
    await clients.resolve(ISSUER, POOL, document["client_id"], "")
    assert (await store.registered(document["client_id"])).last_used_at == clock.now - 1000
    client = await clients.authenticate(ISSUER, POOL, credentials(document), basic=False, source="")
    assert (await store.registered(document["client_id"])).last_used_at == clock.now - 1000
    await clients.used(client)
    assert (await store.registered(document["client_id"])).last_used_at == clock.now


async def test_a_use_costs_one_call_and_rebuilds_what_was_lost(registered, clients, store):
    document = await registered.register(ISSUER, BODY | {"client_name": "Notes"}, "")
    client = await clients.authenticate(ISSUER, POOL, credentials(document), basic=False, source="")
    store.calls.clear()
    await clients.used(client)
    assert store.calls == ["used"]
    await store.link.command("DEL", store.keys.client(client.id))
    store.calls.clear()
    await clients.used(client)
    assert store.calls == ["used", "register"]
    entry = await store.registered(client.id)
    assert (entry.created_at, entry.metadata["client_name"]) == (client.issued_at, "Notes")


async def test_the_registrys_name_comes_with_the_client(registered, clients):
    document = await registered.register(ISSUER, BODY | {"client_name": "Notes", "client_uri": "https://a.example"}, "")
    client = await clients.resolve(ISSUER, POOL, document["client_id"], "")
    assert (client.name, client.uri) == ("Notes", "https://a.example")
    assert client.redirect_uris == ("http://127.0.0.1/cb",)
    assert not client.refresh


@pytest.mark.parametrize(
    ("issuer", "pool"),
    [
        pytest.param(replace(ISSUER, url="https://other.example"), POOL, id="issuer"),
        pytest.param(ISSUER, replace(POOL, id="corp-2"), id="pool-id"),
    ],
)
async def test_an_id_is_one_issuers_and_one_pools(registered, clients, issuer, pool):
    document = await registered.register(ISSUER, BODY, "")
    assert await clients.resolve(issuer, pool, document["client_id"], "") is None


async def test_without_a_pool_nobody_registers(registered, store):
    with pytest.raises(NotFound):
        await registered.register(Issuer("https://mcp.example.com", "gone"), BODY, "")
    assert store.calls == []


async def test_a_registration_that_nobody_uses_is_forgotten_after_a_day(registered, clients, store, clock):
    """Anybody may register; what they leave behind must not stay for half a year."""
    document = await registered.register(ISSUER, BODY, "")
    key = store.keys.client(document["client_id"])
    assert 0 < await store.link.command("TTL", key) <= 86400
    await clients.used(await clients.authenticate(ISSUER, POOL, credentials(document), basic=False, source=""))
    assert await store.link.command("TTL", key) > 90 * 86400

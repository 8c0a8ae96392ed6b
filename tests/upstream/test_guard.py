"""Where a connection may go when a stranger named the far end: threat DC-12, in each of its forms."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.oauth.client_document import ClientDocument
from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.client_documents import DocumentFetcher, open_client_documents
from sidecar.upstream.guard import Guard, Lookup, resolved
from sidecar.upstream.http import Route, open_http
from sidecar.upstream.messages import document_request
from tests.fakes.clock import FakeClock
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.publisher import Publisher, answer

_PUBLIC = "93.184.215.14"


class Names(AbstractResolver):
    """A name server of the attacker's: each lookup gets the next answer, the last one again and again."""

    def __init__(self, *answers: Iterable[str]) -> None:
        self.answers = [list(each) for each in answers]
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return [resolved(host, address.partition("%")[0], port, scope=3 if "%" in address else 0) for address in found]

    async def close(self) -> None:
        """Nothing is open."""


class Doors:
    """What listens on one port of several loopback addresses, and who knocked where."""

    def __init__(self) -> None:
        self.port = 0
        self.knocks: list[str] = []

    async def knocked(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks.append(writer.get_extra_info("sockname")[0])
        writer.close()

    @classmethod
    @asynccontextmanager
    async def listening(cls, *addresses: str) -> AsyncIterator["Doors"]:
        doors = cls()
        sockets = _on_one_port(addresses)
        doors.port = sockets[0].getsockname()[1]
        async with AsyncExitStack() as stack:
            for each in sockets:
                await stack.enter_async_context(await asyncio.start_server(doors.knocked, sock=each))
            yield doors


def _on_one_port(addresses: Sequence[str]) -> list[socket.socket]:
    """A port that is free on the first address may be taken on the next; then another one."""
    for _ in range(50):
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_server((addresses[0], 0)))
            port = first.getsockname()[1]
            with suppress(OSError):
                others = [stack.enter_context(socket.create_server((each, port))) for each in addresses[1:]]
                stack.pop_all()
                return [first, *others]
    raise AssertionError("no port is free on all addresses")


@pytest.fixture
def opening(clock: FakeClock, monotonic: FakeMonotonic, events: list):
    def opening(**options: object):
        return open_client_documents(events.append, monotonic, clock, total_seconds=1.0, **options)  # type: ignore[arg-type]

    return opening


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    async with Doors.listening("127.0.0.1", "127.0.0.2") as doors:
        yield doors


async def refused(documents: DocumentFetcher, url: str) -> None:
    with pytest.raises(UpstreamMalformed):
        await documents.document(url)


@pytest.mark.req(77)
@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["127.0.0.1"], id="loopback"),
        pytest.param(["10.1.2.3"], id="private"),
        pytest.param(["169.254.169.254"], id="metadata"),
        pytest.param(["100.64.0.1"], id="carrier-grade-nat"),
        pytest.param(["0.0.0.0"], id="this-host"),
        pytest.param(["224.0.0.1"], id="multicast"),
        pytest.param(["255.255.255.255"], id="broadcast"),
        pytest.param(["::1"], id="loopback-6"),
        pytest.param(["::ffff:127.0.0.1"], id="mapped"),
        pytest.param(["::127.0.0.1"], id="compatible"),
        pytest.param(["64:ff9b::a9fe:a9fe"], id="nat64"),
        pytest.param(["2002:a9fe:a9fe::1"], id="6to4"),
        pytest.param(["2001:0:808:808::5601:5601"], id="teredo"),
        pytest.param(["fe80::5efe:10.0.0.1"], id="isatap"),
        pytest.param(["fe80::1%eth0"], id="zone"),
        pytest.param(["fd00:ec2::254"], id="unique-local"),
        pytest.param([_PUBLIC, "127.0.0.1"], id="public-and-loopback"),
        pytest.param(["127.0.0.1", _PUBLIC], id="loopback-and-public"),
        pytest.param([_PUBLIC, "2606:4700::1111", "10.0.0.1"], id="the-last-of-three"),
    ],
)
async def test_a_name_with_an_address_that_is_not_public_is_refused(
    opening, doors: Doors, addresses: list[str], calls: list
):
    names = Names(addresses)
    async with opening(guard=Guard(names, ports=frozenset({doors.port}))) as documents:
        await refused(documents, f"https://client.example:{doors.port}/client.json")
    assert names.asked == ["client.example"]
    assert doors.knocks == []
    assert [(call.operation, call.outcome) for call in calls] == [("client_document", "malformed")]


@pytest.mark.req(77)
async def test_localhost_is_refused_by_the_rule_that_ships(opening, doors: Doors):
    """With the system's own resolver; only the port is opened up."""
    async with opening(guard=Guard(Lookup(), ports=frozenset({doors.port}))) as documents:
        for host in ("localhost", "127.0.0.1", "[::1]"):
            await refused(documents, f"https://{host}:{doors.port}/client.json")
    assert doors.knocks == []


@pytest.mark.req(77)
@pytest.mark.parametrize("url", ["https://client.example:6379/a", "https://client.example:22/a", "https://127.0.0.1/a"])
async def test_other_ports_and_addresses_are_refused_before_anything_is_looked_up(opening, url: str, calls: list):
    names = Names([_PUBLIC])
    async with opening(guard=Guard(names)) as documents:
        await refused(documents, url)
    assert names.asked == []
    assert [call.outcome for call in calls] == ["malformed"]


@pytest.mark.req(77)
async def test_the_checked_address_is_the_one_connected_to(opening, doors: Doors, monotonic: FakeMonotonic):
    """DNS rebinding: good when it is checked, loopback ever after. 127.0.0.2 plays the good address."""
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    guard = Guard(names, allows=lambda address: address == "127.0.0.2", ports=frozenset({doors.port}))
    url = f"https://client.example:{doors.port}/client.json"
    async with opening(guard=guard) as documents:
        with pytest.raises(UpstreamUnavailable):  # nobody speaks TLS there
            await documents.document(url)
        assert names.asked == ["client.example"]
        assert doors.knocks == ["127.0.0.2"]

        monotonic.advance(61)
        await refused(documents, url)
    assert names.asked == ["client.example"] * 2
    assert doors.knocks == ["127.0.0.2"]


@pytest.mark.req(77)
async def test_the_address_changes_nothing_about_who_the_far_end_must_be(
    tmp_path: Path, monotonic: FakeMonotonic, events: list
):
    """SNI, certificate and Host stay the name's."""
    async with Publisher.running(tmp_path, "client.example", address="127.0.0.2") as publisher:
        publisher.answers["/a"] = answer({"right": True})
        guard = Guard(Names(["127.0.0.2"]), allows=lambda address: address == "127.0.0.2")
        route = Route("client", publisher.ca)
        async with open_http(events.append, monotonic, total_seconds=1.0, connector=guard.connector) as http:

            async def get(host: str) -> bytes:
                request = document_request(publisher.url("/a", host))
                return await http.call(
                    request, lambda found: found.body, route=route, operation="client_document", limit=99
                )

            assert await get("client.example") == b'{"right": true}'
            assert f"host: client.example:{publisher.port}\r\n".encode() in publisher.heads[0].lower()
            with pytest.raises(UpstreamUnavailable):
                await get("other.example")
        assert len(publisher.heads) == 1


@pytest.mark.req(77)
async def test_an_address_that_no_resolver_saw_is_looked_at_before_the_connection(doors: Doors):
    """The last line of defence, by itself: the HTTP library looks no literal up."""
    connector = Guard(Names([_PUBLIC])).connector(True)
    async with aiohttp.ClientSession(connector=connector) as session:
        for host in ("127.0.0.1", "127.0.0.2"):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"http://{host}:{doors.port}/")
    assert doors.knocks == []


async def test_a_name_without_addresses_may_have_some_another_time(opening):
    async with opening(guard=Guard(Names([]))) as documents:
        with pytest.raises(UpstreamUnavailable):
            await documents.document("https://client.example/client.json")


async def test_names_are_looked_up_on_threads_of_their_own():
    lookup = Lookup()
    found = await lookup.resolve("localhost", 443, socket.AF_INET)
    assert [(each["host"], each["port"]) for each in found] == [("127.0.0.1", 443)]
    with pytest.raises(OSError, match=r".+"):
        await lookup.resolve("name.invalid", 443)
    await lookup.close()


class TestInternalHosts:
    """An operator's own clients: exactly the names that are listed."""

    @pytest.fixture
    async def publisher(self, tmp_path: Path) -> AsyncIterator[Publisher]:
        async with Publisher.running(tmp_path) as publisher:
            yield publisher

    @pytest.mark.parametrize("internal", [{"localhost"}, set(), {"host"}, {"local"}, {"client.localhost"}])
    async def test_only_listed_names_may_be_private(self, opening, publisher: Publisher, internal: set[str]):
        async with opening(internal_hosts=frozenset(internal), ca=publisher.ca) as documents:
            url = publisher.publish()
            if internal == {"localhost"}:
                assert (await documents.document(url)).url == url
            else:
                await refused(documents, url)
                assert publisher.connections == 0

    async def test_the_private_ca_is_needed(self, opening, publisher: Publisher):
        async with opening(internal_hosts=frozenset({"localhost"})) as documents:
            with pytest.raises(UpstreamUnavailable):
                await documents.document(publisher.publish())
        assert publisher.asked == []

    async def test_the_private_ca_speaks_for_no_other_name(self, opening, tmp_path: Path):
        async with Publisher.running(tmp_path, "client.example") as publisher:
            guard = Guard(Names(["127.0.0.1"]), allows=lambda _: True, ports=frozenset({publisher.port}))
            async with opening(internal_hosts=frozenset({"localhost"}), ca=publisher.ca, guard=guard) as documents:
                with pytest.raises(UpstreamUnavailable):
                    await documents.document(publisher.url(host="client.example"))
            assert publisher.asked == []

    async def test_a_strangers_document_cannot_point_at_them(self, opening, publisher: Publisher):
        """Its `jwks_uri` would choose what we ask of the operator's own host."""
        publisher.answers["/jwks.json"] = answer({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]})
        keys = publisher.url("/jwks.json")
        async with opening(internal_hosts=frozenset({"localhost"}), ca=publisher.ca) as documents:
            for host, given in (("https://localhost/a", True), ("https://client.example/a", False)):
                document = ClientDocument(url=host, name="x", redirect_uris=(), jwks_uri=keys)
                if given:
                    assert await documents.keys(document)
                else:
                    with pytest.raises(UpstreamMalformed):
                        await documents.keys(document)

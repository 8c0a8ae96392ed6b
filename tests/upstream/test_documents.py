"""Documents that MCP servers and providers publish: read, judged, kept; never an exception."""

import asyncio

import pytest

from sidecar.directory import Server
from sidecar.upstream.client import Opened
from sidecar.upstream.documents import DocumentReader
from tests.fakes.idp import FakeIdp, Fault
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.servers import Origin, RawServer

PRM = "/.well-known/oauth-protected-resource"
AS = "/.well-known/oauth-authorization-server"


@pytest.fixture
def documents(opened: Opened) -> DocumentReader:
    return opened.documents


def server(origin: Origin | RawServer, path: str = "/mcp") -> Server:
    return Server(
        name="notes",
        resource=f"https://mcp.example.com{path}",
        origin=origin.url.rstrip("/"),
        issuer="https://mcp.example.com",
        pool="corp",
    )


async def test_the_servers_own_document_is_read_at_its_path_first(documents: DocumentReader, origin: Origin):
    """RFC 9728 3.1."""
    origin.documents = {f"{PRM}/mcp": {"resource": "http://notes:3000/mcp", "resource_name": "Notes"}, PRM: {}}
    found = await documents.origin_resource_metadata(server(origin))
    assert found is not None
    assert found["resource_name"] == "Notes"
    assert origin.asked == [f"{PRM}/mcp"]


@pytest.mark.parametrize(
    ("resource", "accepted"),
    [
        pytest.param("http://notes:3000/mcp", True, id="this-path"),
        pytest.param("http://notes:3000/mcp/", True, id="this-path-with-slash"),
        pytest.param("http://notes:3000", True, id="the-host"),
        pytest.param("http://notes:3000/other", False, id="a-neighbour"),
        pytest.param("http://[", False, id="no-url"),
        pytest.param(None, False, id="null"),
    ],
)
async def test_the_roots_document_counts_only_when_it_speaks_of_this_server(
    documents: DocumentReader, origin: Origin, resource, accepted
):
    origin.documents = {PRM: {"resource": resource}}
    assert (await documents.origin_resource_metadata(server(origin)) is not None) is accepted
    assert origin.asked == [f"{PRM}/mcp", PRM]


async def test_a_server_at_the_root_is_asked_once(documents: DocumentReader, origin: Origin):
    assert await documents.origin_resource_metadata(server(origin, path="")) is None
    assert origin.asked == [PRM]


@pytest.mark.parametrize(
    ("issuer", "accepted"),
    [
        pytest.param("https://mcp.example.com", True, id="the-resources-origin"),
        pytest.param("https://mcp.example.com:443/tenant", True, id="with-port-and-path"),
        pytest.param("ORIGIN", True, id="its-own-origin"),
        pytest.param("https://idp.example.com", False, id="somebody-else"),
        pytest.param("http://mcp.example.com", False, id="another-scheme"),
        pytest.param("https://mcp.example.com.evil.example", False, id="prefix"),
        pytest.param(None, False, id="none"),
        pytest.param("https://[", False, id="no-url"),
    ],
)
async def test_a_servers_authorization_metadata_counts_only_when_it_names_itself(
    documents: DocumentReader, origin: Origin, issuer, accepted
):
    """RFC 8414 3.3."""
    origin.documents = {AS: {"issuer": origin.url if issuer == "ORIGIN" else issuer}}
    assert (await documents.origin_server_metadata(server(origin)) is not None) is accepted


@pytest.mark.req(36)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", id="redirect"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{", id="large"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", id="html"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", id="list"),
        pytest.param(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", id="500"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_what_cannot_be_believed_is_none(documents: DocumentReader, raw: RawServer, answer: bytes):
    raw.answer = answer
    assert await documents.origin_resource_metadata(server(raw)) is None
    assert await documents.origin_server_metadata(server(raw)) is None


async def test_documents_are_kept_for_a_minute_and_the_last_good_one_longer(
    documents: DocumentReader, origin: Origin, monotonic: FakeMonotonic
):
    path = f"{PRM}/mcp"
    origin.documents = {path: {"v": 1}}
    assert await documents.origin_resource_metadata(server(origin)) == {"v": 1}
    origin.documents = {path: {"v": 2}}
    assert await documents.origin_resource_metadata(server(origin)) == {"v": 1}
    monotonic.advance(60)
    assert await documents.origin_resource_metadata(server(origin)) == {"v": 2}
    monotonic.advance(60)
    origin.status = 503
    assert await documents.origin_resource_metadata(server(origin)) == {"v": 2}


async def test_a_failure_is_remembered_for_five_seconds(
    documents: DocumentReader, origin: Origin, monotonic: FakeMonotonic
):
    origin.status = 503
    for _ in range(3):
        assert await documents.origin_resource_metadata(server(origin)) is None
    assert len(origin.asked) == 1

    origin.status, origin.documents = 0, {f"{PRM}/mcp": {"v": 1}}
    monotonic.advance(5)
    assert await documents.origin_resource_metadata(server(origin)) == {"v": 1}


async def test_many_readers_make_one_request(documents: DocumentReader, origin: Origin):
    origin.documents = {f"{PRM}/mcp": {"v": 1}}
    found = await asyncio.gather(*(documents.origin_resource_metadata(server(origin)) for _ in range(20)))
    assert found == [{"v": 1}] * 20
    assert len(origin.asked) == 1


@pytest.mark.req(35)
async def test_provider_metadata_shares_discovery_and_survives_the_provider(
    opened: Opened, idp: FakeIdp, monotonic: FakeMonotonic
):
    await opened.upstream.authorization_url(idp.pool(), redirect_uri="r", state="s", nonce="n", challenge="c")
    found = await opened.documents.provider_metadata(idp.pool())
    assert found is not None
    assert found["issuer"] == idp.issuer
    assert len(idp.seen("discovery")) == 1

    await idp.stop()
    monotonic.advance(86400)
    assert await opened.documents.provider_metadata(idp.pool()) == found


async def test_a_provider_without_a_document_has_none(documents: DocumentReader, idp: FakeIdp):
    assert await documents.provider_metadata(idp.pool(provider="github", issuer="")) is None
    assert await documents.provider_metadata(idp.pool(provider="nobody")) is None
    idp.fail("discovery", Fault(200, {"issuer": "https://evil.example"}))
    assert await documents.provider_metadata(idp.pool()) is None

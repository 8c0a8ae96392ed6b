"""Names that lead to private hosts: a public server's metadata is a stranger's word, and so is what a name means."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from socket import AF_INET

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from sidecar.probe.exchange import Purpose
from sidecar.probe.fetch import Fetcher
from sidecar.probe.inside import LeadsInside, Outside

SERVER = "http://mcp.example.com/mcp"


@dataclass
class Names(AbstractResolver):
    """What each name means."""

    means: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host, port=0, family=AF_INET):
        self.asked.append(host)
        return [{"hostname": host, "host": self.means[host], "port": port, "family": AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


@dataclass
class Neighbour:
    """Something on this machine that nobody outside should reach."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.json_response({})


@pytest.fixture
async def inside() -> AsyncIterator[Neighbour]:
    neighbour, app = Neighbour(), web.Application()
    app.router.add_route("*", "/{path:.*}", neighbour.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        neighbour.port = server.port or 0
        yield neighbour


async def fetched(inside: Neighbour, own: str, host: str) -> tuple[str, str, int]:
    """Failure, detail and status of a document at `host`, after the server's own name has been seen to mean `own`."""
    names = Names({"mcp.example.com": own, "login.example.com": "127.0.0.1", "127.1": "127.0.0.1"})
    resolver = Outside(SERVER, names)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as session:
        await resolver.resolve("mcp.example.com", 80)
        fetcher = Fetcher(session, SERVER, {}, lambda: 0.0, 5.0)
        answer = await fetcher.get(Purpose.SERVER, f"http://{host}:{inside.port}/x")
    return answer.failure, answer.detail, answer.status


@pytest.mark.parametrize("host", ["login.example.com", "127.1"])
async def test_a_name_that_means_a_private_address_is_not_asked(inside: Neighbour, host: str) -> None:
    failure, detail, _ = await fetched(inside, "8.8.8.8", host)
    assert (failure, detail) == ("withheld", "a private host, while the MCP server is public")
    assert inside.asked == []


async def test_a_private_server_may_name_its_neighbours(inside: Neighbour) -> None:
    """Its own name says so: an intranet has names that look like those of the internet."""
    assert await fetched(inside, "10.0.0.7", "login.example.com") == ("", "", 200)


async def test_a_server_that_moves_inside_takes_nobody_with_it() -> None:
    """One name, public when it was first asked for, private a moment later."""
    names = Names({"mcp.example.com": "8.8.8.8", "login.example.com": "127.0.0.1"})
    resolver = Outside(SERVER, names)
    await resolver.resolve("mcp.example.com", 80)
    names.means = {**names.means, "mcp.example.com": "127.0.0.1"}
    for host in ("mcp.example.com", "login.example.com"):
        with pytest.raises(LeadsInside):
            await resolver.resolve(host, 80)

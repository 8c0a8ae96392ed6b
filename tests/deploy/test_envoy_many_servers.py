"""Relayed servers beside ours on one host, nested as badly as can be: nobody's documents come from somebody else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.directory import Directory, Issuer, Server
from tests.fakes.edge import Backend, Edge, origin_answer, running_edge

URL = "https://mcp.example.com"
PRM = "/.well-known/oauth-protected-resource"
AS = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


@pytest.fixture
async def nested() -> AsyncIterator[Edge]:
    """Relayed: the whole host, /a and /a/b/c/d. Ours: /mcp of the root's issuer and /a/b/c of /a/b's."""
    async with Backend(origin_answer).running() as backend:
        origin = f"http://127.0.0.1:{backend.port}"

        def server(name: str, path: str, issuer: str = "", pool: str = "") -> Server:
            relay: dict[str, Any] = {} if pool else {"without_pool": "relay"}
            return Server(name, URL + path, origin, URL + issuer, pool, **relay)

        served = Directory(
            (
                server("all", ""),
                server("a", "/a"),
                server("d", "/a/b/c/d"),
                server("mcp", "/mcp", "", "corp"),
                server("c", "/a/b/c", "/a/b", "corp"),
            ),
            (Issuer(URL, "corp"), Issuer(f"{URL}/a/b", "corp")),
        )
        async with running_edge(directory=served) as edge:
            yield edge


@pytest.mark.parametrize(
    ("whose", "paths"),
    [
        pytest.param("oauth", [f"{PRM}/mcp", f"{PRM}/mcp/", f"{PRM}/mcp/x", f"{PRM}/a/b/c"], id="our-servers"),
        pytest.param("oauth", [AS, OPENID, f"{AS}/", f"{AS}/a/b", f"{OPENID}/a/b"], id="our-issuers"),
        pytest.param("oauth", ["/token", "/a/b/token", "/register/x", "/a/b/register/x"], id="our-endpoints"),
        pytest.param("origin", [PRM, f"{PRM}/a", f"{PRM}/a/x", f"{PRM}/a/b/c/d", f"{PRM}/x"], id="relayed-servers"),
        pytest.param("origin", [f"{AS}/a", f"{AS}/a/b/c/d", f"{OPENID}/a"], id="relayed-issuers"),
        pytest.param("origin", ["/a", "/a/b/cd", "/a/b/c/d/e", "/mcpx", "/"], id="relayed-traffic"),
    ],
)
async def test_everybody_speaks_for_itself_alone(nested: Edge, whose: str, paths: list[str]) -> None:
    for path in paths:
        async with nested.request("GET", path) as answer:
            assert ((await answer.json())["from"], path) == (whose, path)
    assert nested.check.seen == []


async def test_what_is_ours_is_checked(nested: Edge) -> None:
    for path in ("/mcp", "/mcp/x", "/a/b/c", "/a/b/c/x", "/a/b/c?d"):
        async with nested.request("GET", path) as answer:
            assert answer.status == 401
    assert len(nested.check.seen) == 5

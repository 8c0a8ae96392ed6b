"""What servers and issuers of one host may not do to each other."""

import pytest

HOST = "https://mcp.example.com"


def add(world, resource: str, *, issuer: str = HOST, pool: str = "corp", **more: object) -> None:
    world.add_server(name=f"s{len(world.tree['servers'])}", resource=HOST + resource, issuer=issuer, pool=pool, **more)


@pytest.fixture
def hosted(world):
    """/mcp with the root as its issuer, and /notes/mcp with /notes over another pool."""
    world.add_pool()
    add(world, "/notes/mcp", issuer=f"{HOST}/notes", pool="other")
    return world


def test_issuers_and_servers_of_a_host_stand_side_by_side(hosted):
    add(hosted, "/files/mcp", issuer=f"{HOST}/files")
    add(hosted, "/mcp/below")
    add(hosted, "")
    found = hosted.load().directory
    assert [issuer.url for issuer in found.issuers] == [HOST, f"{HOST}/notes", f"{HOST}/files"]
    assert len(found.servers) == 5


@pytest.mark.parametrize("relay", [pytest.param({}, id="ours"), pytest.param({"pool": ""}, id="relayed")])
def test_a_server_may_not_hold_the_endpoints_of_a_neighbours_issuer(hosted, relay):
    """Not only those of its own: /notes/authorize would be a path of this server."""
    add(hosted, "/notes", **({**relay, "without_pool": "relay"} if relay else {}))
    assert "servers[s2].resource: our endpoints would lie inside it; give the server or the issuer another path" in (
        hosted.refusals()
    )


@pytest.mark.parametrize("path", ["/register", "/register/x", "/notes/token", "/callback"])
def test_an_issuer_may_not_live_at_anothers_endpoint(hosted, path):
    hosted.add_pool(name="third", id="third-1")
    add(hosted, "/elsewhere/mcp", issuer=HOST + path, pool="third")
    assert hosted.refusals() == [f"servers.issuer: {HOST + path} is an endpoint of another issuer; choose another"]


def test_another_host_is_no_neighbour(hosted):
    hosted.add_server(name="far", resource="https://two.example.com/notes", issuer="https://two.example.com")
    assert hosted.load().directory.server("far") is not None

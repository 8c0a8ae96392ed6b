"""A code becomes tokens once, for whoever proves to be its client (RFC 6749 4.1.3, RFC 7636 4.6; design 12.1, 12.2)."""

import asyncio
from dataclasses import replace

import pytest

from sidecar.events import GrantEnded
from sidecar.oauth.errors import InvalidGrant, InvalidTarget, InvalidToken
from sidecar.records import UpstreamTokens
from tests.grants.world import SERVER, World


@pytest.mark.req(122, 127, 144)
async def test_a_code_becomes_tokens_that_open_the_mcp_server(world: World) -> None:
    """The access token stands for the upstream token, at its own server."""
    grant, code = await world.sign_in()
    answer = await world.redeem(code)
    principal = await world.call(answer.access_token)
    assert principal.upstream_token == "up-1"
    assert principal.grant.id == grant.id
    assert answer.document(world.clock()) == {
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "notes.read notes.write",
    }


@pytest.mark.req(140)
async def test_a_code_used_again_at_once_is_a_double_submit_and_harms_nobody(world: World) -> None:
    """Design 12.1: a loser within one second gets invalid_grant and nothing else happens."""
    _, code = await world.sign_in()
    answer = await world.redeem(code)
    with pytest.raises(InvalidGrant):
        await world.redeem(code)
    await world.call(answer.access_token)


@pytest.mark.req(140)
async def test_a_code_used_again_later_ends_the_grant(world: World) -> None:
    """RFC 6749 4.1.2: the tokens of the first exchange stop working."""
    world = replace(world, lifetimes=replace(world.lifetimes, double_submit=-1))
    _, code = await world.sign_in()
    answer = await world.redeem(code)
    with pytest.raises(InvalidGrant):
        await world.redeem(code)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    assert [event.reason for event in world.events if isinstance(event, GrantEnded)] == ["code_replayed"]


@pytest.mark.req(139, 141, 142)
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"client": "client-b"}, InvalidGrant, id="another client"),
        pytest.param({"redirect_uri": "http://127.0.0.1:5000/other"}, InvalidGrant, id="another redirect URI"),
        pytest.param({"resource": "https://mcp.example.com/other"}, InvalidTarget, id="another resource"),
        pytest.param({"verifier": "w" * 43}, InvalidGrant, id="another verifier"),
    ],
)
async def test_a_wrong_caller_does_not_burn_the_code(
    world: World, change: dict[str, str], error: type[Exception]
) -> None:
    """Design 12.2: the right client still gets its tokens afterwards."""
    _, code = await world.sign_in()
    client = world.client(change.pop("client")) if "client" in change else None
    with pytest.raises(error):
        await world.redeem(code, client, **change)  # type: ignore[arg-type]
    await world.redeem(code)


@pytest.mark.req(137)
async def test_the_third_wrong_verifier_burns_the_code(world: World) -> None:
    """Guessing ends after three tries."""
    _, code = await world.sign_in()
    for _ in range(3):
        with pytest.raises(InvalidGrant):
            await world.redeem(code, verifier="w" * 43)
    with pytest.raises(InvalidGrant):
        await world.redeem(code)


@pytest.mark.req(139, 142, 143)
@pytest.mark.parametrize("resource", [None, SERVER.resource, SERVER.resource + "/", "HTTPS://MCP.example.com/mcp"])
async def test_an_absent_redirect_uri_and_an_equal_resource_are_accepted(world: World, resource: str | None) -> None:
    """OAuth 2.1 clients send no redirect_uri; VS Code sends no resource; the Python SDK adds a slash."""
    _, code = await world.sign_in()
    await world.redeem(code, redirect_uri=None, resource=resource)


@pytest.mark.req(196)
async def test_of_fifty_parallel_redemptions_one_succeeds(world: World) -> None:
    """One grant, one set of tokens, and the winner keeps it."""
    _, code = await world.sign_in()
    results = await asyncio.gather(*(world.redeem(code) for _ in range(50)), return_exceptions=True)
    winners = [result for result in results if not isinstance(result, BaseException)]
    assert len(winners) == 1
    assert all(isinstance(result, InvalidGrant) for result in results if isinstance(result, BaseException))
    await world.call(winners[0].access_token)


@pytest.mark.req(146)
async def test_no_refresh_token_for_a_client_that_did_not_register_it(world: World) -> None:
    answer = await world.tokens(world.client(refresh=False))
    assert "refresh_token" not in answer.document(world.clock())


async def test_a_grant_ends_with_an_upstream_token_that_cannot_be_renewed(world: World) -> None:
    """Design 9: then there is nothing a refresh token could be for."""
    answer = await world.tokens(upstream=UpstreamTokens("up", expires_at=world.clock() + 600))
    assert answer.document(world.clock())["expires_in"] == 600
    assert answer.refresh_token == ""
    world.clock.advance(600)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)


async def test_an_upstream_token_without_end_can_be_kept_by_refreshing_ours(world: World) -> None:
    """GitHub OAuth Apps: no expiry and no refresh token; the grant lives its own life."""
    answer = await world.tokens(upstream=UpstreamTokens("up"))
    world.clock.advance(3600 + world.lifetimes.leeway)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)
    renewed = await world.refresh(answer.refresh_token)
    assert (await world.call(renewed.access_token)).upstream_token == "up"


@pytest.mark.parametrize("code", ["", "x", "dcrc_" + "A" * 96, "dcra_" + "A" * 96])
async def test_what_is_not_our_code_is_invalid_grant(world: World, code: str) -> None:
    with pytest.raises(InvalidGrant):
        await world.redeem(code)


@pytest.mark.req(138)
@pytest.mark.parametrize("verifier", ["v" * 43, "w" * 43])
async def test_a_code_without_a_challenge_opens_for_no_verifier(world: World, verifier: str) -> None:
    """PKCE downgrade: /authorize never makes such a code, and if one existed it would be worth nothing."""
    _, code = await world.sign_in(challenge="")
    with pytest.raises(InvalidGrant):
        await world.redeem(code, verifier=verifier)

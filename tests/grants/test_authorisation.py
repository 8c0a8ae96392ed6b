"""Whom a token lets through, and to where (RFC 6750, RFC 8707; threats TK-11, EX-12, RD-06)."""

from dataclasses import replace

import pytest

from sidecar.oauth.errors import InsufficientScope, InvalidToken
from sidecar.sealing import SealError
from tests.grants.world import POOL, SERVER, UPSTREAM, World


@pytest.mark.req(170)
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(replace(SERVER, name="other", resource="https://mcp.example.com/other"), id="another server"),
        pytest.param(replace(SERVER, resource="https://mcp.example.com/mcp2"), id="another resource"),
        pytest.param(replace(SERVER, issuer="https://other.example.com"), id="another issuer"),
    ],
)
async def test_a_token_is_useless_anywhere_but_at_its_server(world: World, server: object) -> None:
    answer = await world.tokens()
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token, server)  # type: ignore[arg-type]


async def test_a_pool_with_a_new_id_ends_the_tokens_of_the_old(world: World) -> None:
    answer = await world.tokens()
    with pytest.raises(InvalidToken):
        await world.authorisation.authorise(SERVER, replace(POOL, id="corp-2"), answer.access_token)


@pytest.mark.req(170)
async def test_expired_tokens_are_invalid(world: World) -> None:
    answer = await world.tokens()
    world.clock.advance(3600 + world.lifetimes.leeway - 1)
    await world.call(answer.access_token)
    world.clock.advance(1)
    with pytest.raises(InvalidToken):
        await world.call(answer.access_token)


@pytest.mark.req(174)
async def test_a_token_without_the_base_scopes_is_insufficient(world: World) -> None:
    answer = await world.tokens()
    narrowed = await world.refresh(answer.refresh_token, scopes=("notes.write",))
    with pytest.raises(InsufficientScope):
        await world.call(narrowed.access_token)


@pytest.mark.req(170, 171)
@pytest.mark.parametrize("text", ["", "up-1", "eyJhbGciOiJub25lIn0.e30.", "dcra_", "dcra_" + "A" * 96, "\u00e9" * 101])
async def test_what_we_did_not_mint_is_invalid(world: World, text: str) -> None:
    await world.tokens()
    with pytest.raises(InvalidToken):
        await world.call(text)


async def test_codes_and_refresh_tokens_open_nothing(world: World) -> None:
    _, code = await world.sign_in()
    answer = await world.redeem(code)
    for text in (code, answer.refresh_token, "dcra_" + answer.refresh_token.removeprefix("dcrr_")):
        with pytest.raises(InvalidToken):
            await world.call(text)


@pytest.mark.req(164)
async def test_revoking_the_refresh_token_ends_every_access_token(world: World) -> None:
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    await world.revoke(second.refresh_token)
    for token in (first.access_token, second.access_token):
        with pytest.raises(InvalidToken):
            await world.call(token)


@pytest.mark.req(164)
async def test_revoking_an_access_token_ends_that_one(world: World) -> None:
    first = await world.tokens()
    second = await world.refresh(first.refresh_token)
    await world.revoke(first.access_token)
    with pytest.raises(InvalidToken):
        await world.call(first.access_token)
    await world.call(second.access_token)


@pytest.mark.req(162, 163)
async def test_a_foreign_or_unknown_token_is_left_alone(world: World) -> None:
    answer = await world.tokens()
    for text in (answer.refresh_token, answer.access_token):
        await world.revoke(text, world.client("client-b"))
    await world.revoke("junk")
    await world.call(answer.access_token)


@pytest.mark.req(166)
async def test_the_idp_is_told_only_where_the_preset_says_so(world: World) -> None:
    """Design 12.8: at some providers revoking one token ends all sign-ins of that user."""
    await world.revoke((await world.tokens()).refresh_token)
    assert world.upstream.revoked == []
    world.upstream.revocation = True
    await world.revoke((await world.tokens()).refresh_token)
    assert world.upstream.revoked == [UPSTREAM]


async def test_sealed_tokens_moved_to_another_users_grant_do_not_open(world: World) -> None:
    """RD-06: associated data binds them to grant, client, user and resource."""
    from sidecar.grants import vault

    one, _ = await world.sign_in()
    two, _ = await world.sign_in(world.client("client-b"))
    key = bytes(range(32))
    sealed = vault.seal(key, one, 1, UPSTREAM, world.entropy)
    assert vault.unseal(key, one, sealed) == UPSTREAM
    with pytest.raises(SealError):
        vault.unseal(key, two, sealed)
    with pytest.raises(SealError):
        vault.unseal(key, one, replace(sealed, serial=2))


@pytest.mark.req(175)
async def test_a_broad_scope_stands_for_the_narrow_ones_that_it_implies(world: World) -> None:
    """Through several steps; and what implies nothing implies nothing."""
    server = replace(
        SERVER,
        optional_scopes=("notes.write", "notes.admin"),
        implied_scopes=(("notes.admin", ("notes.write",)), ("notes.write", ("notes.read",))),
    )
    _, code = await world.sign_in(server=server)
    answer = await world.redeem(code)
    for scope in ("notes.admin", "notes.write"):
        answer = await world.refresh(answer.refresh_token, scopes=(scope,))
        await world.call(answer.access_token, server)
    with pytest.raises(InsufficientScope):
        await world.call(answer.access_token, SERVER)


@pytest.mark.req(195)
@pytest.mark.parametrize("skew", [-60, 60])
async def test_replicas_whose_clocks_differ_by_a_minute_serve_one_session(world: World, skew: int) -> None:
    """Signed in on one, redeemed and used on the other; the code's life is judged by the store's time."""
    other = world.replica()
    other.clock = type(world.clock)(world.clock.now + skew)
    other.__post_init__()
    _, code = await world.sign_in()
    answer = await other.redeem(code)
    await world.call(answer.access_token)
    await other.call(answer.access_token)
    await world.refresh(answer.refresh_token)
    await other.refresh(answer.refresh_token)

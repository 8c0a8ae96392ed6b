"""Every preset through the whole journey, against a provider that behaves as its file in `providers` says."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from sidecar.admission import admits
from sidecar.directory import AllowRule
from sidecar.records import Identity, UpstreamTokens
from sidecar.upstream.base import UpstreamRefused, UpstreamUnknown
from sidecar.upstream.provider import document_urls
from sidecar.upstream.quirks import PRESETS, preset, uses_id_token
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp, Fault, s256
from tests.fakes.manners import FOLDER, acting_as, pool_at
from tests.upstream.driver import NONCE, REDIRECT, VERIFIER, Driver

NAMES = sorted(PRESETS)
FILES = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
REFRESHING = [name for name, told in FILES.items() if told["refresh_style"] != "none"]


@pytest.fixture
async def acting(name: str, clock: FakeClock) -> AsyncIterator[FakeIdp]:
    async with acting_as(name, clock=clock) as idp:
        yield idp


def told(idp: FakeIdp) -> dict:
    return dict(idp.manner.told)


def test_every_preset_has_its_file_and_no_file_is_left_over():
    assert set(FILES) == set(PRESETS)


@pytest.mark.req(113, 114)
@pytest.mark.parametrize("name", NAMES)
async def test_the_authorization_request(acting: FakeIdp, driver: Driver):
    """Exactly these parameters, at the provider's own endpoint; the resource of a client is never among them."""
    pool = pool_at(acting)
    url = await driver.authorization_url(pool)

    expected = {"response_type": "code", "client_id": acting.client_id, "redirect_uri": REDIRECT, "state": "state-1"}
    expected |= {"nonce": NONCE} if uses_id_token(pool) else {}
    if told(acting).get("pkce", True):
        expected |= {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}
    assert dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) == expected | told(acting)["authorize"]
    assert "+" not in urlsplit(url).query
    assert url.partition("?")[0] == acting.at("authorize")
    asked = [acting.url + seen.path for seen in acting.seen("discovery")]
    assert asked == list(document_urls(pool, preset(pool.provider))[:1] if "issuer" in told(acting) else [])


@pytest.mark.parametrize("name", NAMES)
async def test_the_code_exchange(acting: FakeIdp, driver: Driver):
    """Exactly these members, in the form and with the authentication that the provider wants."""
    await driver.sign_in(pool_at(acting))

    (seen,) = acting.seen("token")
    assert seen.form == {
        "grant_type": "authorization_code",
        "code": seen.form["code"],
        "redirect_uri": REDIRECT,
        **({"code_verifier": VERIFIER} if told(acting).get("pkce", True) else {}),
        **_credentials(acting),
        **told(acting).get("token_form", {}),
    }
    assert ("Authorization" in seen.headers) == (told(acting)["auth"] == "client_secret_basic")
    assert acting.url + seen.path == acting.at("token")


@pytest.mark.parametrize("name", NAMES)
async def test_who_signed_in_and_what_they_brought(acting: FakeIdp, driver: Driver, clock: FakeClock):
    done = await driver.sign_in(pool_at(acting))

    expected, session = told(acting), acting.sessions[0]
    assert _facts(done.identity) == expected["identity"]
    assert done.tokens == UpstreamTokens(
        access_token=session.access_tokens[0],
        refresh_token=session.refresh_token if expected["refresh_style"] != "none" else "",
        expires_at=clock() + expected["lifetime"] if expected["lifetime"] else 0,
        scopes=tuple(expected["scopes"]),
    )


@pytest.mark.parametrize("name", REFRESHING)
async def test_a_refresh(acting: FakeIdp, driver: Driver, clock: FakeClock):
    """What the provider sends anew is taken, what it does not send is kept; whoever is named is the same user."""
    first = await driver.sign_in(pool_at(acting))
    renewed = await driver.upstream.refresh(pool_at(acting), first.tokens.refresh_token)

    expected, session = told(acting), acting.sessions[0]
    endpoint = "refresh" if "refresh" in expected.get("paths", {}) else "token"
    assert acting.seen(endpoint)[-1].form == {
        "grant_type": "refresh_token",
        "refresh_token": first.tokens.refresh_token,
        **_credentials(acting),
        **expected.get("token_form", {}),
    }
    assert renewed.tokens.access_token == session.access_tokens[1]
    assert renewed.tokens.refresh_token == session.refresh_token
    assert (renewed.tokens.refresh_token != first.tokens.refresh_token) == (expected["refresh_style"] == "rotating")
    assert renewed.tokens.expires_at == (clock() + expected["lifetime"] if expected["lifetime"] else 0)
    assert renewed.identity in {None, first.identity}
    assert renewed.tokens.scopes == first.tokens.scopes


@pytest.mark.req(117, 136)
@pytest.mark.parametrize("name", NAMES)
async def test_a_dead_token_is_a_definitive_refusal(acting: FakeIdp, driver: Driver):
    """In the provider's own words, whatever status they come with."""
    pool = pool_at(acting)
    if told(acting)["refresh_style"] == "none":
        with pytest.raises(UpstreamRefused):
            await driver.finish(pool, code="never-given", iss=None)
        return
    tokens = (await driver.sign_in(pool)).tokens
    acting.end_sessions()
    with pytest.raises(UpstreamRefused):
        await driver.upstream.refresh(pool, tokens.refresh_token)


@pytest.mark.parametrize("name", REFRESHING)
async def test_after_an_unknown_outcome(acting: FakeIdp, driver: Driver):
    """The provider did it and the answer was lost: the rule says whether the old token may be tried again."""
    pool = pool_at(acting)
    tokens = (await driver.sign_in(pool)).tokens
    endpoint = "refresh" if "refresh" in told(acting).get("paths", {}) else "token"
    acting.fail(endpoint, Fault(drop=True, applied=True))
    with pytest.raises(UpstreamUnknown):
        await driver.upstream.refresh(pool, tokens.refresh_token)
    assert driver.upstream.retries_unknown(pool) is told(acting)["retries_unknown"]


@pytest.mark.parametrize("name", NAMES)
async def test_revocation_ends_these_tokens_or_is_left_alone(acting: FakeIdp, driver: Driver):
    pool = pool_at(acting)
    tokens = (await driver.sign_in(pool)).tokens
    await driver.upstream.revoke(pool, tokens)

    expected = told(acting).get("revocation")
    assert driver.upstream.revokes(pool) is (expected is not None)
    if expected is None:
        assert acting.seen("revoke") == []
        return
    (seen,) = acting.seen("revoke")
    values = {"$access_token": tokens.access_token, "$refresh_token": tokens.refresh_token}
    form = {key: values.get(value, value) for key, value in expected["form"].items()}
    assert (seen.method, seen.form) == (
        expected["method"],
        form | (_credentials(acting) if seen.method == "POST" else {}),
    )
    assert acting.revoked == [next(iter(form.values()))]


async def test_all_who_can_sign_up_at_ones_own_issuer_can_be_let_in_by_naming_it(driver: Driver, clock: FakeClock):
    """As the README advises for products with open sign-up, where `allow` is demanded."""
    async with acting_as("auth0", clock=clock) as idp:
        done = await driver.sign_in(pool_at(idp))
        assert admits(AllowRule(claims=(("iss", idp.issuer),)), done.identity, done.claims)
        assert not admits(AllowRule(claims=(("iss", "https://other.auth0.com/"),)), done.identity, done.claims)


def _credentials(idp: FakeIdp) -> dict[str, str]:
    return {"client_id": idp.client_id, "client_secret": idp.client_secret} if _posts(idp) else {}


def _posts(idp: FakeIdp) -> bool:
    return told(idp)["auth"] == "client_secret_post"


def _facts(identity: Identity) -> dict[str, object]:
    return {name: getattr(identity, name) for name in ("subject", "name", "email", "email_verified")}

"""The demo IdP is a real OpenID provider in what it does, and has no Dynamic Client Registration."""

import base64
import hashlib
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from sidecar.demo.idp import Idp, RelyingParty
from sidecar.demo.idp_state import IdpState, SignedIn
from sidecar.demo.ports import listen, port_of
from sidecar.demo.serving import aiohttp_on
from tests.fakes.browser import Browser, Page
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PARTY = RelyingParty("sidecar", "s3cret", "http://localhost:8080/callback")
BASIC = {"Authorization": aiohttp.encode_basic_auth(PARTY.client_id, PARTY.client_secret)}
REQUEST = {
    "response_type": "code",
    "client_id": PARTY.client_id,
    "redirect_uri": PARTY.redirect_uri,
    "scope": "openid email offline_access",
    "state": "a b&c",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass
class Running:
    issuer: str
    session: aiohttp.ClientSession
    state: IdpState

    def authorize(self, **changed: str) -> str:
        return f"{self.issuer}/authorize?{urlencode({**REQUEST, **changed})}"

    async def sign_in(self, person: str = "alice") -> dict[str, str]:
        async with Browser(PARTY.redirect_uri) as browser:
            return answer(await browser.press(await browser.open(self.authorize()), person))

    async def token(self, headers: dict[str, str] | None = None, **form: str) -> tuple[int, dict[str, Any]]:
        async with self.session.post(f"{self.issuer}/token", data=form, headers=headers or BASIC) as response:
            return response.status, await response.json()

    async def redeem(self, code: str, **changed: str) -> tuple[int, dict[str, Any]]:
        form = {"code": code, "redirect_uri": PARTY.redirect_uri, "code_verifier": VERIFIER, **changed}
        return await self.token(grant_type="authorization_code", **form)


def answer(page: Page) -> dict[str, str]:
    assert page.outside, page.text
    return dict(parse_qsl(urlsplit(page.url).query))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "idp.json"


@pytest_asyncio.fixture
async def idp(file: Path, clock: FakeClock, entropy: SeededEntropy) -> AsyncIterator[Running]:
    listener = listen()
    issuer = f"http://127.0.0.1:{port_of(listener)}"
    state = IdpState(file, clock, entropy)
    async with (
        aiohttp_on(listener, Idp(issuer, PARTY, "api://demo", state).app()),
        aiohttp.ClientSession() as session,
    ):
        yield Running(issuer, session, state)


async def test_discovery_offers_no_registration(idp: Running) -> None:
    async with idp.session.get(f"{idp.issuer}/.well-known/openid-configuration") as response:
        document = await response.json()
    assert document["issuer"] == idp.issuer
    assert "registration_endpoint" not in document
    async with idp.session.post(f"{idp.issuer}/register", json={}) as response:
        assert response.status == 404


async def test_the_page_says_that_it_is_a_demonstration_and_sets_no_cookie(idp: Running) -> None:
    async with Browser() as browser:
        page = await browser.open(idp.authorize())
    assert page.status == 200
    assert "For demonstration only" in page.text
    assert "set-cookie" not in page.headers
    assert [button.value for button in page.forms[0].buttons] == ["alice", "bob", ""]


async def test_a_sign_in_gives_tokens_that_verify(idp: Running, clock: FakeClock) -> None:
    back = await idp.sign_in("bob")
    assert (back["state"], back["iss"]) == (REQUEST["state"], idp.issuer)
    status, tokens = await idp.redeem(back["code"])
    assert status == 200
    async with idp.session.get(f"{idp.issuer}/jwks") as response:
        document = await response.json()
    assert "d" not in document["keys"][0]
    keys = KeySet.import_key_set(document)
    identity = jwt.decode(tokens["id_token"], keys).claims
    assert (identity["sub"], identity["aud"], identity["nonce"]) == ("bob", PARTY.client_id, "n-1")
    assert identity["exp"] == clock.now + 3600
    access = jwt.decode(tokens["access_token"], keys)
    assert (access.header["typ"], access.claims["aud"], access.claims["sub"]) == ("at+jwt", "api://demo", "bob")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with idp.session.get(f"{idp.issuer}/userinfo", headers=bearer) as response:
        assert (await response.json())["email"] == "bob@example.com"


async def test_an_identity_token_is_no_access_token(idp: Running) -> None:
    _, tokens = await idp.redeem((await idp.sign_in())["code"])
    headers = {"Authorization": f"Bearer {tokens['id_token']}"}
    async with idp.session.get(f"{idp.issuer}/userinfo", headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"code_challenge": ""}, "invalid_request", id="no-pkce"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
    ],
)
async def test_a_bad_request_goes_back_with_an_error(idp: Running, changed: dict[str, str], error: str) -> None:
    async with Browser(PARTY.redirect_uri) as browser:
        assert answer(await browser.open(idp.authorize(**changed)))["error"] == error


async def test_cancel_is_access_denied(idp: Running) -> None:
    assert (await idp.sign_in("cancel"))["error"] == "access_denied"


@pytest.mark.parametrize("changed", [{"client_id": "other"}, {"redirect_uri": "http://localhost:8080/callback/"}])
async def test_a_stranger_is_not_redirected(idp: Running, changed: dict[str, str]) -> None:
    async with Browser() as browser:
        page = await browser.open(idp.authorize(**changed))
    assert (page.status, page.forms) == (400, [])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"code_verifier": "w" * 43}, id="wrong-verifier"),
        pytest.param({"redirect_uri": "http://localhost:8080/other"}, id="wrong-redirect"),
        pytest.param({"code": "x"}, id="unknown-code"),
    ],
)
async def test_a_code_needs_its_proofs(idp: Running, changed: dict[str, str]) -> None:
    code = (await idp.sign_in())["code"]
    status, body = await idp.redeem(**{"code": code, **changed})
    assert (status, body["error"]) == (400, "invalid_grant")


async def test_a_code_works_once_and_for_a_minute(idp: Running, clock: FakeClock) -> None:
    code = (await idp.sign_in())["code"]
    assert (await idp.redeem(code))[0] == 200
    assert (await idp.redeem(code))[1]["error"] == "invalid_grant"
    late = (await idp.sign_in())["code"]
    clock.advance(61)
    assert (await idp.redeem(late))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": aiohttp.encode_basic_auth(PARTY.client_id, "wrong")}, id="wrong-secret"),
        pytest.param({"Authorization": "Basic !"}, id="not-base64"),
        pytest.param({"X-Nothing": ""}, id="nothing"),
    ],
)
async def test_the_client_must_authenticate(idp: Running, headers: dict[str, str]) -> None:
    status, body = await idp.token(headers, grant_type="refresh_token", refresh_token="x")
    assert (status, body["error"]) == (401, "invalid_client")


async def test_refresh_rotates_and_revocation_ends_it(idp: Running) -> None:
    _, first = await idp.redeem((await idp.sign_in())["code"])
    status, second = await idp.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert status == 200
    assert second["access_token"] != first["access_token"]
    status, body = await idp.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (status, body["error"]) == (400, "invalid_grant")
    async with idp.session.post(
        f"{idp.issuer}/revoke", data={"token": second["refresh_token"]}, headers=BASIC
    ) as response:
        assert response.status == 200
    assert (await idp.token(grant_type="refresh_token", refresh_token=second["refresh_token"]))[0] == 400


async def test_a_restart_keeps_key_and_refresh_tokens(
    idp: Running, file: Path, clock: FakeClock, entropy: SeededEntropy
) -> None:
    _, tokens = await idp.redeem((await idp.sign_in())["code"])
    again = IdpState(file, clock, entropy)
    assert again.key.as_dict(private=True) == idp.state.key.as_dict(private=True)
    rotated = again.rotate(tokens["refresh_token"])
    assert rotated is not None
    assert rotated[0].login == "alice"


def test_the_file_is_private_and_holds_no_refresh_token(file: Path, clock: FakeClock, entropy: SeededEntropy) -> None:
    token = IdpState(file, clock, entropy).new_refresh(SignedIn("alice", "openid"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in file.read_text()

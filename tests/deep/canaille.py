"""Canaille: an identity provider of other people's making, as a process on loopback, in an environment of its own.

async with running_canaille(tmp_path, redirect_uri="http://localhost:8080/callback") as canaille:
    assert canaille.issuer

It knows PEOPLE, and one client: us.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from joserfc.jwk import KeySet, RSAKey

from sidecar.demo.children import child, tail
from tests.fakes.browser import Browser, Page
from tests.fakes.envoy import free_port

PROGRAM = Path(__file__).parents[2] / ".venv-canaille" / "bin" / "canaille"
PEOPLE = ("alice", "bob", "carol", "dave")
PASSWORD = "Fake-pass-of-all-1"
CLIENT_ID = "dcr-sidecar"
CLIENT_SECRET = "a+b%2Fc:d e&"  # what Basic gets wrong when it is not encoded (RFC 6749 2.3.1)
_SECONDS = 60
_COMMANDS = """
import json, sys
from canaille.commands import cli
for words in json.loads(sys.argv[1]):
    cli.main(words, standalone_mode=False)
"""


@dataclass(frozen=True)
class Canaille:
    issuer: str
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text()

    async def keys(self) -> KeySet:
        async with aiohttp.ClientSession() as session, session.get(f"{self.issuer}/oauth/jwks.json") as response:
            return KeySet.import_key_set(await response.json())

    async def userinfo(self, token: str) -> dict[str, Any] | None:
        """Whose token it is; None when Canaille does not, or no longer, take it."""
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.issuer}/oauth/userinfo") as response,
        ):
            if response.status == 401:
                return None
            answer: dict[str, Any] = await response.json()
            return answer

    async def command(self, *words: str) -> None:
        """Canaille's own, as its operators have it; it says the rest to a log beside Canaille's."""
        await _run(self.log.parent, "-".join(words[:2]), [[*words]])

    async def clients(self) -> list[dict[str, Any]]:
        """Who is registered there, as its own command tells."""
        listed = self.log.parent / "get-client.log"
        listed.unlink(missing_ok=True)
        await self.command("get", "client")
        found: list[dict[str, Any]] = json.loads(listed.read_text().splitlines()[-1])
        return found

    async def withdraw_consent(self, login: str) -> None:
        """The user takes back what was allowed, on Canaille's own page: it then ends the tokens of that client."""
        async with Browser() as browser:
            await sign_in(browser, await browser.open(f"{self.issuer}/login"), login)
            consents = await browser.open(f"{self.issuer}/consent/")
            revoke = re.search(r'href="(/consent/revoke/[^"]+)"', consents.text)
            assert revoke, consents.text
            done = await browser.open(self.issuer + revoke[1])
            assert "has been revoked" in done.text


def email(login: str) -> str:
    return f"{login}@example.test"


async def sign_in(browser: Browser, page: Page, login: str) -> list[Page]:
    """Who, then the password: the pages after each."""
    asked = await browser.press(page, "continue", login=login)
    return [asked, await browser.press(asked, "sign in", password=PASSWORD)]


@asynccontextmanager
async def running_canaille(
    folder: Path, *, redirect_uri: str = "", seconds: Mapping[str, int] | None = None
) -> AsyncIterator[Canaille]:
    """`seconds`: how long access tokens live, by the grant type that they came from.

    Without a `redirect_uri` there is no client: whoever wants to be one registers, which then everybody may.
    """
    if not PROGRAM.exists():
        raise RuntimeError("Canaille is not installed; `make test-deep` does that")
    port, log = free_port(), folder / "canaille.log"
    canaille = Canaille(f"http://127.0.0.1:{port}", log)
    (folder / "canaille.toml").write_text(_settings(folder, port, seconds or {}, open_=not redirect_uri))
    await _run(folder, "filled", [*_people(), *(_client(redirect_uri) if redirect_uri else ())])
    # No workers: Canaille then is one process, which the signal reaches.
    command = (str(PROGRAM), "run", "--bind", f"127.0.0.1:{port}", "--workers", "0")
    async with child(command, folder=folder, log=log) as process:
        await _answering(canaille, process)
        yield canaille


def _settings(folder: Path, port: int, seconds: Mapping[str, int], *, open_: bool) -> str:
    key = RSAKey.generate_key(2048, {"kid": "signing"}).as_dict(private=True)
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in key.items())
    lifetimes = "\n".join(f"{grant_type} = {value}" for grant_type, value in seconds.items())
    return f"""
SECRET_KEY = "fake-canaille-key"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE_OIDC]
REQUIRE_NONCE = true
DYNAMIC_CLIENT_REGISTRATION_OPEN = {json.dumps(open_)}
ACTIVE_JWKS = [{{ {members} }}]
[OAUTH2_TOKEN_EXPIRES_IN]
{lifetimes}
"""


def _people() -> list[list[str]]:
    return [["install"], *(["create", "user", *_options(_user(login))] for login in PEOPLE)]


def _client(redirect_uri: str) -> list[list[str]]:
    client = {
        "client-id": CLIENT_ID,
        "client-secret": CLIENT_SECRET,
        "client-name": "MCP sign-in",
        "redirect-uris": redirect_uri,
        "response-types": "code",
        "token-endpoint-auth-method": "client_secret_basic",
    }
    many = ["--grant-types=authorization_code", "--grant-types=refresh_token"]
    many += [f"--scope={scope}" for scope in ("openid", "profile", "email")]
    return [
        ["create", "client", *_options(client), *many],
        # As its web pages do; without it, the id_tokens would be for nobody.
        ["set", "client", CLIENT_ID, f"--audience={CLIENT_ID}"],
    ]


def _user(login: str) -> dict[str, str]:
    name = login.capitalize()
    return {
        "user-name": login,
        "password": PASSWORD,
        "emails": email(login),
        "formatted-name": f"{name} Example",
        "family-name": "Example",
    }


def _options(values: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


async def _run(folder: Path, name: str, commands: list[list[str]]) -> None:
    """Its commands one after the other, in one process: each would take seconds to begin."""
    log = folder / f"{name}.log"
    python = (str(PROGRAM.with_name("python")), "-c", _COMMANDS, json.dumps(commands))
    async with child(python, folder=folder, log=log) as process:
        assert await asyncio.wait_for(process.wait(), _SECONDS) == 0, tail(log)


async def _answering(canaille: Canaille, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_SECONDS), aiohttp.ClientSession() as session:
        while True:
            assert process.returncode is None, tail(canaille.log)
            try:
                async with session.get(f"{canaille.issuer}/.well-known/openid-configuration") as response:
                    assert response.status == 200, tail(canaille.log)
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)

"""Constant traffic that counts every request and notes each one that is lost: calls, streams, refreshes, sign-ins.

Nothing is tried twice: what a patient client would hide is what is looked for here.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from sidecar.oauth.pkce import s256
from tests.fakes.browser import Browser
from tests.flows.person import REDIRECT, Person

KINDS = ("call, kept connection", "call, own connection", "stream", "refresh", "sign-in")

_MODE = "2026-07-28"
"""MCP without sessions: any request may go anywhere."""
_PAUSE = 0.1
_TIMEOUT = aiohttp.ClientTimeout(10)
_OWN = {"authorization", "host", "content-length", "connection", "accept-encoding"}
_FINE = {200, 201, 202, 302, 303, 401}
"""401 only as the challenge with which each sign-in begins."""


@dataclass(frozen=True)
class Call:
    """A tool call as the official SDK sent it, and what its answer must hold."""

    headers: dict[str, str]
    body: bytes
    expected: str


@dataclass
class Traffic:
    url: str
    pause: float = 0.02
    """Seconds between what is done one after the other."""
    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/mcp")

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator["Traffic"]:
        """From a first sign-in on, until the block ends; then what is under way is finished."""
        alice = Person("alice")
        quick, slow = await self._samples(alice)
        token = _token(alice)
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(self._kept(quick, token))
            for _ in range(2):
                group.create_task(self._repeated("call, own connection", self._fresh, quick, token))
            for _ in range(2):
                group.create_task(self._repeated("stream", self._fresh, slow, token))
            for login in ("alice", "bob"):
                person = Person(login)
                await person.whoami(self.url)
                group.create_task(self._repeated("refresh", self._refreshed, person, quick))
            group.create_task(self._repeated("sign-in", self._signed_in))
            try:
                yield self
            finally:
                self._over.set()

    async def more(self, number: int) -> None:
        """Until so many more of each kind went well."""
        wanted = {kind: self.done[kind] + number for kind in KINDS}
        async with asyncio.timeout(30):
            while any(self.done[kind] < count for kind, count in wanted.items()):  # noqa: ASYNC110
                await asyncio.sleep(self.pause)

    async def _kept(self, call: Call, token: str) -> None:
        """Over one connection for as long as the other side keeps it."""
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
            await self._repeated("call, kept connection", self._called, session, call, token)

    async def _repeated(self, kind: str, act: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        while not self._over.is_set():
            try:
                await act(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a loss
                self.lost.append(f"{kind}: {error!r}")
            else:
                self.done[kind] += 1
            await asyncio.sleep(self.pause)

    async def _fresh(self, call: Call, token: str) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            await self._called(session, call, token)

    async def _called(self, session: aiohttp.ClientSession, call: Call, token: str) -> None:
        headers = {**call.headers, "Authorization": f"Bearer {token}"}
        async with session.post(self.url, data=call.body, headers=headers) as answer:
            text = await answer.text()
            assert (answer.status, call.expected in text) == (200, True), f"{answer.status} {text[:300]}"

    async def _refreshed(self, person: Person, call: Call) -> None:
        """Spends the refresh token, and tries what it got."""
        person.storage.tokens = await person.refresh(self.origin)
        await self._fresh(call if person.login == "alice" else Call(call.headers, call.body, "bob"), _token(person))

    async def _signed_in(self) -> None:
        """A new client of a new person, with the official SDK: no answer on the way may be an error."""
        person = Person("bob")
        assert (await person.whoami(self.url))["user"] == "bob"
        statuses = [answer.status_code for answer in person.responses]
        assert set(statuses) <= _FINE, statuses
        assert statuses.count(401) == 1, statuses

    async def _samples(self, person: Person) -> tuple[Call, Call]:
        quick = await recorded(person, self.url, "whoami", {}, "alice")
        return quick, await recorded(person, self.url, "count", {"to": 3, "seconds": 0.2}, "counted to 3")


async def recorded(person: Person, url: str, tool: str, arguments: dict[str, Any], expected: str) -> Call:
    """What the official SDK sends to call this tool, without the token; the person signs in on the way."""
    async with person.client(url, _MODE) as client:
        await client.call_tool(tool, arguments)
    call = [request for request in person.requests if b'"tools/call"' in request.content][-1]  # one was challenged
    headers = {name: value for name, value in call.headers.items() if name.lower() not in _OWN}
    return Call(headers, call.content, expected)


@dataclass
class Caller:
    """One program that goes on calling whatever it is told, one call after the other, and notes what each got."""

    url: str
    call: Call
    token: str
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When each call began, on the monotonic clock, and its status."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator["Caller"]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeated())
            try:
                yield self
            finally:
                self._over.set()

    async def more(self, number: int) -> None:
        """Until so many more calls that begin from now on have their answers."""
        now = time.monotonic()
        async with asyncio.timeout(30):
            while len(self.since(now)) < number:  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)

    def since(self, moment: float) -> list[int]:
        return [status for began, status in self.answers if began >= moment]

    async def _repeated(self) -> None:
        headers = {**self.call.headers, "Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
            while not self._over.is_set():
                began = time.monotonic()
                async with session.post(self.url, data=self.call.body) as answer:
                    text = await answer.text()
                assert answer.status != 200 or self.call.expected in text, text[:300]
                self.answers.append((began, answer.status))
                await asyncio.sleep(_PAUSE)


STEPS = 5


async def way_in(origin: str, login: str) -> AsyncIterator[str]:
    """A sign-in by hand that rests after each of its STEPS: registered, asked, at the IdP, back with a code, signed in.

    What the last one gives is the access token.
    """
    verifier = secrets.token_urlsafe(48)
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        metadata = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
        async with session.post(f"{origin}/register", json=metadata) as answer:
            assert answer.status == 201, await answer.text()
            client = (await answer.json())["client_id"]
    yield client
    query = {"response_type": "code", "client_id": client, "redirect_uri": REDIRECT, "resource": f"{origin}/mcp"}
    query |= {"code_challenge": s256(verifier), "code_challenge_method": "S256", "state": "s"}
    async with Browser(REDIRECT) as browser:
        consent = await browser.open(f"{origin}/authorize?{urlencode(query)}")
        yield consent.url
        idp = await browser.press(consent, r"allow|approve|continue")
        yield idp.url
        back = await browser.press(idp, login)
    code = dict(parse_qsl(urlsplit(back.url).query))["code"]
    yield code
    form = {"grant_type": "authorization_code", "code": code, "client_id": client, "redirect_uri": REDIRECT}
    form |= {"code_verifier": verifier, "resource": f"{origin}/mcp"}
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.post(f"{origin}/token", data=form) as answer:
        assert answer.status == 200, await answer.text()
        yield (await answer.json())["access_token"]


def _token(person: Person) -> str:
    assert person.storage.tokens is not None
    return person.storage.tokens.access_token

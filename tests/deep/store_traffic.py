"""People who go on calling and refreshing while the store fails: each answer is noted, and nothing else is done."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from sidecar import events
from tests.flows.person import Person
from tests.flows.running import Answer, Running

LOGINS = ("alice", "bob")
_EVERY = 5
"""One refresh for so many calls."""


@dataclass
class Member:
    """Somebody who signed in once, with the official SDK, and with what that gave goes on by hand."""

    access: str
    refresh: str
    client_id: str
    auth: str


@dataclass
class People:
    demo: Running
    members: list[Member] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    bare: int = 0
    """503 answers without Retry-After."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def busy(self, *, each: int = 3) -> AsyncIterator["People"]:
        """From their sign-ins on, until the block ends; then what is under way is finished."""
        for login in LOGINS * each:
            self.members.append(await signed_in(self.demo, login))
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(self._go_on(member))
            try:
                yield self
            finally:
                self._over.set()

    async def all_served(self, seconds: float) -> None:
        """Until everybody got a call through and a refresh, from now on."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(self._served(member) for member in self.members))

    @property
    def ended(self) -> list[str]:
        return [event.reason for event in self.demo.happened(events.GrantEnded)]

    def statuses(self, what: str) -> set[int]:
        return {status for kind, status in self.answers if kind == what}

    async def called(self, member: Member) -> Answer:
        answer = await self.demo.call(member.access)
        self._note("call", answer)
        return answer

    async def refreshed(self, member: Member) -> Answer:
        """A client keeps its refresh token until it is given another."""
        form = {"grant_type": "refresh_token", "refresh_token": member.refresh}
        answer = await posted(self.demo, "/token", member, form)
        self._note("refresh", answer)
        if answer.status == 200:
            member.access, member.refresh = answer.json["access_token"], answer.json["refresh_token"]
        return answer

    async def _go_on(self, member: Member) -> None:
        while not self._over.is_set():
            for _ in range(_EVERY):
                await self.called(member)
            await self.refreshed(member)

    async def _served(self, member: Member) -> None:
        before = member.refresh
        while member.refresh == before or (await self.called(member)).status in {401, 503}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def _note(self, what: str, answer: Answer) -> None:
        self.answers[what, answer.status] += 1
        self.bare += answer.status == 503 and int(answer.headers.get("retry-after", "0")) < 1


async def signed_in(demo: Running, login: str) -> Member:
    person = Person(login)
    await person.whoami(demo.url)
    tokens, client = person.storage.tokens, person.storage.client
    assert tokens is not None
    assert tokens.refresh_token is not None
    assert client is not None
    assert client.client_id is not None
    auth = aiohttp.encode_basic_auth(client.client_id, client.client_secret or "")
    return Member(tokens.access_token, tokens.refresh_token, client.client_id, auth)


async def posted(demo: Running, path: str, member: Member, form: dict[str, str]) -> Answer:
    """To an OAuth endpoint, as the member's client."""
    return await demo.request("POST", f"{demo.origin}{path}", data=form, headers={"Authorization": member.auth})

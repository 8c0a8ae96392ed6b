"""Strangers whose documents and keys are slow: nobody else's tokens wait for them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest

from sidecar.handlers.turns import SHARE
from sidecar.oauth.assertion import ASSERTION_TYPE
from sidecar.oauth.client_document import ClientDocument
from sidecar.oauth.policy import DocumentPolicy
from sidecar.settings.model import DocumentSettings
from sidecar.store.base import TURNS
from tests.endpoints.front import ISS, Front, running_front
from tests.endpoints.journey import HOST
from tests.fakes.client_documents import FakeClientDocuments
from tests.oauth.signing import claims, key_for, signed

URL = "https://slow.example/client.json"
STALE = "https://stale.example/client.json"
DOCUMENT = ClientDocument(
    url=URL,
    name="Slow",
    redirect_uris=("https://slow.example/cb",),
    auth_methods=("private_key_jwt",),
    jwks_uri="https://slow.example/jwks.json",
)


@dataclass
class SlowDocuments(FakeClientDocuments):
    """The keys, and one document, do not come before somebody lets them."""

    let: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def document(self, url: str) -> ClientDocument:
        if url == STALE:
            await self._held()
        return await super().document(url)

    async def keys(self, document: ClientDocument, *, again: bool = False) -> Mapping[str, object]:
        await self._held()
        return {"keys": []}

    async def _held(self) -> None:
        self.waiting += 1
        async with self.arrival:
            self.arrival.notify_all()
        await self.let.wait()

    async def came(self, number: int) -> None:
        """Returns once so many are waiting."""
        async with self.arrival:
            await self.arrival.wait_for(lambda: self.waiting >= number)


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    async with running_front(changes={"documents": DocumentSettings(DocumentPolicy(enabled=True))}) as running:
        yield running


def slow(front: Front) -> SlowDocuments:
    documents = SlowDocuments({URL: DOCUMENT})
    object.__setattr__(front.services.clients.documented, "documents", documents)
    return documents


def asserted(front: Front) -> dict[str, str]:
    said = claims(iss=URL, sub=URL, aud=ISS, exp=front.clock() + 60, jti="j")
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed(said, key_for("RS256"), "RS256")}


async def status(front: Front, path: str, **fields: str) -> int:
    sent = {"grant_type": "refresh_token", "refresh_token": "dcrr_junk", "token": "dcrr_junk", **fields}
    async with front.session.post(front.base + path, data=sent, headers=HOST) as response:
        return response.status


@pytest.mark.req(79)
@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize("whose", ["keys", "document"])
async def test_a_slow_document_or_key_set_takes_no_turn_from_other_clients(front: Front, path: str, whose: str):
    client = await front.register("https://app.example/cb")
    documents = slow(front)
    credentials = asserted(front) if whose == "keys" else {"client_id": STALE}
    flood = [asyncio.create_task(status(front, path, **credentials)) for _ in range(TURNS)]
    try:
        async with asyncio.timeout(10):
            await documents.came(TURNS // SHARE)
            assert await status(front, path, client_id=client) == (400 if path == "/token" else 200)
    finally:
        documents.let.set()
        answers = await asyncio.gather(*flood)
    assert set(answers) <= {401, 429}

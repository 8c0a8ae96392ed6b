"""Client id metadata documents and the keys of the clients that have them: `upstream.base.ClientDocuments`.

Owns what an answer must be to count as a document, and how long it is kept: by its HTTP headers within `freshness`'
bounds, a last good copy for a day more while the far end cannot be reached, and nothing at all once the far end has
said no (draft-ietf-oauth-client-id-metadata-document-02 section 5). A failure is never kept as a document; it is only
remembered for some seconds, so that nobody makes us ask again and again. Where a connection may go is `guard`'s.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sidecar.clock import Clock, Monotonic
from sidecar.events import Recorder
from sidecar.oauth.client_document import ClientDocument, is_document_url, read, read_keys
from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.upstream.answers import Answer, judge_json
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.cache import LastGood
from sidecar.upstream.freshness import lifetime
from sidecar.upstream.guard import Guard
from sidecar.upstream.guarded_fetch import GuardedFetch, open_guarded
from sidecar.upstream.http import TOTAL_SECONDS

DOCUMENT_BYTES = 5 * 1024
"""Draft section 8.7. Those in the field have less than one KiB."""
KEYS_BYTES = 32 * 1024
MOST_KEPT = 1000
RETRY = 5.0
"""Seconds in which a failure is remembered."""
STALE = 86400.0
KEYS_REFETCH = 60.0

_T = TypeVar("_T")
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json")
Keys = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[_T]):
    value: _T
    seconds: float


@dataclass(slots=True)
class DocumentFetcher:
    """Implements `ClientDocuments`. Use `open_client_documents`."""

    fetch: GuardedFetch
    monotonic: Monotonic
    clock: Clock
    _documents: LastGood[str, _Kept[ClientDocument]] = field(init=False)
    _keys: LastGood[str, _Kept[Keys]] = field(init=False)

    def __post_init__(self) -> None:
        self._documents = _cache(self.monotonic)
        self._keys = _cache(self.monotonic)

    def cached(self, url: str) -> ClientDocument | None:
        kept = self._documents.fresh_value(url)
        return kept.value if kept else None

    async def document(self, url: str) -> ClientDocument:
        if not is_document_url(url):
            raise UpstreamMalformed("not the URL of a client id metadata document")

        async def load() -> _Kept[ClientDocument]:
            return await self._load(url, lambda body: read(url, body), "client_document", DOCUMENT_BYTES)

        return (await self._documents.get(url, load)).value

    async def keys(self, document: ClientDocument, *, again: bool = False) -> Keys:
        if document.jwks is not None:
            return document.jwks
        uri = document.jwks_uri
        if not uri:
            raise UpstreamMalformed("the document names no keys")
        if not self._may_ask(document):
            raise UpstreamMalformed("the jwks_uri is on an internal host, the document is not")

        async def load() -> _Kept[Keys]:
            return await self._load(uri, read_keys, "client_keys", KEYS_BYTES)

        if again:
            return (await self._keys.renew(uri, load, at_least=KEYS_REFETCH)).value
        return (await self._keys.get(uri, load)).value

    def cached_keys(self, document: ClientDocument) -> Keys | None:
        if document.jwks is not None or not document.jwks_uri:
            return document.jwks
        kept = self._keys.fresh_value(document.jwks_uri)
        return kept.value if kept and self._may_ask(document) else None

    def _may_ask(self, document: ClientDocument) -> bool:
        """A stranger's document must not choose what is asked of the operator's own hosts."""
        return self.fetch.is_internal(document.url) or not self.fetch.is_internal(document.jwks_uri)

    async def close(self) -> None:
        await self._documents.close()
        await self._keys.close()

    async def _load(self, url: str, reader: Callable[[object], _T], operation: str, limit: int) -> _Kept[_T]:
        def judge(answer: Answer) -> _Kept[_T]:
            body = judge_json(answer)
            if not _JSON.fullmatch(answer.content_type):
                raise UpstreamMalformed("not served as JSON")
            try:
                value = reader(body)
            except InvalidClientMetadata as error:
                raise UpstreamMalformed(error.reason) from None
            return _Kept(value, lifetime(answer.caching, now=self.clock()))

        return await self.fetch.get(url, judge, operation=operation, limit=limit)


@asynccontextmanager
async def open_client_documents(
    recorder: Recorder,
    monotonic: Monotonic,
    clock: Clock,
    *,
    internal_hosts: frozenset[str] = frozenset(),
    ca: str = "",
    guard: Guard | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> AsyncIterator[DocumentFetcher]:
    """`internal_hosts`: exact names that may have any address and port, trusted by `ca` (PEM) where one is given."""
    async with open_guarded(
        recorder,
        monotonic,
        internal_hosts=internal_hosts,
        ca=ca,
        guard=guard,
        total_seconds=total_seconds,
    ) as fetch:
        fetcher = DocumentFetcher(fetch, monotonic, clock)
        try:
            yield fetcher
        finally:
            await fetcher.close()


def _cache(monotonic: Monotonic) -> LastGood[str, _Kept[_T]]:
    return LastGood(
        monotonic,
        fresh=0.0,
        retry=RETRY,
        limit=MOST_KEPT,
        lifetime=lambda kept: kept.seconds,
        stale=STALE,
        ends=_is_no,
    )


def _is_no(error: UpstreamError) -> bool:
    return not isinstance(error, UpstreamUnavailable)

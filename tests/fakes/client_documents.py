"""Client documents that a test wrote down, in place of the internet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.oauth.client_document import ClientDocument
from sidecar.upstream.base import UpstreamError, UpstreamMalformed


@dataclass
class FakeClientDocuments:
    """What stands at which URL: a document, or the error that looking there ends in."""

    published: dict[str, ClientDocument | UpstreamError] = field(default_factory=dict)
    keys_at: dict[str, Mapping[str, object]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)

    def cached(self, url: str) -> ClientDocument | None:
        found = self.published.get(url) if url in self.fresh else None
        return None if isinstance(found, UpstreamError) else found

    async def document(self, url: str) -> ClientDocument:
        self.fetched.append(url)
        found = self.published.get(url, UpstreamMalformed("an answer of 404"))
        if isinstance(found, UpstreamError):
            raise found
        self.fresh.add(url)
        return found

    def cached_keys(self, document: ClientDocument) -> Mapping[str, object] | None:
        return document.jwks or (self.keys_at[document.jwks_uri] if document.jwks_uri in self.fresh else None)

    async def keys(self, document: ClientDocument, *, again: bool = False) -> Mapping[str, object]:
        self.fresh.add(document.jwks_uri)
        return document.jwks or self.keys_at[document.jwks_uri]

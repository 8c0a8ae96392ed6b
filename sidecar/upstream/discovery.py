"""A provider's discovery document and keys, fetched and kept.

Owns the caches: single flight, last good copy while the provider is down, at most one key refetch a minute.
Whether a document may be believed is `provider`'s business, which keys are usable is `identity`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.clock import Monotonic
from sidecar.records import Pool
from sidecar.upstream.answers import judge_document, judge_object
from sidecar.upstream.base import UpstreamMalformed
from sidecar.upstream.cache import LastGood
from sidecar.upstream.http import DOCUMENT_BYTES, Http, Route
from sidecar.upstream.identity import VerificationKey, import_keys
from sidecar.upstream.messages import document_request
from sidecar.upstream.provider import Provider, check_document, document_urls, is_safe_url, needs_document
from sidecar.upstream.quirks import Quirks

_DOCUMENT_FRESH = 600.0
_KEYS_FRESH = 3600.0
_RETRY = 5.0
_KEYS_REFETCH = 60.0

_Place = tuple[str, Route]
Document = Mapping[str, Any]
Keys = tuple[VerificationKey, ...]


def route_of(pool: Pool) -> Route:
    return Route(pool.provider, pool.ca, pool.proxy, pool.name)


@dataclass(slots=True)
class Discovery:
    http: Http
    monotonic: Monotonic
    _documents: LastGood[tuple[tuple[str, ...], Route, str], Document] = field(init=False)
    _keys: LastGood[_Place, Keys] = field(init=False)

    def __post_init__(self) -> None:
        self._documents = LastGood(self.monotonic, fresh=_DOCUMENT_FRESH, retry=_RETRY)
        self._keys = LastGood(self.monotonic, fresh=_KEYS_FRESH, retry=_RETRY)

    async def provider(self, pool: Pool, quirks: Quirks, *, seconds: float) -> Provider:
        document = await self.document(pool, quirks, seconds=seconds) if needs_document(pool, quirks) else None
        return Provider.of(pool, quirks, document)

    async def document(self, pool: Pool, quirks: Quirks, *, seconds: float) -> Document | None:
        """None: this provider publishes none. A document that does not verify raises UpstreamMalformed."""
        urls = document_urls(pool, quirks)
        if not urls:
            return None

        async def load() -> Document:
            return await self._load_document(urls, pool, quirks)

        key = (urls, route_of(pool), pool.issuer or quirks.issuer)
        return await self._documents.get(key, load, seconds=seconds)

    async def keys(self, pool: Pool, jwks_uri: str, *, seconds: float, renew: bool = False) -> Keys:
        """The provider's signature keys; `renew` after a key id that was not among them."""
        route = route_of(pool)

        async def load() -> Keys:
            if not is_safe_url(jwks_uri):
                raise UpstreamMalformed("jwks_uri is not an https URL")
            request = document_request(jwks_uri)
            found = await self.http.call(request, judge_object, route=route, operation="jwks", limit=DOCUMENT_BYTES)
            return import_keys(found)

        if renew:
            return await self._keys.renew((jwks_uri, route), load, seconds=seconds, at_least=_KEYS_REFETCH)
        return await self._keys.get((jwks_uri, route), load, seconds=seconds)

    async def close(self) -> None:
        await self._documents.close()
        await self._keys.close()

    async def _load_document(self, urls: tuple[str, ...], pool: Pool, quirks: Quirks) -> Document:
        for url in urls:
            if not is_safe_url(url):
                raise UpstreamMalformed("the issuer is not an https URL")
            document = await self.http.call(
                document_request(url),
                judge_document,
                route=route_of(pool),
                operation="discovery",
                limit=DOCUMENT_BYTES,
            )
            if document is not None:
                return check_document(document, pool, quirks)
        raise UpstreamMalformed("the provider publishes no discovery document")

"""Fetching documents and keys: what is asked, what counts as an answer, what a hostile far end cannot do."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from sidecar.events import UpstreamCalled
from sidecar.oauth.client_document import ClientDocument
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.client_documents import DOCUMENT_BYTES, KEYS_BYTES, DocumentFetcher, open_client_documents
from tests.fakes.clock import FakeClock
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.publisher import Publisher, answer

_RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"}


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    async with Publisher.running(tmp_path) as publisher:
        yield publisher


@pytest.fixture
async def documents(publisher: Publisher, clock: FakeClock, monotonic: FakeMonotonic, events: list):
    async with open_client_documents(
        events.append,
        monotonic,
        clock,
        internal_hosts=frozenset({"localhost"}),
        ca=publisher.ca,
        total_seconds=1.0,
    ) as documents:
        yield documents


def with_keys(publisher: Publisher, path: str = "/jwks.json", host: str = "localhost") -> ClientDocument:
    return ClientDocument(
        url=publisher.url(host="localhost"),
        name="Client",
        redirect_uris=("https://client.example/cb",),
        auth_methods=("private_key_jwt",),
        jwks_uri=publisher.url(path, host),
    )


@pytest.mark.req(76)
async def test_a_document_is_asked_for_plainly_and_read(
    documents: DocumentFetcher, publisher: Publisher, calls: list[UpstreamCalled]
):
    url = publisher.publish("/oauth/client.json", set_cookie="a=b; Path=/")
    found = await documents.document(url)
    assert (found.url, found.name) == (url, "Client")
    assert documents.cached(url) == found

    await documents.document(publisher.publish("/other.json"))
    head = publisher.heads[1].lower()
    assert head.startswith(b"get /other.json http/1.1\r\n")
    assert f"host: localhost:{publisher.port}\r\n".encode() in head
    assert b"accept: application/json\r\n" in head
    assert b"accept-encoding: identity\r\n" in head
    for name in (b"cookie", b"authorization", b"referer"):
        assert name not in head
    assert [(call.provider, call.operation, call.outcome) for call in calls] == [
        ("client", "client_document", "ok")
    ] * 2


def hostile(publisher: Publisher) -> Mapping[str, tuple[bytes, type[UpstreamError]]]:
    """Answers that are no document, and what each must end in."""
    right = publisher.document()
    secret = {"internal": "s3cr3t-of-the-target"}
    return {
        "301": (answer(right, status="301 Moved", location="/elsewhere.json"), UpstreamMalformed),
        "302-inside": (answer(status="302 Found", location="http://169.254.169.254/latest"), UpstreamMalformed),
        "307": (answer(status="307 Temporary", location=publisher.url("/elsewhere.json")), UpstreamMalformed),
        "304": (answer(status="304 Not Modified"), UpstreamMalformed),
        "201": (answer(right, status="201 Created"), UpstreamMalformed),
        "206": (answer(right, status="206 Partial Content"), UpstreamMalformed),
        "204": (answer(status="204 No Content"), UpstreamMalformed),
        "400": (answer(right, status="400 Bad Request"), UpstreamMalformed),
        "401": (answer(secret, status="401 Unauthorized"), UpstreamMalformed),
        "403": (answer(secret, status="403 Forbidden"), UpstreamMalformed),
        "404": (answer(right, status="404 Not Found"), UpstreamMalformed),
        "410": (answer(status="410 Gone"), UpstreamMalformed),
        "429": (answer(right, status="429 Too Many Requests", retry_after="7"), UpstreamUnavailable),
        "500": (answer(right, status="500 Oops"), UpstreamUnavailable),
        "503": (answer(secret, status="503 Unavailable"), UpstreamUnavailable),
        "html": (answer(b"<html>s3cr3t-of-the-target", content_type="text/html"), UpstreamMalformed),
        "html-as-json": (answer(b"<html>s3cr3t-of-the-target"), UpstreamMalformed),
        "json-as-html": (answer(right, content_type="text/html"), UpstreamMalformed),
        "json-as-text": (answer(right, content_type="text/plain"), UpstreamMalformed),
        "json-without-type": (answer(right, content_type=""), UpstreamMalformed),
        "javascript": (answer(right, content_type="application/javascript"), UpstreamMalformed),
        "almost-json": (answer(right, content_type="application/jsonp"), UpstreamMalformed),
        "trailing": (answer(answer_body(right) + b"{}"), UpstreamMalformed),
        "cut": (answer(answer_body(right)[:-5]), UpstreamMalformed),
        "deep": (answer(b'{"a":' * 800 + b"1" + b"}" * 800), UpstreamMalformed),
        "list": (answer([right]), UpstreamMalformed),
        "empty": (answer(b""), UpstreamMalformed),
        "another-client-id": (answer({**right, "client_id": publisher.url("/other.json")}), UpstreamMalformed),
        "no-name": (answer({**right, "client_name": ""}), UpstreamMalformed),
        "with-a-secret": (answer({**right, "client_secret": "x"}), UpstreamMalformed),
        "a-byte-too-long": (answer(padded(right, DOCUMENT_BYTES + 1)), UpstreamMalformed),
        "claims-to-be-huge": (answer(right, content_length="50000000"), UpstreamMalformed),
        "huge-and-unannounced": (answer(padded(right, 2_000_000), content_length=""), UpstreamMalformed),
        "gzip": (answer(b"\x1f\x8b\x08\x00", content_encoding="gzip"), UpstreamMalformed),
        "claims-gzip": (answer(right, content_encoding="gzip"), UpstreamMalformed),
        "shorter-than-said": (answer(right, content_length="4000"), UpstreamUnavailable),
        "no-http": (b"SSH-2.0-OpenSSH\r\n\r\n", UpstreamUnavailable),
        "hangs-up": (b"", UpstreamUnavailable),
        "huge-header": (answer(right, x_padding="x" * 100_000), UpstreamUnavailable),
    }


def answer_body(document: Mapping[str, object]) -> bytes:
    return answer(document).partition(b"\r\n\r\n")[2]


def padded(document: Mapping[str, object], size: int) -> bytes:
    return answer_body(document).ljust(size)


@pytest.mark.req(76, 78, 79)
async def test_nothing_but_a_right_answer_counts(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic, calls: list[UpstreamCalled]
):
    for name, (content, expected) in hostile(publisher).items():
        publisher.answers["/client.json"] = content
        monotonic.advance(61)
        with pytest.raises(UpstreamError) as caught:
            await documents.document(publisher.url())
        assert type(caught.value) is expected, name
        assert "s3cr3t" not in str(caught.value), name
        assert documents.cached(publisher.url()) is None, name
        assert (calls[-1].outcome, calls[-1].detail) == (caught.value.outcome, str(caught.value)), name
    assert set(publisher.asked) == {"/client.json"}, "a redirect was followed"
    # One more: the HTTP library repeats a GET whose connection just closes.
    assert len(publisher.asked) == len(hostile(publisher)) + 1


@pytest.mark.req(76)
@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"])
async def test_json_may_say_so_in_other_words(documents: DocumentFetcher, publisher: Publisher, content_type: str):
    assert await documents.document(publisher.publish(content_type=content_type))


@pytest.mark.req(76)
async def test_a_document_may_be_as_long_as_the_limit(documents: DocumentFetcher, publisher: Publisher):
    publisher.answers["/client.json"] = answer(padded(publisher.document(), DOCUMENT_BYTES))
    assert await documents.document(publisher.url())


@pytest.mark.req(76)
@pytest.mark.parametrize("way", ["dripping", "silent"])
async def test_the_time_for_all_of_it_is_bounded(documents: DocumentFetcher, publisher: Publisher, way: str):
    """Threat DC-13: never silent for long, never done."""
    publisher.answers["/client.json"] = answer(padded(publisher.document(), DOCUMENT_BYTES))
    publisher.dripping = way == "dripping"
    publisher.held = asyncio.Event() if way == "silent" else None
    async with asyncio.timeout(3):
        with pytest.raises(UpstreamUnavailable):
            await documents.document(publisher.url())


async def test_no_proxy_of_the_environment_is_used(
    documents: DocumentFetcher, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
):
    """Threat DC-12."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await documents.document(publisher.publish())


@pytest.mark.parametrize("url", ["http://localhost/client.json", "https://localhost/", "https://localhost/a?b", "x"])
async def test_what_is_no_document_url_is_never_fetched(documents: DocumentFetcher, calls: list, url: str):
    with pytest.raises(UpstreamMalformed):
        await documents.document(url)
    assert documents.cached(url) is None
    assert calls == []


@pytest.mark.req(80)
async def test_keys_come_from_the_document_or_from_where_it_says(
    documents: DocumentFetcher, publisher: Publisher, calls: list[UpstreamCalled]
):
    document = with_keys(publisher)
    publisher.answers["/jwks.json"] = answer({"keys": [_RSA]}, content_type="application/jwk-set+json")
    assert await documents.keys(document) == {"keys": [_RSA]}
    assert await documents.keys(document) == {"keys": [_RSA]}
    assert publisher.asked == ["/jwks.json"]
    assert (calls[-1].provider, calls[-1].operation, calls[-1].outcome) == ("client", "client_keys", "ok")

    inline = ClientDocument(url=document.url, name="x", redirect_uris=(), jwks={"keys": [_RSA]})
    assert await documents.keys(inline) == {"keys": [_RSA]}
    assert len(publisher.asked) == 1
    with pytest.raises(UpstreamMalformed):
        await documents.keys(ClientDocument(url=document.url, name="x", redirect_uris=()))


@pytest.mark.req(80)
async def test_keys_are_looked_for_again_at_most_once_a_minute(
    documents: DocumentFetcher, publisher: Publisher, monotonic: FakeMonotonic
):
    document = with_keys(publisher)
    publisher.answers["/jwks.json"] = answer({"keys": [_RSA]})
    await documents.keys(document)
    publisher.answers["/jwks.json"] = answer({"keys": [{**_RSA, "kid": "2"}]})
    assert await documents.keys(document) == {"keys": [_RSA]}
    for _ in range(5):
        assert await documents.keys(document, again=True) == {"keys": [{**_RSA, "kid": "2"}]}
    assert len(publisher.asked) == 2
    monotonic.advance(60)
    await documents.keys(document, again=True)
    assert len(publisher.asked) == 3


@pytest.mark.req(76, 79)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(answer({"keys": [_RSA, {"kty": "oct", "k": "AA"}]}), UpstreamMalformed, id="symmetric"),
        pytest.param(answer({"keys": [{**_RSA, "d": "AA"}]}), UpstreamMalformed, id="private"),
        pytest.param(answer({"keys": []}), UpstreamMalformed, id="none"),
        pytest.param(answer([_RSA]), UpstreamMalformed, id="not-a-set"),
        pytest.param(answer({"keys": [_RSA]}, content_type="text/html"), UpstreamMalformed, id="wrong-type"),
        pytest.param(answer(b" " * (KEYS_BYTES + 1)), UpstreamMalformed, id="too-long"),
        pytest.param(answer(status="302 Found", location="/other"), UpstreamMalformed, id="redirect"),
        pytest.param(answer(status="502 Bad Gateway"), UpstreamUnavailable, id="bad-gateway"),
    ],
)
async def test_keys_are_held_to_the_same_rules(
    documents: DocumentFetcher, publisher: Publisher, content: bytes, expected: type[UpstreamError]
):
    publisher.answers["/jwks.json"] = content
    with pytest.raises(expected):
        await documents.keys(with_keys(publisher))
    assert publisher.asked == ["/jwks.json"]

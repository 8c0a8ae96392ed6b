"""Clients that prove themselves by a signature: keys, assertion, one use, in this order (RFC 7523 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from sidecar.clients import Documented, UnusableDocument
from sidecar.clients.assertions import Assertions, audiences_of
from sidecar.directory import Issuer
from sidecar.oauth.client_document import ClientDocument
from sidecar.oauth.errors import InvalidClient, TooManyRequests
from sidecar.oauth.policy import DocumentPolicy, RegistrationPolicy
from sidecar.records import Client, ClientKind
from sidecar.store.base import StoreError
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable
from tests.fakes.client_documents import FakeClientDocuments
from tests.fakes.store import fake_store
from tests.oauth.signing import CLIENT, ISSUER, NOW, claims, key_for, key_set, public, signed

_ISSUER = Issuer(ISSUER, "corp")
SOURCE = "192.0.2.1"
_JWKS_URI = "https://client.example/jwks.json"
_OLD, _NEW = key_for("ES256"), key_for("ES256", 2)


@dataclass
class Published(FakeClientDocuments):
    """Keys as they were fetched once, and as they are now."""

    now: Mapping[str, object] | UpstreamError = field(default_factory=dict)
    looked_again: int = 0

    async def keys(self, document: ClientDocument, *, again: bool = False) -> Mapping[str, object]:
        self.looked_again += again
        if not again:
            return await FakeClientDocuments.keys(self, document)
        if isinstance(self.now, UpstreamError):
            raise self.now
        return self.now


class Accounts:
    """Whose account each fetch went on, up to a limit."""

    def __init__(self) -> None:
        self.charged: list[str] = []
        self.most = 1000

    async def document(self, source: str) -> None:
        if len(self.charged) >= self.most:
            raise TooManyRequests(retry_after=1, reason="test")
        self.charged.append(source)


def asserting(documents, store, clock) -> Assertions:
    documented = Documented(documents, store, DocumentPolicy(), RegistrationPolicy(), Accounts())
    return Assertions(documented, store, clock)


@pytest.fixture
async def store():
    async with fake_store() as opened:
        yield opened


@pytest.fixture
def documents() -> Published:
    keys = key_set(public(_OLD))
    document = ClientDocument(
        url=CLIENT,
        name="Client",
        redirect_uris=("https://client.example/cb",),
        auth_methods=("private_key_jwt",),
        jwks_uri=_JWKS_URI,
    )
    return Published(published={CLIENT: document}, keys_at={_JWKS_URI: keys}, now=keys)


@pytest.fixture
def assertions(documents, store, clock) -> Assertions:
    clock.now = NOW
    return asserting(documents, store, clock)


CIMD = Client(
    id=CLIENT,
    kind=ClientKind.CIMD,
    issuer=ISSUER,
    pool_id="corp-1",
    redirect_uris=("https://client.example/cb",),
    auth_methods=("private_key_jwt",),
    application_type="",
    refresh=True,
    issued_at=0,
    jwks_uri=_JWKS_URI,
)


async def _reason(assertions: Assertions, assertion: str, client: Client = CIMD) -> str:
    with pytest.raises(InvalidClient) as caught:
        await assertions.prove(client, _ISSUER, assertion, SOURCE)
    assert caught.value.description == InvalidClient.default
    return caught.value.reason


@pytest.mark.req(80, 157)
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/", f"{ISSUER}/token", f"{ISSUER}/revoke", [ISSUER]])
async def test_an_assertion_for_us_proves_its_client(assertions, documents, audience):
    await assertions.prove(CIMD, _ISSUER, signed(claims(aud=audience), _OLD), SOURCE)
    assert documents.looked_again == 0


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "audience", [f"{ISSUER}/register", f"{ISSUER}/authorize", f"{ISSUER}/a", "https://mcp.example.co"]
)
async def test_an_assertion_for_anybody_else_proves_nothing(assertions, audience):
    assert await _reason(assertions, signed(claims(aud=audience), _OLD)) == "the assertion is for somebody else"


@pytest.mark.req(157)
def test_an_issuer_with_a_path_is_called_by_exactly_its_names():
    one, other = Issuer(f"{ISSUER}/a", "corp"), Issuer(f"{ISSUER}/b", "corp")
    assert audiences_of(one) == {f"{ISSUER}/a", f"{ISSUER}/a/token", f"{ISSUER}/a/revoke"}
    assert not audiences_of(one) & (audiences_of(other) | audiences_of(_ISSUER))


@pytest.mark.req(157)
async def test_an_assertion_is_used_once_on_any_replica(assertions, documents, store, clock):
    assertion = signed(claims(), _OLD)
    await assertions.prove(CIMD, _ISSUER, assertion, SOURCE)
    replica = asserting(documents, store, clock)
    assert await _reason(replica, assertion) == "the assertion was used before"
    # The `jti` counts, not the text: signed again it is the same one.
    assert await _reason(assertions, signed(claims(exp=NOW + 200), _OLD)) == "the assertion was used before"
    await assertions.prove(CIMD, _ISSUER, signed(claims(jti="j-2"), _OLD), SOURCE)


@pytest.mark.req(157)
async def test_it_is_remembered_as_long_as_it_is_accepted(assertions, store, clock):
    await assertions.prove(CIMD, _ISSUER, signed(claims(exp=NOW + 300), _OLD), SOURCE)
    left = await store.link.command("PTTL", store.keys.assertion(CLIENT, "j-1"))
    assert 355_000 < left <= 360_000
    clock.advance(359)
    assert await _reason(assertions, signed(claims(exp=NOW + 300, iat=None), _OLD)) == "the assertion has expired"


@pytest.mark.req(157)
async def test_what_is_refused_uses_nothing_up(assertions, store):
    """Or a stranger could use up what a client is about to send."""
    for bad in (signed(claims(), _NEW), signed(claims(aud="https://other.example"), _OLD), "junk"):
        await _reason(assertions, bad)
    await assertions.prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)


@pytest.mark.req(157)
async def test_a_client_s_jti_is_its_own(assertions, documents):
    other = "https://other.example/client.json"
    documents.published[other] = replace(documents.published[CLIENT], url=other)
    await assertions.prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)
    await assertions.prove(replace(CIMD, id=other), _ISSUER, signed(claims(iss=other, sub=other), _OLD), SOURCE)


@pytest.mark.req(80, 157)
@pytest.mark.parametrize("kid", ["k2", None], ids=["named", "not named"])
async def test_a_client_that_changed_its_keys_is_looked_at_again_once(assertions, documents, kid):
    documents.now = key_set(public(_NEW, kid="k2"))
    await assertions.prove(CIMD, _ISSUER, signed(claims(), _NEW, kid=kid), SOURCE)
    assert documents.looked_again == 1
    assert "key" in await _reason(assertions, signed(claims(), key_for("ES256", 3), kid="k3"))
    assert documents.looked_again == 2


@pytest.mark.req(79)
async def test_who_makes_us_fetch_a_document_or_keys_pays_for_it(assertions, documents):
    accounts = assertions.documented.budget
    await assertions.prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)
    assert accounts.charged == [SOURCE] * 2, "the document and its keys"
    await assertions.prove(CIMD, _ISSUER, signed(claims(jti="j-2"), _OLD), "192.0.2.2")
    assert accounts.charged == [SOURCE] * 2, "both from memory"
    await _reason(assertions, signed(claims(), _NEW, kid="k2"))
    assert accounts.charged == [SOURCE] * 3, "another look"
    accounts.most = 3
    with pytest.raises(TooManyRequests):
        await assertions.prove(CIMD, _ISSUER, signed(claims(), _NEW, kid="k2"), SOURCE)
    assert documents.looked_again == 1
    await assertions.prove(CIMD, _ISSUER, signed(claims(jti="j-3"), _OLD), SOURCE)


@pytest.mark.req(79)
async def test_keys_in_the_document_itself_are_never_fetched(assertions, documents):
    inline = replace(documents.published[CLIENT], jwks=key_set(public(_OLD)), jwks_uri="")
    documents.published[CLIENT] = inline
    await assertions.prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)
    await _reason(assertions, signed(claims(), _NEW, kid="k2"))
    assert assertions.documented.budget.charged == [SOURCE]
    assert documents.looked_again == 0


@pytest.mark.req(157)
async def test_a_wrong_signature_is_no_reason_to_look_again(assertions, documents):
    assert await _reason(assertions, signed(claims(), _NEW)) == "the assertion's signature is wrong"
    assert documents.looked_again == 0


@pytest.mark.req(157)
async def test_keys_that_cannot_be_had_now_say_nothing_about_the_client(assertions, documents):
    documents.now = UpstreamUnavailable("down")
    with pytest.raises(UpstreamUnavailable):
        await assertions.prove(CIMD, _ISSUER, signed(claims(), _NEW, kid="k2"), SOURCE)
    documents.now = UpstreamMalformed("an answer of 404")
    assert "404" in await _reason(assertions, signed(claims(), _NEW, kid="k2"))
    documents.published.clear()
    with pytest.raises(UnusableDocument, match="404"):
        await assertions.prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)


@pytest.mark.req(157)
async def test_a_store_that_is_down_is_no_verdict(documents, clock):
    class Down:
        async def spend_assertion(self, *_args: object) -> bool:
            raise StoreError("down")

    clock.now = NOW
    with pytest.raises(StoreError):
        await asserting(documents, Down(), clock).prove(CIMD, _ISSUER, signed(claims(), _OLD), SOURCE)


@pytest.mark.req(157)
@pytest.mark.parametrize("kind", [ClientKind.DCR, ClientKind.STATIC])
async def test_a_client_without_a_document_has_no_keys(assertions, documents, kind):
    assert "document" in await _reason(assertions, signed(claims(), _OLD), replace(CIMD, kind=kind))
    assert documents.fetched == []

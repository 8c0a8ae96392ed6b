"""Initial access tokens below HTTP: one text a token, its bounds, and what a refusal costs."""

import re
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.initial_access import MAX_SECONDS, MAX_USES, MIN_SECONDS, InitialAccess, NotAdmitted
from sidecar.records import Pool
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.store.base import StoreError
from sidecar.tokens import Kind, TokenCodec
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy
from tests.fakes.store import fake_store

POOL = Pool(name="corp", id="corp-1", provider="oidc", client_id="up", client_secret="s", scopes=())


@pytest.fixture
async def events():
    return []


@pytest.fixture
async def access(keyring, entropy, clock, events):
    async with fake_store() as store:
        yield InitialAccess(store, keyring, entropy, clock, events.append)


async def admitted(access, text):
    try:
        admit = await access.admission(POOL, text)
        async with admit() as token_id:
            return token_id
    except NotAdmitted:
        return None


@pytest.mark.req(64)
async def test_a_token_has_unreserved_characters_only_and_admits_by_its_id(access):
    text, token = await access.create(POOL, label="", uses=1, seconds=3600)
    assert re.fullmatch(r"dcri_[A-Za-z0-9_-]{64}", text)
    assert await admitted(access, text) == token.id
    assert await admitted(access, text) is None


@pytest.mark.req(64)
async def test_every_other_character_at_every_place_is_no_token(access):
    text, _ = await access.create(POOL, label="", uses=MAX_USES, seconds=3600)
    others = string.ascii_letters + string.digits + "-_+/=. \n\u00e9"
    variants = [text[:at] + other + text[at + 1 :] for at in range(len(text)) for other in others if other != text[at]]
    variants += [text[:length] for length in range(len(text))]
    variants += [text + more for more in ("A", "=", " ", "\n", "AAAA", "A" * 100_000)]
    variants += [f" {text}", text.swapcase(), text.removeprefix("dcri_"), text.replace("dcri_", "dcri_dcri_")]
    variants += [text.replace("-", "+"), text.replace("_", "/"), text.replace("dcri_", "dcra_")]
    assert [variant for variant in variants if variant != text and access.parse(variant)] == []
    assert access.parse(text)


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text):
    keyring = Keyring((Key(1, KeyState.ACTIVE, SeededEntropy(3)(32)),))
    access = InitialAccess(None, keyring, SeededEntropy(), FakeClock(), print)
    for sent in (text, "dcri_" + text, ("dcri_" + text).ljust(69, "A")[:69]):
        assert access.parse(sent) == ""


async def test_no_other_token_of_ours_is_one(access, keyring, entropy):
    codec = TokenCodec(keyring, entropy)
    for kind in Kind:
        text = codec.encode(codec.mint(kind, "0" * 32, 1))
        assert await admitted(access, text) is None
        assert await admitted(access, "dcri_" + text[5:][:64]) is None


async def test_another_format_under_our_key_is_none(access):
    """Should a later version make one, this one does not read it as its own."""
    text, _ = await access.create(POOL, label="", uses=1, seconds=3600)
    body = b"\x00\x02" + urlsafe_b64decode(text[5:])[2:20]
    mac = access.keyring.mac(access.keyring.active, "initial-access-token", body)[:28]
    assert access.parse("dcri_" + urlsafe_b64encode(body + mac).decode()) == ""


async def test_whoever_knows_all_that_is_stored_has_no_token(access):
    """Only the MAC makes a token of an id, and the key for it is not the store's."""
    text, token = await access.create(POOL, label="", uses=1, seconds=3600)
    other = Keyring((Key(access.keyring.active, KeyState.ACTIVE, SeededEntropy(9)(32)),))
    forged = InitialAccess(access.store, other, SeededEntropy(), access.clock, print).encode(bytes.fromhex(token.id))
    assert forged[:31] == text[:31]
    assert await admitted(access, forged) is None
    assert await admitted(access, text) == token.id


@pytest.mark.parametrize(
    ("uses", "seconds"),
    [
        pytest.param(0, 3600, id="no-use"),
        pytest.param(-1, 3600, id="negative"),
        pytest.param(MAX_USES + 1, 3600, id="too-many-uses"),
        pytest.param(1, MIN_SECONDS - 1, id="too-short"),
        pytest.param(1, MAX_SECONDS + 1, id="too-long"),
    ],
)
async def test_what_is_out_of_bounds_is_not_made(access, events, uses, seconds):
    with pytest.raises(ValueError, match="uses"):
        await access.create(POOL, label="", uses=uses, seconds=seconds)
    assert await access.listed(POOL) == ()
    assert events == []


async def test_the_bounds_themselves_are_in(access):
    _, longest = await access.create(POOL, label="", uses=MAX_USES, seconds=MAX_SECONDS)
    _, shortest = await access.create(POOL, label="", uses=1, seconds=MIN_SECONDS)
    assert await access.listed(POOL) == (shortest, longest)


async def test_a_token_is_shown_in_no_record(access, events):
    text, token = await access.create(POOL, label="laptop", uses=1, seconds=3600)
    assert text not in repr((token, events, await access.listed(POOL)))
    assert text[-38:] not in repr((token, events))


@pytest.mark.req(64)
@pytest.mark.parametrize(("error", "left"), [(StoreError, 1), (NotAdmitted, 0)])
async def test_a_use_is_given_back_when_the_store_failed_at_what_it_was_for(access, error, left):
    text, _ = await access.create(POOL, label="", uses=1, seconds=3600)
    admit = await access.admission(POOL, text)
    with pytest.raises(error):
        async with admit():
            raise error(**{"reason": "x"} if error is NotAdmitted else {})
    assert [token.left for token in await access.listed(POOL)] == [left]


@pytest.mark.req(64)
async def test_a_token_that_is_used_up_between_asking_and_taking_admits_nobody(access):
    text, _ = await access.create(POOL, label="", uses=1, seconds=3600)
    first, second = [await access.admission(POOL, text) for _ in range(2)]
    async with first() as token_id:
        assert token_id
    with pytest.raises(NotAdmitted) as refusal:
        async with second():
            raise AssertionError("was let in")
    with pytest.raises(NotAdmitted) as none:
        await access.admission(POOL, "")
    assert (refusal.value.body(), refusal.value.headers) == (none.value.body(), none.value.headers)

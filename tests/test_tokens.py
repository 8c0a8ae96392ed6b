"""Proxy tokens: one text a token, one kind a token, and no token but ours."""

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.sealing import Key, Keyring, KeyState, SealError
from sidecar.tokens import PREFIX, Kind, Token, TokenCodec
from tests.fakes.entropy import SeededEntropy

_DRAW = SeededEntropy(seed=5)
_OLD, _NEW, _OTHER = _DRAW(32), _DRAW(32), _DRAW(32)
_GRANT = "00112233445566778899aabbccddeeff"
_KINDS = st.sampled_from(list(Kind))
_GRANTS = st.binary(min_size=16, max_size=16).map(bytes.hex)
_GENERATIONS = st.integers(0, 2**32 - 1)


def _codec(old: KeyState = KeyState.OPEN, new: KeyState = KeyState.ACTIVE) -> TokenCodec:
    return TokenCodec(Keyring((Key(1, old, _OLD), Key(2, new, _NEW))), SeededEntropy())


_CODEC = _codec()


@given(_KINDS, _GRANTS, _GENERATIONS)
def test_a_minted_token_is_parsed_back(kind: Kind, grant: str, generation: int):
    token = _CODEC.mint(kind, grant, generation)
    assert _CODEC.parse(kind, _CODEC.encode(token)) == token
    assert (token.grant_id, token.generation, token.key_id, len(token.secret)) == (grant, generation, 2, 32)


@pytest.mark.req(121)
@given(_KINDS, _GRANTS, _GENERATIONS)
def test_a_token_has_unreserved_characters_only(kind: Kind, grant: str, generation: int):
    text = _CODEC.encode(_CODEC.mint(kind, grant, generation))
    assert re.fullmatch(r"dcr[acr]_[A-Za-z0-9_-]{96}", text)


@pytest.mark.req(170)
@given(_KINDS, _GENERATIONS, st.data())
def test_one_changed_character_is_no_token(kind: Kind, generation: int, data: st.DataObject):
    text = _CODEC.encode(_CODEC.mint(kind, _GRANT, generation))
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.one_of(st.sampled_from(string.ascii_letters + string.digits + "-_+/=. \n"), st.characters()))
    assume(other != text[position])
    assert _CODEC.parse(kind, text[:position] + other + text[position + 1 :]) is None


@pytest.mark.req(170)
def test_every_other_character_at_every_place_is_no_token():
    """Base64url decoders know a second alphabet and skip what they do not know; a token has one text all the same."""
    text = next(
        text
        for text in (_CODEC.encode(_CODEC.mint(Kind.ACCESS, _GRANT, number)) for number in range(1000))
        if "-" in text[5:] and "_" in text[5:]
    )
    changed = (
        text[:position] + other + text[position + 1 :]
        for position in range(len(text))
        for other in string.ascii_letters + string.digits + "-_+/=. \n"
        if other != text[position]
    )
    assert [variant for variant in changed if _CODEC.parse(Kind.ACCESS, variant) is not None] == []
    body = text[5:]
    for variant in (body.replace("-", "+"), body.replace("_", "/"), body.translate(str.maketrans("-_", "+/"))):
        assert _CODEC.parse(Kind.ACCESS, text[:5] + variant) is None


@pytest.mark.req(170)
def test_truncated_extended_padded_and_flipped_tokens_are_none():
    text = _CODEC.encode(_CODEC.mint(Kind.ACCESS, _GRANT, 1))
    variants = [text[:length] for length in range(len(text))]
    variants += [text + more for more in ("A", "=", "==", " ", "\n", "AAAA", "A" * 1_000_000)]
    variants += [f" {text}", text.swapcase(), text.upper(), f"{text},{text}", text.replace("dcra_", "dcra_dcra_")]
    assert [variant for variant in variants if _CODEC.parse(Kind.ACCESS, variant) is not None] == []


@given(st.text(max_size=120))
def test_no_text_breaks_the_parser(text: str):
    for kind in Kind:
        assert _CODEC.parse(kind, text) is None
        assert _CODEC.parse(kind, (PREFIX[kind] + text).ljust(101, "A")[:101]) is None


def test_a_kind_never_stands_in_for_another():
    for kind in Kind:
        text = _CODEC.encode(_CODEC.mint(kind, _GRANT, 1))
        for other in Kind:
            relabelled = PREFIX[other] + text.removeprefix(PREFIX[kind])
            assert (_CODEC.parse(other, text) is not None) is (kind is other)
            assert (_CODEC.parse(other, relabelled) is not None) is (kind is other)


@pytest.mark.req(193)
def test_keys_rotate():
    old = _codec(KeyState.ACTIVE, KeyState.PENDING)
    text = old.encode(old.mint(Kind.REFRESH, _GRANT, 1))
    during, after = _codec(), _codec(KeyState.RETIRED)
    assert during.parse(Kind.REFRESH, text) is not None
    assert after.parse(Kind.REFRESH, text) is None
    assert old.parse(Kind.REFRESH, during.encode(during.mint(Kind.REFRESH, _GRANT, 2))) is not None


def test_a_token_of_another_deployment_is_none():
    theirs = TokenCodec(Keyring((Key(2, KeyState.ACTIVE, _OTHER),)), SeededEntropy())
    assert _CODEC.parse(Kind.ACCESS, theirs.encode(theirs.mint(Kind.ACCESS, _GRANT, 1))) is None


def test_a_data_key_opens_for_its_token_only():
    token = _CODEC.mint(Kind.ACCESS, _GRANT, 7)
    wrapped = _CODEC.wrap(token, _OTHER)
    assert _CODEC.unwrap(token, wrapped) == _OTHER
    assert _OTHER not in wrapped
    strangers = [
        Token(Kind.REFRESH, token.key_id, token.grant_id, token.generation, token.secret),
        Token(token.kind, 1, token.grant_id, token.generation, token.secret),
        Token(token.kind, token.key_id, "f" * 32, token.generation, token.secret),
        Token(token.kind, token.key_id, token.grant_id, 8, token.secret),
        Token(token.kind, token.key_id, token.grant_id, token.generation, bytes(32)),
    ]
    for stranger in strangers:
        with pytest.raises(SealError):
            _CODEC.unwrap(stranger, wrapped)
    with pytest.raises(SealError):
        _codec(KeyState.ACTIVE, KeyState.RETIRED).unwrap(token, wrapped)


def test_a_secret_is_not_shown():
    token = _CODEC.mint(Kind.CODE, _GRANT, 1)
    assert repr(token.secret) not in repr(token)
    assert token.secret.hex() not in repr(token)


def test_two_tokens_of_one_generation_differ():
    assert _CODEC.encode(_CODEC.mint(Kind.CODE, _GRANT, 1)) != _CODEC.encode(_CODEC.mint(Kind.CODE, _GRANT, 1))

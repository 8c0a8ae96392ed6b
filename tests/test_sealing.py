"""The keyring and authenticated encryption: what was not sealed for this purpose, here, by us, does not open."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.sealing import (
    CompactSealer,
    Key,
    Keyring,
    KeyState,
    Sealer,
    SealError,
    derive_once,
    length_prefixed,
    open_under,
    seal_under,
    unwrap_key,
    wrap_key,
)
from tests.fakes.entropy import SeededEntropy

_DRAW = SeededEntropy(seed=11)
_FIRST, _SECOND, _THIRD = _DRAW(32), _DRAW(32), _DRAW(32)
_PENDING, _ACTIVE, _OPEN, _RETIRED = KeyState.PENDING, KeyState.ACTIVE, KeyState.OPEN, KeyState.RETIRED


def _ring(first: KeyState = _ACTIVE, second: KeyState = _PENDING) -> Keyring:
    return Keyring((Key(1, first, _FIRST), Key(2, second, _SECOND)))


def _sealers(ring: Keyring, purpose: str = "test") -> tuple[Sealer, CompactSealer]:
    return Sealer(ring, purpose, SeededEntropy()), CompactSealer(ring, purpose)


@pytest.mark.req(193)
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens(plaintext: bytes, aad: bytes):
    for sealer in _sealers(_ring()):
        assert sealer.open(sealer.seal(plaintext, aad), aad) == plaintext


@pytest.mark.req(193)
@given(st.binary(max_size=60), st.binary(max_size=20), st.data())
def test_one_changed_byte_closes_it(plaintext: bytes, aad: bytes, data: st.DataObject):
    for sealer in _sealers(_ring(_ACTIVE, _OPEN)):
        sealed = bytearray(sealer.seal(plaintext, aad))
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(SealError):
            sealer.open(bytes(sealed), aad)


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(min_size=1, max_size=10))
def test_other_associated_data_closes_it(plaintext: bytes, aad: bytes, more: bytes):
    for sealer in _sealers(_ring()):
        sealed = sealer.seal(plaintext, aad)
        with pytest.raises(SealError):
            sealer.open(sealed, aad + more)


def test_every_truncation_and_extension_is_refused():
    for sealer in _sealers(_ring()):
        sealed = sealer.seal(b"plaintext", b"aad")
        for length in range(len(sealed)):
            with pytest.raises(SealError):
                sealer.open(sealed[:length], b"aad")
        with pytest.raises(SealError):
            sealer.open(sealed + b"\0", b"aad")


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_seal_errors(sealed: bytes):
    for sealer in _sealers(_ring()):
        with pytest.raises(SealError):
            sealer.open(sealed, b"")


def test_what_is_sealed_for_one_purpose_opens_for_no_other():
    ring = _ring()
    for here, there in zip(_sealers(ring, "a"), _sealers(ring, "b"), strict=True):
        with pytest.raises(SealError):
            there.open(here.seal(b"x", b""), b"")


def test_the_same_plaintext_is_sealed_differently_each_time():
    sealer, _ = _sealers(_ring())
    assert sealer.seal(b"x", b"") != sealer.seal(b"x", b"")


@pytest.mark.req(193)
def test_keys_rotate_from_pending_to_retired():
    for index in (0, 1):
        before = _sealers(_ring(_ACTIVE, _PENDING))[index]
        during = _sealers(_ring(_OPEN, _ACTIVE))[index]
        after = _sealers(_ring(_RETIRED, _ACTIVE))[index]
        old, new = before.seal(b"old", b""), during.seal(b"new", b"")
        assert during.open(old, b"") == b"old"
        assert before.open(new, b"") == b"new", "a replica that is behind knows the pending key"
        assert after.open(new, b"") == b"new"
        with pytest.raises(SealError):
            after.open(old, b"")


def test_another_deployment_opens_nothing():
    other = Keyring((Key(1, _ACTIVE, _THIRD),))
    for ours, theirs in zip(_sealers(_ring()), _sealers(other), strict=True):
        with pytest.raises(SealError):
            theirs.open(ours.seal(b"x", b""), b"")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param((), "exactly one", id="none"),
        pytest.param((Key(1, _OPEN, _FIRST),), "exactly one", id="none active"),
        pytest.param((Key(1, _ACTIVE, _FIRST), Key(2, _ACTIVE, _SECOND)), "exactly one", id="two active"),
        pytest.param((Key(1, _ACTIVE, _FIRST), Key(1, _OPEN, _SECOND)), "same id", id="same id"),
        pytest.param((Key(1, _ACTIVE, _FIRST), Key(2, _OPEN, _FIRST)), "equal", id="equal keys"),
        pytest.param((Key(1, _ACTIVE, b""),), "32 random bytes", id="empty"),
        pytest.param((Key(1, _ACTIVE, _FIRST[:31]),), "32 random bytes", id="short"),
        pytest.param((Key(1, _ACTIVE, _FIRST + b"x"),), "32 random bytes", id="long"),
        pytest.param((Key(1, _ACTIVE, bytes(32)),), "32 random bytes", id="zeros"),
        pytest.param((Key(1, _ACTIVE, b"change me" * 4),), "32 random bytes", id="an example"),
        pytest.param((Key(65536, _ACTIVE, _FIRST),), "0 to 65535", id="large id"),
        pytest.param((Key(-1, _ACTIVE, _FIRST),), "0 to 65535", id="negative id"),
    ],
)
def test_a_keyring_that_is_not_one_is_refused(keys: tuple[Key, ...], message: str):
    with pytest.raises(ValueError, match=message):
        Keyring(keys)


def test_key_material_is_not_shown():
    ring = _ring()
    assert _FIRST.hex() not in repr(ring.keys)
    assert repr(_FIRST) not in repr(ring.keys)


def test_purposes_and_keys_give_different_keys():
    ring = _ring(_ACTIVE, _OPEN)
    derived = [ring.derive(key, purpose) for key, purpose in itertools.product((1, 2), ("a", "b", "ab"))]
    assert len(set(derived)) == len(derived)
    assert len(ring.derive(1, "a", 64)) == 64
    assert ring.derive(1, "a") == ring.derive(1, "a")


@given(st.binary(max_size=100), st.binary(max_size=30))
def test_a_data_key_seals_and_opens(plaintext: bytes, aad: bytes):
    sealed = seal_under(_FIRST, plaintext, aad, SeededEntropy())
    assert open_under(_FIRST, sealed, aad) == plaintext
    for key, other in ((_SECOND, aad), (_FIRST, aad + b"x")):
        with pytest.raises(SealError):
            open_under(key, sealed, other)
    for short in (b"", sealed[:5], sealed[:12], sealed[:-1]):
        with pytest.raises(SealError):
            open_under(_FIRST, short, aad)


def test_a_wrapped_key_needs_its_wrapping_key():
    wrapped = wrap_key(_FIRST, _SECOND)
    assert unwrap_key(_FIRST, wrapped) == _SECOND
    assert _SECOND not in wrapped
    for wrapping, damaged in ((_THIRD, wrapped), (_FIRST, wrapped[:-1]), (_FIRST, b""), (_FIRST, bytes(40))):
        with pytest.raises(SealError):
            unwrap_key(wrapping, damaged)


def test_a_key_that_is_derived_once_depends_on_everything():
    keys = {
        derive_once(material, salt, info) for material in (b"a", b"b") for salt in (b"c", b"d") for info in (b"", b"e")
    }
    assert len(keys) == 8


@given(st.lists(st.one_of(st.text(max_size=5), st.binary(max_size=5)), max_size=4), st.lists(st.binary(max_size=5)))
def test_two_lists_of_parts_are_never_joined_to_the_same(one: list[str | bytes], other: list[bytes]):
    as_bytes = [part.encode(errors="replace") if isinstance(part, str) else part for part in one]
    assert (length_prefixed(*as_bytes) == length_prefixed(*other)) is (as_bytes == other)

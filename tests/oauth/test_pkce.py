"""RFC 7636, S256 only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.oauth import pkce

# RFC 7636 appendix B.
_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_s256_gives_the_challenge_of_the_standard():
    assert pkce.s256(_VERIFIER) == _CHALLENGE


@pytest.mark.req(137)
@pytest.mark.parametrize(
    ("verifier", "valid"),
    [
        pytest.param("a" * 42, False, id="too short"),
        pytest.param("a" * 43, True, id="shortest"),
        pytest.param("a" * 128, True, id="longest"),
        pytest.param("a" * 129, False, id="too long"),
        pytest.param("", False, id="empty"),
        pytest.param("-._~" * 11, True, id="every mark"),
        pytest.param("a" * 43 + "\n", False, id="line end"),
        pytest.param("a" * 42 + "+", False, id="plus"),
        pytest.param("a" * 42 + "/", False, id="slash"),
        pytest.param("a" * 42 + "=", False, id="padding"),
        pytest.param("a" * 42 + " ", False, id="space"),
        pytest.param("a" * 42 + "é", False, id="not ASCII"),
        pytest.param("a" * 42 + "\u0661", False, id="a digit of another script"),
    ],
)
def test_a_verifier_is_43_to_128_unreserved_characters(verifier: str, valid: bool):
    assert pkce.valid_verifier(verifier) is valid


@pytest.mark.req(93)
@pytest.mark.parametrize(
    ("challenge", "valid"),
    [
        pytest.param(_CHALLENGE, True, id="of the standard"),
        pytest.param(_CHALLENGE[:-1], False, id="42 characters"),
        pytest.param(_CHALLENGE + "A", False, id="44 characters"),
        pytest.param("a" * 129, False, id="129 characters"),
        pytest.param(_CHALLENGE[:-1] + "=", False, id="padded"),
        pytest.param(_CHALLENGE[:-1] + "+", False, id="plus"),
        pytest.param(_CHALLENGE[:-1] + "/", False, id="slash"),
        pytest.param(_CHALLENGE[:-1] + "~", False, id="tilde"),
        pytest.param(_CHALLENGE + "\n", False, id="line end"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_challenge_is_43_base64url_characters(challenge: str, valid: bool):
    assert pkce.valid_challenge(challenge) is valid


@given(st.binary(min_size=32, max_size=64))
def test_a_new_verifier_is_valid_and_so_is_its_challenge(random: bytes):
    verifier = pkce.new_verifier(random)
    assert pkce.valid_verifier(verifier)
    assert pkce.valid_challenge(pkce.s256(verifier))


def test_two_draws_give_two_verifiers():
    assert pkce.new_verifier(bytes(32)) != pkce.new_verifier(b"\1" * 32)


def test_a_verifier_is_not_made_of_too_little_randomness():
    with pytest.raises(ValueError, match="32 random bytes"):
        pkce.new_verifier(bytes(31))

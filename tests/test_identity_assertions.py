"""What an assertion says, and where its keys come from."""

from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet

from sidecar.identity_assertions import IdentityAssertions
from sidecar.records import Grant, Identity
from sidecar.sealing import Key, Keyring, KeyState
from tests.fakes.entropy import SeededEntropy

ISSUER = "https://mcp.example.com"
NOW = 1_800_000_000
ALICE = Identity("alice", "Alice Liddell", "alice@example.com", email_verified=True, groups=("staff", "ünits"))
GRANT = Grant(
    id="0" * 32,
    issuer=ISSUER,
    pool_id="corp-1",
    client_id="dcr1-client",
    client_name="Inspector",
    server="notes",
    resource=f"{ISSUER}/mcp",
    scopes=("notes.read", "notes.write"),
    identity=ALICE,
    redirect_uri="http://127.0.0.1/cb",
    code_challenge="c",
    refreshable=True,
    created_at=NOW,
    expires_at=NOW + 86400,
    reference="ref",
)


def key(number: int, state: KeyState, seed: int = 0) -> Key:
    return Key(number, state, SeededEntropy(seed or number)(32))


def over(*keys: Key) -> IdentityAssertions:
    return IdentityAssertions(Keyring(keys), SeededEntropy(9))


ONE = over(key(1, KeyState.ACTIVE))


def read(text: str, assertions: IdentityAssertions = ONE, issuer: str = ISSUER) -> jwt.Token:
    return jwt.decode(text, KeySet.import_key_set(assertions.key_set(issuer)), algorithms=["ES256"])  # type: ignore[arg-type]


def test_it_says_who_calls_through_what_and_for_how_long():
    token = read(ONE.sign(GRANT, ("notes.read",), now=NOW, ends=NOW + 3600))
    assert token.header == {"alg": "ES256", "typ": "JWT", "kid": ONE.key_set(ISSUER)["keys"][0]["kid"]}
    assert token.claims.pop("jti")
    assert token.claims == {
        "iss": ISSUER,
        "aud": f"{ISSUER}/mcp",
        "sub": "alice",
        "client_id": "dcr1-client",
        "scope": "notes.read",
        "name": "Alice Liddell",
        "email": "alice@example.com",
        "email_verified": True,
        "groups": ["staff", "ünits"],
        "iat": NOW,
        "exp": NOW + 300,
    }


def test_what_the_idp_did_not_say_is_not_there():
    grant = replace(GRANT, identity=Identity("alice"))
    claims = read(ONE.sign(grant, (), now=NOW, ends=NOW + 60)).claims
    assert set(claims) == {"iss", "aud", "sub", "client_id", "scope", "iat", "exp", "jti"}
    assert claims["exp"] == NOW + 60


def test_an_address_that_nobody_vouches_for_says_so():
    grant = replace(GRANT, identity=replace(ALICE, email_verified=False))
    claims = read(ONE.sign(grant, (), now=NOW, ends=NOW + 60)).claims
    assert (claims["email"], claims["email_verified"]) == ("alice@example.com", False)


def test_groups_that_do_not_fit_are_left_out_whole_and_their_absence_is_told():
    many = tuple(f"group-{number:04}" for number in range(500))
    claims = read(ONE.sign(replace(GRANT, identity=replace(ALICE, groups=many)), (), now=NOW, ends=NOW + 60)).claims
    assert "groups" not in claims
    assert claims["groups_omitted"] is True


def test_two_assertions_are_never_one():
    first, second = (ONE.sign(GRANT, (), now=NOW, ends=NOW + 60) for _ in range(2))
    assert read(first).claims["jti"] != read(second).claims["jti"]


def test_keys_follow_from_the_keyring_alone():
    """Another process, another day, the same key; another key file's key 1 has another name."""
    again, other = over(key(1, KeyState.ACTIVE)), over(key(1, KeyState.ACTIVE, seed=5))
    assert again.key_set(ISSUER) == ONE.key_set(ISSUER)
    assert other.key_set(ISSUER)["keys"][0]["kid"] != ONE.key_set(ISSUER)["keys"][0]["kid"]
    with pytest.raises((BadSignatureError, InvalidKeyIdError)):
        read(other.sign(GRANT, (), now=NOW, ends=NOW + 60))


def test_what_one_issuer_signed_verifies_under_no_other():
    elsewhere = replace(GRANT, issuer="https://other.example.com")
    with pytest.raises((BadSignatureError, InvalidKeyIdError)):
        read(ONE.sign(elsewhere, (), now=NOW, ends=NOW + 60))


def test_every_key_that_is_not_retired_is_published_without_its_secret():
    states = (KeyState.ACTIVE, KeyState.PENDING, KeyState.OPEN, KeyState.RETIRED)
    found = over(*(key(number, state) for number, state in enumerate(states, 1))).key_set(ISSUER)["keys"]
    assert len({entry["kid"] for entry in found}) == 3
    for entry in found:
        assert {name: entry[name] for name in ("kty", "crv", "use", "alg")} == {
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
        }
        assert set(entry) == {"kty", "crv", "use", "alg", "kid", "x", "y"}


@pytest.mark.parametrize("seed", range(1, 40))
def test_the_active_key_signs(seed: int):
    """Over many keyrings: every derived scalar is a key of the curve."""
    ring = over(key(2, KeyState.OPEN, seed=100 + seed), key(1, KeyState.ACTIVE, seed=seed))
    assert (
        read(ring.sign(GRANT, (), now=NOW, ends=NOW + 60), ring).header["kid"] == ring.key_set(ISSUER)["keys"][1]["kid"]
    )

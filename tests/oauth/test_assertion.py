"""Client assertions (RFC 7523 2.2 and 3): what they must say, and when. Signatures and keys: test_signatures."""

import time
from base64 import urlsafe_b64encode

import orjson
import pytest
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from hypothesis import given
from hypothesis import strategies as st
from mcp.client.auth.extensions.client_credentials import SignedJWTParameters

from sidecar.oauth.assertion import ASSERTION_TYPE, LIFETIME, SKEW, Proof, UnknownKey, claimed_client, verify
from sidecar.oauth.authentication import client_credentials
from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.params import form_fields
from tests.oauth.signing import CLIENT, ISSUER, NOW, claims, key_for, key_set, public, signed

_AUDIENCES = frozenset({ISSUER, f"{ISSUER}/token"})
_KEY = key_for("ES256")
_KEYS = key_set(public(_KEY))


def _verify(assertion: str, keys: dict[str, object] = _KEYS, *, now: int = NOW) -> Proof:
    return verify(assertion, keys, client_id=CLIENT, audiences=_AUDIENCES, now=now)


def _refused(assertion: str) -> InvalidClient:
    with pytest.raises(InvalidClient) as caught:
        _verify(assertion)
    assert (caught.value.status, caught.value.description) == (401, InvalidClient.default)
    assert caught.value.reason != InvalidClient.default
    return caught.value


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as it should be"),
        pytest.param({"aud": f"{ISSUER}/token"}, id="for the token endpoint"),
        pytest.param({"aud": [ISSUER]}, id="a list of one audience"),
        pytest.param({"iat": None}, id="no time of issue"),
        pytest.param({"nbf": NOW}, id="not before now"),
        pytest.param({"iat": NOW + SKEW, "nbf": NOW + SKEW}, id="a clock that is ahead"),
        pytest.param({"exp": NOW + LIFETIME + SKEW}, id="the longest life, by a clock that is ahead"),
        pytest.param({"exp": NOW - SKEW + 1, "iat": NOW - LIFETIME - SKEW}, id="a clock that is behind"),
        pytest.param({"exp": NOW + 59.5, "iat": NOW - 0.5}, id="fractions of a second"),
        pytest.param({"jti": "j" * 256}, id="the longest jti"),
        pytest.param({"scope": "x", "events": {"a": [None]}}, id="more claims"),
    ],
)
def test_an_assertion_that_is_right_proves_its_client(changes: dict[str, object]):
    said = claims(**changes)
    proof = _verify(signed(said, _KEY))
    assert proof == Proof(said["jti"], proof.expires_at)
    assert proof.expires_at - 1 < said["exp"] <= proof.expires_at
    assert isinstance(proof.expires_at, int)


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"iss": "https://other.example/client.json"}, id="another issuer"),
        pytest.param({"iss": CLIENT.upper()}, id="issuer in another case"),
        pytest.param({"iss": [CLIENT]}, id="issuer in a list"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"sub": "https://other.example/client.json"}, id="another subject"),
        pytest.param({"sub": f"{CLIENT}/"}, id="subject with a slash"),
        pytest.param({"iss": "x", "sub": "x"}, id="another client"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"aud": ""}, id="empty audience"),
        pytest.param({"aud": []}, id="empty list of audiences"),
        pytest.param({"aud": "https://other.example"}, id="another server"),
        pytest.param({"aud": f"{ISSUER}/"}, id="with a slash that is not listed"),
        pytest.param({"aud": f"{ISSUER}/token/"}, id="below our token endpoint"),
        pytest.param({"aud": f"{ISSUER}.evil.example"}, id="our name as a prefix"),
        pytest.param({"aud": [ISSUER, "https://other.example"]}, id="ours and another's"),
        pytest.param({"aud": ["https://other.example", ISSUER]}, id="another's and ours"),
        pytest.param({"aud": [ISSUER, f"{ISSUER}/token"]}, id="two of ours"),
        pytest.param({"aud": [[ISSUER]]}, id="a list in a list"),
        pytest.param({"aud": {ISSUER: 1}}, id="an object"),
        pytest.param({"aud": 1}, id="a number"),
        pytest.param({"exp": None}, id="no end"),
        pytest.param({"exp": NOW - SKEW}, id="expired"),
        pytest.param({"exp": NOW + LIFETIME + SKEW + 1}, id="too long a life"),
        pytest.param({"exp": NOW * 1000}, id="milliseconds"),
        pytest.param({"exp": 10**40}, id="a number beyond every integer"),
        pytest.param({"exp": str(NOW + 60)}, id="end in a string"),
        pytest.param({"exp": True}, id="true"),
        pytest.param({"exp": [NOW + 60]}, id="end in a list"),
        pytest.param({"iat": NOW - LIFETIME - SKEW - 1}, id="issued long ago"),
        pytest.param({"iat": NOW + SKEW + 1}, id="issued in the future"),
        pytest.param({"iat": "now"}, id="issued in words"),
        pytest.param({"iat": False}, id="issued false"),
        pytest.param({"nbf": NOW + SKEW + 1}, id="not valid yet"),
        pytest.param({"nbf": "0"}, id="not before a string"),
        pytest.param({"nbf": True}, id="not before true"),
        pytest.param({"jti": None}, id="no jti"),
        pytest.param({"jti": ""}, id="empty jti"),
        pytest.param({"jti": "j" * 257}, id="long jti"),
        pytest.param({"jti": 1}, id="jti that is a number"),
        pytest.param({"jti": ["j"]}, id="jti in a list"),
        pytest.param({"x": "a" * 8192}, id="more than eight KiB"),
    ],
)
def test_an_assertion_that_says_anything_else_is_refused(changes: dict[str, object]):
    said = claims(**{name: value for name, value in changes.items() if value != 10**40})
    raw = orjson.dumps(said)
    if 10**40 in changes.values():
        raw = raw.replace(b'"exp":1800000060', b'"exp":1' + b"0" * 40)
    _refused(signed(raw, _KEY))


@pytest.mark.req(157)
@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"exp":NaN}', b"[" * 5000])
def test_a_signed_payload_without_claims_is_refused(payload: bytes):
    _refused(signed(payload, _KEY))


@pytest.mark.req(157)
def test_the_signature_comes_before_the_claims():
    """A forger learns nothing about what would have been accepted."""
    wrong = claims(aud="https://other.example", exp=1, jti=None)
    assert _refused(signed(wrong, key_for("ES256", 2))).reason == "the assertion's signature is wrong"


@pytest.mark.req(157)
def test_what_was_used_is_remembered_until_no_replica_accepts_it():
    proof = _verify(signed(claims(exp=NOW + LIFETIME + SKEW), _KEY))
    seconds = proof.seconds_to_remember(NOW)
    assert seconds == LIFETIME + 3 * SKEW
    last = max(
        now for now in range(NOW, NOW + 900) if _accepted(signed(claims(exp=proof.expires_at, iat=None), _KEY), now)
    )
    assert NOW + seconds - SKEW > last  # a replica whose clock is behind by the skew still finds it
    assert _verify(signed(claims(exp=NOW - SKEW + 0.5), _KEY)).seconds_to_remember(NOW) >= 1


def _accepted(assertion: str, now: int) -> bool:
    try:
        return bool(_verify(assertion, now=now))
    except InvalidClient:
        return False


# Whom it says it is from ---------------------------------------------------------------------------------------------


def _unsigned(payload: bytes) -> str:
    return f"e30.{urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


@pytest.mark.req(157)
def test_whom_an_assertion_is_from_can_be_read_without_a_key():
    assert claimed_client(signed(claims(), _KEY)) == CLIENT
    assert claimed_client(_unsigned(b'{"sub":"dcr1-x"}')) == "dcr1-x"


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "assertion",
    [
        pytest.param("", id="empty"),
        pytest.param("junk", id="junk"),
        pytest.param("e30.e30.", id="no signature"),
        pytest.param("e30..c2ln", id="detached"),
        pytest.param("e30.e30.c2ln.c2ln.c2ln", id="encrypted"),
        pytest.param(_unsigned(b"{}"), id="no subject"),
        pytest.param(_unsigned(b'{"sub":""}'), id="empty subject"),
        pytest.param(_unsigned(b'{"sub":["a"]}'), id="subject in a list"),
        pytest.param(_unsigned(b'{"sub":"a\\u0000b"}'), id="NUL in the subject"),
        pytest.param(_unsigned(b'{"sub":"a\\nb"}'), id="line end in the subject"),
        pytest.param(_unsigned('{"sub":"ü"}'.encode()), id="subject not ASCII"),
        pytest.param(_unsigned(b'{"sub":"\\ud800"}'), id="half a character"),
        pytest.param(_unsigned(b'{"sub":"' + b"a" * 2049 + b'"}'), id="long subject"),
        pytest.param(_unsigned(b'["sub"]'), id="a list"),
        pytest.param(_unsigned(b"\xff\xff"), id="not UTF-8"),
        pytest.param("e30.a.c2ln", id="not base64"),
        pytest.param(_unsigned(b'{"sub":"a"}') + "\n", id="line end"),
        pytest.param(_unsigned(b'{"sub":"a"}').replace(".", " ."), id="blanks"),
        pytest.param(_unsigned(b'{"sub":"a"}') + "a" * 8192, id="too long"),
    ],
)
def test_what_cannot_be_an_assertion_is_refused_unread(assertion: str):
    with pytest.raises(InvalidClient):
        claimed_client(assertion)
    _refused(assertion)


# Real clients --------------------------------------------------------------------------------------------------------


def _read(fields: dict[str, str]) -> str:
    """As /token reads the form; here for the assertion in it."""
    credentials = client_credentials(fields, None)
    assert (credentials.client_id, credentials.method) == (CLIENT, "private_key_jwt")
    return credentials.secret


@pytest.mark.req(80, 157)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS512", "Ed25519"])
def test_an_assertion_by_authlib_s_client_is_accepted(algorithm: str):
    key, now = key_for(algorithm), int(time.time())
    # Its own hour is more than we take; its audience is the URL that it asks.
    method = PrivateKeyJWT(alg=algorithm, claims={"exp": now + 60}, headers={"kid": "k1"})
    auth = ClientAuth(CLIENT, key, method)
    _, _, body = auth.prepare("POST", f"{ISSUER}/token", {}, f"grant_type=refresh_token&client_id={CLIENT}")
    assertion = _read(form_fields(body.encode()))
    assert _verify(assertion, key_set(public(key)), now=now).jti


@pytest.mark.req(80, 157)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_an_assertion_by_the_mcp_sdk_is_accepted(algorithm: str):
    """Five minutes, for the issuer, and without a key id."""
    key = key_for(algorithm)
    parameters = SignedJWTParameters(
        issuer=CLIENT, subject=CLIENT, signing_key=key.as_pem(private=True).decode(), signing_algorithm=algorithm
    )
    assertion = await parameters.create_assertion_provider()(ISSUER)
    fields = {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
    assert _verify(_read(fields), key_set(public(key)), now=int(time.time())).jti


# Whatever comes ------------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([CLIENT, ISSUER])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)
_GOOD = signed(claims(), _KEY)


@pytest.mark.req(157)
@given(st.text(max_size=200))
def test_no_text_raises_anything_but_invalid_client(text: str):
    for candidate in (text, f"e30.{text}.e30", f"{text}.{_GOOD.partition('.')[2]}"):
        for read in (claimed_client, _verify):
            try:
                read(candidate)
            except InvalidClient:
                continue
            assert read is claimed_client


@pytest.mark.req(157)
@given(st.integers(0, len(_GOOD) - 1), st.characters(codec="ascii"))
def test_no_assertion_survives_the_change_of_one_character(place: int, character: str):
    changed = _GOOD[:place] + character + _GOOD[place + 1 :]
    if changed == _GOOD:
        assert _verify(changed)
        return
    with pytest.raises(InvalidClient):
        _verify(changed)


@pytest.mark.req(157)
@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "x"]), _JSON))
def test_only_what_must_be_said_is_accepted_whatever_is_said(changes: dict[str, object]):
    said = {**claims(), **changes}
    try:
        proof = _verify(signed(orjson.dumps(said, option=orjson.OPT_PASSTHROUGH_DATETIME), _KEY))
    except InvalidClient:
        return
    except TypeError:  # an integer that orjson does not write
        return
    assert (said["iss"], said["sub"], proof.jti) == (CLIENT, CLIENT, said["jti"])
    assert said["aud"] in (ISSUER, [ISSUER])
    assert NOW - SKEW < said["exp"] <= NOW + LIFETIME + SKEW


@pytest.mark.req(157)
@given(_JSON, _JSON)
def test_no_key_set_raises_anything_but_invalid_client(keys: object, entry: object):
    sets = [{"keys": keys}, {"keys": [entry, {**public(_KEY), "x": entry}, {**public(_KEY), "kty": entry}]}]
    for candidate in sets:
        with pytest.raises(InvalidClient):
            _verify(_GOOD, candidate)


@pytest.mark.req(157)
def test_a_key_that_is_not_there_is_told_apart_so_that_it_can_be_looked_for():
    with pytest.raises(UnknownKey):
        _verify(signed(claims(), key_for("ES256", 2), kid="k2"))

"""Signatures that clients make: our list of algorithms, what a header may say, and which keys count (RFC 8725)."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from sidecar.oauth.errors import InvalidClient
from sidecar.oauth.jws import ALGORITHMS
from sidecar.oauth.signatures import UnknownKey, signed_payload
from tests.oauth.signing import CURVES, Key, key_for, key_set, public, signed

_TEXT = b'{"sub":"client"}'
_KEY = key_for("ES256")
_OTHER = key_for("ES256", 2)


def _encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _refusal(token: str, *entries: dict[str, object]) -> InvalidClient:
    with pytest.raises(InvalidClient) as caught:
        signed_payload(token, key_set(*entries))
    return caught.value


@pytest.mark.req(157)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_is_published_works(algorithm: str):
    key = key_for(algorithm)
    token = signed(_TEXT, key, algorithm)
    assert signed_payload(token, key_set(public(key))) == _TEXT
    assert signed_payload(token, key_set(public(key, alg=algorithm, use="sig", key_ops=["verify"]))) == _TEXT
    assert type(_refusal(token, public(key_for(algorithm, 2)))) is InvalidClient


@pytest.mark.req(157)
def test_the_list_of_algorithms_is_asymmetric():
    assert ALGORITHMS[0] == "RS256"  # RFC 8414 2: the one that everybody has
    assert not [name for name in ALGORITHMS if name == "none" or name.startswith("HS")]


@pytest.mark.req(157)
@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "ES256K", "Ed448"])
def test_an_algorithm_that_is_not_on_the_list_is_refused_though_its_key_is_published(algorithm: str):
    key = key_for(algorithm)
    entry = {**key.as_dict(private=True), "kid": "k1"} if algorithm.startswith("HS") else public(key)
    assert "algorithm" in _refusal(signed(_TEXT, key, algorithm), entry).reason
    if algorithm == "Ed448":
        assert "key" in _refusal(signed(_TEXT, key, "EdDSA"), entry).reason


@pytest.mark.req(157)
@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "rs256", "ES256 ", None, 1, True, ["ES256"], {}])
def test_an_unsigned_token_is_refused_however_it_is_called(name: object):
    for signature in ("", "c2ln", _encoded(b"\0" * 64)):
        _refusal(f"{_encoded({'alg': name, 'kid': 'k1'})}.{_encoded(_TEXT)}.{signature}", public(_KEY))


@pytest.mark.req(157)
@pytest.mark.parametrize("secret", ["pem", "n", "jwk"])
def test_a_public_key_is_not_taken_for_a_secret(secret: str):
    """The classic confusion of RS256 and HS256 (RFC 8725 2.1)."""
    key = key_for("RS256")
    texts = {"pem": key.as_pem(private=False), "n": str(key["n"]).encode(), "jwk": orjson.dumps(public(key))}
    message = f"{_encoded({'alg': 'HS256', 'kid': 'k1'})}.{_encoded(_TEXT)}"
    forged = f"{message}.{_encoded(hmac.digest(texts[secret], message.encode(), 'sha256'))}"
    _refusal(forged, public(key), {"kty": "oct", "kid": "k1", "k": _encoded(texts[secret])})


# The header ----------------------------------------------------------------------------------------------------------


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "typ", ["JWT", "jwt", "application/jwt", "client-authentication+jwt", "application/Client-Authentication+JWT"]
)
def test_a_type_may_say_what_it_is(typ: str):
    assert signed_payload(signed(_TEXT, _KEY, typ=typ), key_set(public(_KEY))) == _TEXT


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"typ": "at+jwt"}, id="access token"),
        pytest.param({"typ": "dpop+jwt"}, id="DPoP proof"),
        pytest.param({"typ": "oauth-id-jag+jwt"}, id="ID-JAG"),
        pytest.param({"typ": "oauth-authz-req+jwt"}, id="request object"),
        pytest.param({"typ": ""}, id="empty type"),
        pytest.param({"crit": ["exp"], "exp": 1}, id="critical extension"),
        pytest.param({"crit": []}, id="nothing critical"),
        pytest.param({"b64": True}, id="unencoded payload, not"),
        pytest.param({"zip": "DEF"}, id="compressed"),
        pytest.param({"cty": "JWT"}, id="nested"),
        pytest.param({"enc": "A256GCM"}, id="encrypted"),
    ],
)
def test_a_header_that_asks_for_more_than_a_signature_is_refused(header: dict[str, object]):
    assert _refusal(_resigned({"alg": "ES256", "kid": "k1", **header}), public(_KEY)).reason not in {
        "",
        "the assertion's signature is wrong",
    }


def _resigned(header: dict[str, object], key: Key = _KEY) -> str:
    """What the library would not sign, signed all the same."""
    message = f"{_encoded(header)}.{_encoded(_TEXT)}"
    r, s = decode_dss_signature(key.private_key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.mark.req(157)
def test_the_hand_made_signature_of_these_tests_is_a_right_one():
    assert signed_payload(_resigned({"alg": "ES256", "kid": "k1"}), key_set(public(_KEY))) == _TEXT


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"jwk": public(_OTHER)}, id="jwk"),
        pytest.param({"jku": "https://evil.example/jwks.json"}, id="jku"),
        pytest.param({"x5u": "https://evil.example/x.pem"}, id="x5u"),
        pytest.param({"x5c": ["MIIB"]}, id="x5c"),
    ],
)
def test_a_key_in_the_header_is_not_looked_at(header: dict[str, object]):
    assert _refusal(signed(_TEXT, _OTHER, **header), public(_KEY)).reason == "the assertion's signature is wrong"
    assert signed_payload(signed(_TEXT, _KEY, **header), key_set(public(_KEY))) == _TEXT


@pytest.mark.req(157)
@pytest.mark.parametrize("kid", [1, True, ["k1"], {"k1": 1}])
def test_a_key_id_is_a_text(kid: object):
    _refusal(_resigned({"alg": "ES256", "kid": kid}), public(_KEY))


@pytest.mark.req(157)
def test_a_long_header_is_refused():
    _refusal(_resigned({"alg": "ES256", "kid": "k1", "x": "a" * 4096}), public(_KEY))


# The keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.req(157)
def test_the_key_id_selects():
    token = signed(_TEXT, _OTHER, kid="k2")
    assert signed_payload(token, key_set(public(_KEY), public(_OTHER, kid="k2"))) == _TEXT
    # Under another name the right key is the wrong one.
    assert type(_refusal(token, public(_OTHER), public(_KEY, kid="k2"))) is InvalidClient
    # RFC 7517 4.5: keys of different types may share a name.
    assert signed_payload(token, key_set(public(key_for("RS256"), kid="k2"), public(_OTHER, kid="k2"))) == _TEXT


@pytest.mark.req(157)
def test_without_a_key_id_every_key_of_the_type_is_tried():
    token = signed(_TEXT, _OTHER, kid=None)
    keys = [public(key_for("RS256")), public(key_for("ES384")), public(_KEY), public(_OTHER, kid="k2")]
    assert signed_payload(token, key_set(*keys)) == _TEXT
    keys[-1].pop("kid")
    assert signed_payload(token, key_set(*keys)) == _TEXT


@pytest.mark.req(157)
@pytest.mark.parametrize("kid", ["k2", "", "K1", None])
def test_a_key_that_the_client_may_have_added_since_is_unknown(kid: str | None):
    assert type(_refusal(signed(_TEXT, _OTHER, kid=kid), public(_KEY))) is UnknownKey
    assert type(_refusal(signed(_TEXT, _OTHER, kid=kid))) is UnknownKey


@pytest.mark.req(157)
def test_a_set_of_very_many_keys_costs_a_bounded_number_of_tries():
    many = [public(_KEY)] * 8
    assert signed_payload(signed(_TEXT, _OTHER, kid=None), key_set(*many[:7], public(_OTHER))) == _TEXT
    assert type(_refusal(signed(_TEXT, _OTHER, kid=None), *many, public(_OTHER))) is UnknownKey
    assert signed_payload(signed(_TEXT, _OTHER, kid="k2"), key_set(*many, public(_OTHER, kid="k2"))) == _TEXT
    assert type(_refusal(signed(_TEXT, _OTHER, kid="k2"), *many * 13, public(_OTHER, kid="k2"))) is UnknownKey


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"use": "enc"}, id="for encryption"),
        pytest.param({"use": None}, id="for nothing"),
        pytest.param({"key_ops": ["sign"]}, id="for signing only"),
        pytest.param({"key_ops": "verify"}, id="operations in a string"),
        pytest.param({"alg": "ES384"}, id="for another algorithm"),
        pytest.param({"alg": "ECDH-ES"}, id="for key agreement"),
        pytest.param({"alg": ["ES256"]}, id="algorithm in a list"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="symmetric"),
        pytest.param({"kty": "RSA"}, id="of another type"),
        pytest.param({"crv": "P-384"}, id="of another curve"),
        pytest.param({"crv": None}, id="of no curve"),
        pytest.param({"d": "AAAA"}, id="private"),
        pytest.param({"x": "AAAA"}, id="not on the curve"),
        pytest.param({"x": 1}, id="a number for a coordinate"),
        pytest.param({"y": "ü"}, id="not base64"),
    ],
)
def test_a_key_that_contradicts_its_use_is_none(changes: dict[str, object]):
    token = signed(_TEXT, _KEY)
    assert type(_refusal(token, public(_KEY, **changes))) is InvalidClient
    assert signed_payload(token, key_set(public(_KEY, **changes), public(_KEY))) == _TEXT


@pytest.mark.req(157)
def test_a_published_private_key_is_nobody_s_proof():
    for algorithm in ("RS256", "ES256", "Ed25519"):
        key = key_for(algorithm)
        entry = {**key.as_dict(private=True), "kid": "k1"}
        assert type(_refusal(signed(_TEXT, key, algorithm), entry)) is InvalidClient


@pytest.mark.req(157)
@pytest.mark.parametrize("size", [1024, 2040, 8200])
def test_an_rsa_key_is_neither_short_nor_huge(size: int):
    if size > 8192:
        entry = {"kty": "RSA", "kid": "k1", "e": "AQAB", "n": _encoded(b"\xff" * (size // 8))}
        token = signed(_TEXT, key_for("RS256"), "RS256")
    else:
        entry = public(key_for("RS256", size=size))
        token = signed(_TEXT, key_for("RS256", size=size), "RS256")
    assert "key" in _refusal(token, entry).reason
    # Nor is a short one with zeros before it a long one.
    entry["n"] = _encoded(b"\0" * 300 + urlsafe_b64decode(str(entry["n"]) + "=="))
    assert "key" in _refusal(token, entry).reason


@pytest.mark.req(157)
def test_an_rsa_exponent_that_takes_long_is_not_even_tried():
    """At 3072 bits OpenSSL takes any: eight such keys held everybody up for a tenth of a second."""
    key = key_for("RS256", size=3072)
    entry = public(key, e=_encoded(b"\x01" + b"\xff" * 8))
    assert "not one that we use" in _refusal(signed(_TEXT, key, "RS256"), entry).reason


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "member", [{"n": 1}, {"n": "ü"}, {"n": "a"}, {"n": "a" * 5000}, {"e": "AA"}, {"e": "Ag"}, {"e": 3}]
)
def test_a_broken_rsa_key_is_none(member: dict[str, object]):
    key = key_for("RS256")
    assert type(_refusal(signed(_TEXT, key, "RS256"), public(key, **member))) is InvalidClient


@pytest.mark.req(157)
def test_an_rsa_signature_is_of_the_kind_that_the_header_says():
    key = key_for("RS256")
    for algorithm, other in (("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512")):
        body = f"{_encoded({'alg': other, 'kid': 'k1'})}.{_encoded(_TEXT)}"
        token = f"{body}.{signed(_TEXT, key, algorithm).split('.')[2]}"
        assert _refusal(token, public(key)).reason == "the assertion's signature is wrong"
        assert _refusal(signed(_TEXT, key, algorithm), public(key, alg=other)).reason.startswith("the key")


@pytest.mark.req(157)
@pytest.mark.parametrize(("said", "used"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
def test_the_two_names_of_one_algorithm_do_not_contradict(said: str, used: str):
    key = key_for("Ed25519")
    assert signed_payload(signed(_TEXT, key, used), key_set(public(key, alg=said))) == _TEXT


@pytest.mark.req(157)
def test_a_curve_belongs_to_its_algorithm():
    for algorithm, curve in CURVES.items():
        if curve != "P-256":
            token = f"{_encoded({'alg': 'ES256', 'kid': 'k1'})}.{_encoded(_TEXT)}.{_encoded(b'x' * 64)}"
            assert "key" in _refusal(token, public(key_for(algorithm))).reason


@pytest.mark.req(157)
@pytest.mark.parametrize(
    "keys", [{}, {"keys": None}, {"keys": "x"}, {"keys": {"kid": "k1"}}, {"keys": [None, 1, "k1", []]}]
)
def test_what_is_not_a_key_set_has_no_keys(keys: dict[str, object]):
    with pytest.raises(InvalidClient):
        signed_payload(signed(_TEXT, _KEY), keys)

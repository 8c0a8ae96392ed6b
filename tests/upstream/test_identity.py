"""id_tokens by mutation, and what is read from claims that verified."""

import contextlib
import hmac
import json
import warnings
from base64 import urlsafe_b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sidecar.upstream.base import UpstreamMalformed
from sidecar.upstream.identity import (
    UnknownKey,
    VerificationKey,
    flat,
    identity_of,
    import_keys,
    verified_email,
    verify_id_token,
)
from sidecar.upstream.provider import Provider
from sidecar.upstream.quirks import Quirks, preset
from tests.fakes.idp import rsa_key, sign

NOW = 1_800_000_000
ISSUER = "https://idp.example.com"
TENANT = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
MS = "https://login.microsoftonline.com"
KEY = rsa_key("k1")
JWK = KEY.as_dict(private=False)
HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}
CLAIMS = {"iss": ISSUER, "sub": "alice", "aud": "app", "iat": NOW, "exp": NOW + 600, "nonce": "n-1"}


def provider(issuer: str = ISSUER) -> Provider:
    return Provider(issuer, "a", "t", "", "", "j", "post", sends_iss=False)


def verify(token: str, *, keys=None, issuer: str = ISSUER, quirks: Quirks | None = None, now: int = NOW):
    published = import_keys({"keys": [JWK]}) if keys is None else keys
    return verify_id_token(
        token, published, provider(issuer), quirks or Quirks(), client_id="app", nonce="n-1", now=now
    )


def token(header: dict | None = None, claims: dict | None = None, key=KEY) -> str:
    return sign(HEADER | (header or {}), CLAIMS | (claims or {}), key)


@pytest.mark.parametrize(
    ("claims", "now"),
    [
        pytest.param({}, NOW, id="plain"),
        pytest.param({"aud": ["app"]}, NOW, id="list"),
        pytest.param({"aud": ["app", "api"], "azp": "app"}, NOW, id="several-with-azp"),
        pytest.param({}, NOW + 659, id="expired-within-the-leeway"),
        pytest.param({"iat": NOW + 60, "nbf": NOW + 60}, NOW, id="early-within-the-leeway"),
        pytest.param({"exp": NOW + 0.5}, NOW, id="fraction"),
    ],
)
def test_a_good_token_verifies(claims, now):
    assert verify(token(claims=claims), now=now)["sub"] == "alice"


@pytest.mark.req(118)
@pytest.mark.parametrize(
    ("claims", "now"),
    [
        pytest.param({"iss": ISSUER + "/"}, NOW, id="iss-slash"),
        pytest.param({"iss": ISSUER + ".evil.example"}, NOW, id="iss-prefix"),
        pytest.param({"iss": None}, NOW, id="iss-null"),
        pytest.param({"iss": [ISSUER]}, NOW, id="iss-list"),
        pytest.param({"aud": "other"}, NOW, id="aud"),
        pytest.param({"aud": []}, NOW, id="aud-empty"),
        pytest.param({"aud": "app2"}, NOW, id="aud-prefix"),
        pytest.param({"aud": {"app": 1}}, NOW, id="aud-object"),
        pytest.param({"aud": ["app", "api"]}, NOW, id="several-without-azp"),
        pytest.param({"aud": ["app", "api"], "azp": "api"}, NOW, id="several-with-another-azp"),
        pytest.param({"azp": "api"}, NOW, id="azp"),
        pytest.param({}, NOW + 660, id="expired"),
        pytest.param({"exp": None}, NOW, id="no-exp"),
        pytest.param({"exp": str(NOW + 600)}, NOW, id="exp-text"),
        pytest.param({"exp": True}, 0, id="exp-bool"),
        pytest.param({"exp": float("inf")}, NOW, id="exp-infinite"),
        pytest.param({"iat": NOW + 61}, NOW, id="iat-future"),
        pytest.param({"iat": None}, NOW, id="no-iat"),
        pytest.param({"nbf": NOW + 61}, NOW, id="nbf-future"),
        pytest.param({"nonce": "n-2"}, NOW, id="nonce"),
        pytest.param({"nonce": ""}, NOW, id="nonce-empty"),
        pytest.param({"nonce": ["n-1"]}, NOW, id="nonce-list"),
        pytest.param({"nonce": "n-ä"}, NOW, id="nonce-not-ascii"),
    ],
)
def test_a_wrong_claim_is_refused(claims, now):
    """OpenID Connect Core 3.1.3.7."""
    with pytest.raises(UpstreamMalformed):
        verify(token(claims=claims), now=now)


def b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _hs256_with_the_public_key() -> str:
    signed = f"{b64(json.dumps(HEADER | {'alg': 'HS256'}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(hmac.digest(KEY.as_pem(private=False), signed.encode(), 'sha256'))}"


STRANGER = rsa_key("stranger")


def unsigned(header: dict) -> str:
    return f"{b64(json.dumps(HEADER | header).encode())}.{b64(json.dumps(CLAIMS).encode())}."


@pytest.mark.req(118)
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: unsigned({"alg": "none"}), id="alg-none"),
        pytest.param(_hs256_with_the_public_key, id="hs256-with-the-public-key"),
        pytest.param(lambda: token(key=STRANGER), id="another-key"),
        pytest.param(lambda: token({"jwk": STRANGER.as_dict(private=False)}, key=STRANGER), id="jwk-header"),
        pytest.param(lambda: token({"jku": "https://evil.example/jwks"}, key=STRANGER), id="jku-header"),
        pytest.param(lambda: token({"crit": ["x"], "x": 1}), id="crit"),
        pytest.param(lambda: token({"crit": []}), id="crit-empty"),
        pytest.param(lambda: token({"typ": "at+jwt"}), id="an-access-token"),
        pytest.param(lambda: token({"typ": "logout+jwt"}), id="a-logout-token"),
        pytest.param(lambda: token()[:-4] + "AAAA", id="signature-changed"),
        pytest.param(lambda: token().rsplit(".", 1)[0] + ".", id="signature-cut"),
        pytest.param(lambda: token() + ".x.y", id="five-parts"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "...", id="dots"),
        pytest.param(lambda: "é.b.c", id="not-ascii"),
        pytest.param(lambda: f"{b64(b'[]')}.e30.x", id="header-list"),
        pytest.param(lambda: unsigned({"alg": ["RS256"]}), id="alg-list"),
        pytest.param(lambda: unsigned({"alg": "RS256", "kid": ["k1"]}), id="kid-list"),
        pytest.param(lambda: f"{b64(b'[' * 100_000)}.e30.x", id="header-deep"),
        pytest.param(lambda: token({"alg": "PS256"}).replace("a", "b", 1), id="header-changed"),
    ],
)
def test_a_token_that_the_provider_did_not_sign_is_refused(made):
    """RFC 8725 3.1-3.11."""
    with pytest.raises(UpstreamMalformed):
        verify(made())


@given(st.data())
def test_no_change_to_a_token_goes_through(data):
    """Whatever a far end sends, it is refused with our own error."""
    good = token()
    place = data.draw(st.integers(0, len(good) - 1))
    changed = good[:place] + data.draw(st.text(max_size=3)) + good[place + data.draw(st.integers(1, 3)) :]
    with contextlib.suppress(UpstreamMalformed):
        assert verify(changed) == CLAIMS  # only base64's unused last bits may differ


def test_claims_that_are_no_object_are_refused():
    deep = jws.serialize_compact(HEADER, b"[" * 50_000, KEY)
    for payload in (deep, jws.serialize_compact(HEADER, b"[]", KEY), jws.serialize_compact(HEADER, b"\xff", KEY)):
        with pytest.raises(UpstreamMalformed):
            verify(payload)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        pytest.param(KEY, "PS256", id="PS256"),
        pytest.param(KEY, "RS512", id="RS512"),
        pytest.param(ECKey.generate_key("P-256", {"kid": "k1"}), "ES256", id="ES256"),
        pytest.param(ECKey.generate_key("P-384", {"kid": "k1"}), "ES384", id="ES384"),
        pytest.param(OKPKey.generate_key("Ed25519", {"kid": "k1"}), "EdDSA", id="EdDSA"),
        pytest.param(OKPKey.generate_key("Ed25519", {"kid": "k1"}), "Ed25519", id="Ed25519"),
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # of the signing side, in the fake
def test_the_asymmetric_algorithms_are_understood(key, alg):
    keys = import_keys({"keys": [key.as_dict(private=False)]})
    assert verify(token({"alg": alg}, key=key), keys=keys)["sub"] == "alice"


def test_verification_warns_nobody():
    """EdDSA's newer name is no reason for a warning per sign-in (warnings are errors here)."""
    key = OKPKey.generate_key("Ed25519", {"kid": "k1"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = token({"alg": "EdDSA"}, key=key)
    assert verify(made, keys=import_keys({"keys": [key.as_dict(private=False)]}))


def test_a_key_is_used_only_for_its_own_algorithm():
    keys = import_keys({"keys": [JWK | {"alg": "RS512"}]})
    with pytest.raises(UnknownKey):
        verify(token(), keys=keys)


def test_without_a_key_id_every_fitting_key_is_tried():
    keys = import_keys({"keys": [STRANGER.as_dict(private=False), JWK]})
    header = {name: value for name, value in HEADER.items() if name != "kid"}
    assert verify(sign(header, CLAIMS, KEY), keys=keys)["sub"] == "alice"


def test_an_unknown_key_id_says_so():
    with pytest.raises(UnknownKey):
        verify(token({"kid": "k9"}))


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}, id="symmetric"),
        pytest.param(JWK | {"use": "enc"}, id="encryption"),
        pytest.param(JWK | {"n": "AQAB"}, id="short-rsa"),
        pytest.param(JWK | {"e": JWK["n"]}, id="long-exponent"),
        pytest.param({"kty": "RSA", "kid": "k1"}, id="incomplete"),
        pytest.param({"kty": "AKP", "kid": "k1", "pub": "x"}, id="unknown-type"),
        pytest.param({"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA"}, id="unknown-curve"),
        pytest.param({"kty": "RSA", "n": 7, "e": []}, id="types"),
        pytest.param({"kty": ["RSA"]}, id="kty-list"),
        pytest.param("key", id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_a_key_that_is_not_understood_is_skipped(entry):
    """RFC 7517 5."""
    found = import_keys({"keys": [entry, JWK]})
    assert [key.kid for key in found] == ["k1"]
    assert isinstance(found[0].key, RSAKey)


def test_private_parts_of_a_published_key_are_not_taken():
    key = import_keys({"keys": [KEY.as_dict(private=True)]})[0].key
    assert not key.is_private


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {"k": 1}}])
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(UpstreamMalformed):
        import_keys(document)


# Many tenants, one key set -----------------------------------------------------------------------------------------


def tenant_keys(issuer: str) -> tuple[VerificationKey, ...]:
    return import_keys({"keys": [JWK | {"issuer": issuer}]})


@pytest.mark.parametrize(
    ("claims", "key_issuer", "good"),
    [
        pytest.param({}, MS + "/{tenantid}/v2.0", True, id="template-key"),
        pytest.param({}, f"{MS}/{TENANT}/v2.0", True, id="own-key"),
        pytest.param({}, f"{MS}/{TENANT[:-1]}1/v2.0", False, id="another-tenants-key"),
        pytest.param({"tid": TENANT[:-1] + "1"}, "", False, id="another-tid"),
        pytest.param({"tid": "common"}, "", False, id="tid-no-guid"),
        pytest.param({"iss": MS + "/{tenantid}/v2.0"}, "", False, id="iss-is-the-template"),
    ],
)
def test_a_tenants_token_is_its_own(claims, key_issuer, good):
    made = token(claims={"iss": f"{MS}/{TENANT}/v2.0", "tid": TENANT} | claims)
    arguments = {"keys": tenant_keys(key_issuer), "issuer": MS + "/{tenantid}/v2.0", "quirks": preset("entra")}
    if good:
        assert verify(made, **arguments)["tid"] == TENANT
    else:
        with pytest.raises(UpstreamMalformed):
            verify(made, **arguments)


def test_an_alias_of_the_issuer_counts_only_for_its_preset():
    made = token(claims={"iss": "accounts.google.com"})
    assert verify(made, issuer="https://accounts.google.com", quirks=preset("google"))
    with pytest.raises(UpstreamMalformed):
        verify(made, issuer="https://accounts.google.com")


# Claims ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), (None, False), ("true", False), (1, False), ([True], False)],
)
def test_email_verified_is_strictly_true(value, expected):
    claims = CLAIMS | {"email": "a@example.com", "email_verified": value}
    assert identity_of(claims, provider(), Quirks()).email_verified is expected


@pytest.mark.parametrize(
    ("issuer", "extra", "verified"),
    [
        pytest.param(f"{MS}/{TENANT}/v2.0", {}, True, id="one-tenant"),
        pytest.param(MS + "/{tenantid}/v2.0", {}, False, id="any-tenant"),
        pytest.param(MS + "/{tenantid}/v2.0", {"xms_edov": True}, True, id="domain-vouched-for"),
        pytest.param(MS + "/{tenantid}/v2.0", {"xms_edov": "0"}, False, id="domain-not-vouched-for"),
        pytest.param(MS + "/{tenantid}/v2.0", {"email_verified": True}, False, id="self-declared"),
        pytest.param(f"{MS}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", {}, False, id="personal-accounts"),
    ],
)
def test_an_entra_address_counts_only_where_somebody_vouches_for_it(issuer, extra, verified):
    claims = {"tid": TENANT, "oid": "o-1", "email": "ceo@example.com"} | extra
    found = identity_of(claims, provider(issuer), preset("entra"))
    assert found.email_verified is verified
    assert found.subject == f"{TENANT}:o-1"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({}, id="missing"),
        pytest.param({"sub": ""}, id="empty"),
        pytest.param({"sub": None}, id="null"),
        pytest.param({"sub": ["a"]}, id="list"),
        pytest.param({"sub": True}, id="bool"),
        pytest.param({"sub": "a" * 256}, id="long"),
        pytest.param({"sub": "a\r\nx-dcr-user: admin"}, id="header-injection"),
        pytest.param({"sub": "\u0430lice"}, id="not-ascii"),
    ],
)
def test_without_a_usable_subject_nobody_signs_in(claims):
    with pytest.raises(UpstreamMalformed):
        identity_of(claims, provider(), Quirks())


def test_a_user_api_may_name_its_users_by_number():
    assert identity_of({"id": 7}, provider(), preset("oauth2")).subject == "7"
    assert identity_of({"id": 7, "sub": "s"}, provider(), preset("oauth2")).subject == "s"
    with pytest.raises(UpstreamMalformed):
        identity_of({"id": 7}, provider(), preset("oidc"))


@pytest.mark.parametrize(
    "value",
    ["a\nb@example.com", "a", "@example.com", "a@", "a@b@example.com", "a @example.com", 7, None, "a@" + "x" * 300],
)
def test_an_unusable_address_is_no_address(value):
    found = identity_of(CLAIMS | {"email": value, "email_verified": True}, provider(), Quirks())
    assert (found.email, found.email_verified) == ("", False)


def test_names_and_groups_are_lines_of_text_or_nothing():
    claims = CLAIMS | {"name": "Alice\u202e", "preferred_username": "alice", "groups": ["a", 7, "b\n", "c"]}
    found = identity_of(claims, provider(), Quirks())
    assert (found.name, found.groups) == ("alice", ("a", "c"))
    assert identity_of(CLAIMS | {"groups": ["g"] * 501}, provider(), Quirks()).groups == ()
    assert identity_of(CLAIMS | {"groups": "staff"}, provider(), Quirks()).groups == ()


def test_inner_members_are_named_with_dots_and_an_ambiguous_name_says_nothing():
    """A user who may name members of an own profile gains nothing by a dot in a name."""
    assert flat({"id": 1, "org": {"id": 2, "at": {"x": [3]}}}) == {"id": 1, "org.id": 2, "org.at.x": [3]}
    for account in ({"org": {"id": 2}, "org.id": 9}, {"org.id": 9, "org": {"id": 2}}):
        assert flat(account) == {"org.id": None}
    deep: dict = {"x": "y"}
    for _ in range(50):
        deep = {"x": deep}
    assert next(iter(flat(deep))) == "x.x.x.x.x"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"email": "a@x.org", "primary": True, "verified": True}], "a@x.org"),
        ([{"email": "a@x.org", "primary": True, "verified": False}], ""),
        ([{"email": "a@x.org", "primary": False, "verified": True}], ""),
        ([{"email": "a@x.org", "primary": "true", "verified": 1}], ""),
        ([None, 7], ""),
        ({"message": "no"}, ""),
    ],
)
def test_only_the_primary_verified_address_of_a_list_counts(entries, expected):
    assert verified_email(orjson.loads(orjson.dumps(entries))) == expected

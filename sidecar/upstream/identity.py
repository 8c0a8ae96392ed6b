"""Who signed in: verification of id_tokens and reading of claims. Pure; the keys and claims are fetched elsewhere.

Owns the rules of OpenID Connect Core 3.1.3.7, and what the header of an id_token may say. Owns neither the list of
algorithms nor the verification of a signature (`oauth.jws`).
"""

import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sidecar.oauth.jws import ALGORITHMS, KEYS, MOST_KEYS, Key, header_of, payload_by, public_key
from sidecar.records import Identity
from sidecar.upstream.base import UpstreamMalformed
from sidecar.upstream.provider import TENANT, Provider, issuer_of
from sidecar.upstream.quirks import Quirks, is_single_tenant

LEEWAY = 60
_MOST_GROUPS = 500
_LONGEST_TEXT = 256
_LONGEST_SUBJECT = 255  # OpenID Connect Core 2


class UnknownKey(UpstreamMalformed):
    """No published key has this id; they may have been rotated."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One published signature key."""

    kid: str
    key: Key
    algorithm: str
    """The only algorithm it is for; empty when it does not say."""
    issuer: str
    """The issuer it is for, where one key set serves many tenants; empty when it does not say."""


def import_keys(document: Mapping[str, Any]) -> tuple[VerificationKey, ...]:
    """The usable keys of a JWK set (RFC 7517 5): what is not understood is skipped, not fatal."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise UpstreamMalformed("not a JWK set")
    return tuple(key for entry in entries[:MOST_KEYS] if (key := _import(entry)) is not None)


def verify_id_token(
    token: str,
    keys: Iterable[VerificationKey],
    provider: Provider,
    quirks: Quirks,
    *,
    client_id: str,
    nonce: str | None,
    now: int,
) -> dict[str, Any]:
    """Its claims, or UpstreamMalformed (OpenID Connect Core 3.1.3.7). `nonce` is None where none was sent (12.2)."""
    header = _header(token)
    found, key = _signed(token, header, keys)
    issuer = issuer_of(provider.issuer, found)
    if not issuer or found.get("iss") not in (issuer, *quirks.issuer_aliases):
        raise UpstreamMalformed("the id_token is another issuer's")
    if key.issuer and TENANT in provider.issuer and issuer_of(key.issuer, found) != issuer:
        raise UpstreamMalformed("the id_token is signed with another tenant's key")
    _check_audience(found, client_id)
    _check_times(found, now)
    if nonce is not None:
        _check_nonce(found, nonce)
    return found


def identity_of(claims: Mapping[str, Any], provider: Provider, quirks: Quirks) -> Identity:
    """Reads claims that verified. Only the subject must be there; everything else is empty when it is not usable."""
    email = _email(claims.get(quirks.email))
    return Identity(
        subject=_subject(claims, quirks),
        name=next((text for name in quirks.names if (text := _text(claims.get(name)))), ""),
        email=email,
        email_verified=bool(email) and _email_verified(claims, provider, quirks),
        groups=_groups(claims.get("groups")),
        issuer=issuer_of(provider.issuer, claims) if TENANT in provider.issuer else provider.issuer,
    )


def flat(account: Mapping[str, Any], *, depth: int = 4) -> dict[str, Any]:
    """An answer's members, those of inner objects named with dots: `viewer.id`. A name that two have says nothing."""
    found: dict[str, Any] = {}
    for name, value in account.items():
        inner = isinstance(value, dict) and depth
        below = {f"{name}.{each}": at for each, at in flat(value, depth=depth - 1).items()} if inner else {name: value}
        found |= {each: None if each in found else at for each, at in below.items()}
    return found


def names_user(claims: Mapping[str, Any], quirks: Quirks) -> bool:
    return all(claims.get(name) for name in quirks.subject) or bool(claims.get(quirks.subject_fallback))


def verified_email(entries: object) -> str:
    """The primary address of a user API's list, if the provider has verified it."""
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("primary") is True and entry.get("verified") is True:
            return _email(entry.get("email"))
    return ""


def _import(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    key = public_key(entry)
    if key is None:
        return None
    texts = {name: entry[name] if isinstance(entry.get(name), str) else "" for name in ("kid", "alg", "issuer")}
    return VerificationKey(texts["kid"], key, texts["alg"], texts["issuer"])


def _header(token: str) -> dict[str, Any]:
    header = header_of(token)
    if header is None:
        raise UpstreamMalformed("the id_token is not a signed JWT")
    if header.get("alg") not in ALGORITHMS:
        raise UpstreamMalformed("the id_token's algorithm is not allowed")
    # RFC 7515 4.1.11: we understand no extension. RFC 8725 3.11: a token typed as something else is not an id_token.
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise UpstreamMalformed("the id_token's header asks for something we do not do")
    return header


def _signed(
    token: str, header: Mapping[str, Any], keys: Iterable[VerificationKey]
) -> tuple[dict[str, Any], VerificationKey]:
    """The claims and the key that signed them. Without a key id every key of the right type is tried."""
    algorithm, kid = header["alg"], header.get("kid")
    fitting = [
        key
        for key in keys
        if key.key.key_type == KEYS[algorithm][0]
        and key.algorithm in {"", algorithm}
        and (kid is None or key.kid == kid)
    ]
    if not fitting:
        raise UnknownKey("the id_token's key is not among the provider's")
    for key in fitting:
        payload = payload_by(key.key, token, algorithm)
        if payload is not None:
            return _claims(payload), key
    raise UpstreamMalformed("the id_token's signature is wrong")


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        claims = None
    if not isinstance(claims, dict):
        raise UpstreamMalformed("the id_token holds no claims")
    return claims


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    if client_id not in several:
        raise UpstreamMalformed("the id_token is for another client")
    azp = claims.get("azp")
    if (len(several) > 1 or azp is not None) and azp != client_id:
        raise UpstreamMalformed("the id_token was issued to another client")


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if now >= _time(claims, "exp") + LEEWAY:
        raise UpstreamMalformed("the id_token has expired")
    if _time(claims, "iat") > now + LEEWAY or ("nbf" in claims and _time(claims, "nbf") > now + LEEWAY):
        raise UpstreamMalformed("the id_token is from the future")


def _check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    said = claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise UpstreamMalformed("the id_token's nonce is not ours")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UpstreamMalformed(f"the id_token has no usable {name}")
    return value


def _subject(claims: Mapping[str, Any], quirks: Quirks) -> str:
    values = [claims.get(name) for name in quirks.subject]
    if values == [None] and quirks.subject_fallback:
        values = [claims.get(quirks.subject_fallback)]
    parts = [str(value) if type(value) is int else value for value in values]
    if not all(isinstance(part, str) and part for part in parts):
        raise UpstreamMalformed(f"the provider names no user: {' and '.join(quirks.subject)} missing")
    subject = ":".join(str(part) for part in parts)
    if len(subject) > _LONGEST_SUBJECT or not subject.isascii() or not subject.isprintable():
        raise UpstreamMalformed("the user's subject is not usable")
    return subject


def _email_verified(claims: Mapping[str, Any], provider: Provider, quirks: Quirks) -> bool:
    """Strictly true: the string "true" or the number 1 count only where a preset's provider sends them so."""
    if not quirks.tenant_emails:
        return claims.get(quirks.email_verified) is True
    vouched = claims.get("xms_edov")
    return is_single_tenant(provider.issuer.replace(TENANT, "common")) or vouched in (True, "1", "true")


def _email(value: object) -> str:
    text = _text(value)
    local, at, domain = text.partition("@")
    return text if at and local and domain and "@" not in domain and " " not in text else ""


def _groups(value: object) -> tuple[str, ...]:
    """All or nothing: a list cut short could hide nothing, but a list too long to carry is no list."""
    if not isinstance(value, list) or len(value) > _MOST_GROUPS:
        return ()
    return tuple(text for entry in value if (text := _text(entry)))


def _text(value: object) -> str:
    """A line of text that can be shown and sent as a header; anything else is dropped whole."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        return ""
    return value.strip()

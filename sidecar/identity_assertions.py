"""The signed word on who calls: what an MCP server gets in place of the upstream token (`inject.mode: identity`).

Owns the signing keys, what an assertion says (RFC 7519) and the published key set (RFC 7517). A key is derived from a
keyring key and the issuer, so all replicas sign alike, no further secret exists, and what one issuer signed verifies
under no other. Owns neither the header it travels in nor who gets one.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from sidecar.clock import Entropy
from sidecar.identity_headers import carried_groups
from sidecar.records import Grant
from sidecar.sealing import Keyring, KeyState

ALGORITHM = "ES256"
SECONDS = 300
"""The longest life of an assertion."""

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SCALAR_BYTES = 40  # 64 bits more than the order has, so that reducing them favours no scalar (FIPS 186-5 A.2.1)


@dataclass(frozen=True, slots=True)
class IdentityAssertions:
    keyring: Keyring
    entropy: Entropy
    _keys: dict[tuple[int, str], ECKey] = field(init=False, repr=False, default_factory=dict)

    def sign(self, grant: Grant, scopes: tuple[str, ...], *, now: int, ends: int) -> str:
        """Good until `ends`, and for five minutes at most."""
        key = self._key(self.keyring.active, grant.issuer)
        # `JWT` and nothing finer: some libraries refuse every other type unless they are told of it.
        head = {"alg": ALGORITHM, "typ": "JWT", "kid": key.kid}
        claims = {
            **_claims(grant, scopes),
            "iat": now,
            "exp": min(now + SECONDS, ends),
            "jti": urlsafe_b64encode(self.entropy(15)).decode(),
        }
        return jwt.encode(head, claims, key)

    def key_set(self, issuer: str) -> dict[str, list[dict[str, Any]]]:
        """Public keys, those that will sign next included: verifiers may keep the set across a change of keys."""
        ids = [key.id for key in self.keyring.keys if key.state is not KeyState.RETIRED]
        return {"keys": [dict(self._key(key_id, issuer).as_dict(private=False)) for key_id in ids]}

    def _key(self, key_id: int, issuer: str) -> ECKey:
        known = self._keys.get((key_id, issuer))
        if known is None:
            wide = int.from_bytes(self.keyring.derive(key_id, f"assertion/{issuer}", _SCALAR_BYTES), "big")
            private = ec.derive_private_key(wide % (_ORDER - 1) + 1, _CURVE)
            kid = ECKey.import_key(private).thumbprint()  # RFC 7638: another key file's key 1 has another name
            known = ECKey.import_key(private, {"kid": kid, "use": "sig", "alg": ALGORITHM})
            self._keys[key_id, issuer] = known
        return known


def _claims(grant: Grant, scopes: tuple[str, ...]) -> dict[str, Any]:
    who = grant.identity
    groups = carried_groups(who)
    known = {
        "name": who.name,
        "email": who.email,
        "groups": list(groups),
        # Says that there are more than fit, so that nobody takes their absence for a user without groups.
        "groups_omitted": bool(who.groups) and not groups,
    }
    claims: dict[str, Any] = {
        "iss": grant.issuer,
        "aud": grant.resource,
        "sub": who.subject,
        "client_id": grant.client_id,
        "scope": " ".join(scopes),
    }
    claims |= {name: value for name, value in known.items() if value}
    return claims | ({"email_verified": who.email_verified} if who.email else {})

"""What the consent page carries: the checked request, sealed and bound to one browser, for ten minutes, once.

GET stores nothing (design 12.5): all that approval needs is in the form. The seal's associated data are the issuer, the
pool and the digest of the browser's cookie, so a form works nowhere else. Owns no store: whether a form was used
before, the approval asks.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass

import orjson

from sidecar.clock import Clock, Entropy
from sidecar.directory import Issuer
from sidecar.records import AuthorizationRequest, Pool, Transaction
from sidecar.sealing import Keyring, Sealer, SealError, length_prefixed
from sidecar.signin.problems import FormExpired, FormUnreadable

FORM_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Form:
    """A consent page's content. `nonce` is what makes it single use."""

    request: AuthorizationRequest
    nonce: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class Forms:
    keyring: Keyring
    entropy: Entropy
    clock: Clock

    def seal(self, issuer: Issuer, pool: Pool, cookie: str, request: AuthorizationRequest) -> str:
        form = Form(request, self.entropy(16).hex(), self.clock())
        return urlsafe_b64encode(self._sealer().seal(orjson.dumps(form), _aad(issuer, pool, cookie))).decode()

    def open(self, issuer: Issuer, pool: Pool, cookie: str, text: str) -> Form:
        """Raises FormUnreadable or FormExpired."""
        try:
            members = orjson.loads(self._sealer().open(urlsafe_b64decode(text), _aad(issuer, pool, cookie)))
        except (SealError, ValueError) as error:
            raise FormUnreadable(reason="the form was not sealed by us for this browser, issuer and pool") from error
        form = Form(_request(members["request"]), members["nonce"], members["issued_at"])
        if self.clock() >= form.issued_at + FORM_SECONDS:
            raise FormExpired(reason="the form is older than ten minutes")
        return form

    def _sealer(self) -> Sealer:
        return Sealer(self.keyring, "consent-form", self.entropy)


@dataclass(frozen=True, slots=True)
class Transactions:
    """How a transaction is sealed for the store; it opens only under the handle that the IdP brings back."""

    keyring: Keyring
    entropy: Entropy

    def seal(self, handle: str, transaction: Transaction) -> bytes:
        return self._sealer().seal(orjson.dumps(asdict(transaction)), _handle_aad(handle))

    def open(self, handle: str, sealed: bytes) -> Transaction:
        """Raises SealError."""
        members = orjson.loads(self._sealer().open(sealed, _handle_aad(handle)))
        return Transaction(**{**members, "request": _request(members["request"])})

    def _sealer(self) -> Sealer:
        return Sealer(self.keyring, "transaction", self.entropy)


def transaction_key(issuer: Issuer, handle: str) -> str:
    """What the store knows a transaction by: a return to another issuer finds none, and so ends none."""
    return f"{issuer.url} {handle}"


def _request(members: dict[str, object]) -> AuthorizationRequest:
    """Ours again, because the seal held."""
    scopes = members["scopes"]
    assert isinstance(scopes, list)
    return AuthorizationRequest(**{**members, "scopes": tuple(scopes)})  # type: ignore[arg-type]


def _aad(issuer: Issuer, pool: Pool, cookie: str) -> bytes:
    return length_prefixed(issuer.url, pool.id, hashlib.sha256(cookie.encode()).digest())


def _handle_aad(handle: str) -> bytes:
    return length_prefixed(hashlib.sha256(handle.encode()).digest())

"""What the demo IdP knows: its people, its signing key, codes in flight and refresh tokens.

The key and the refresh tokens live in one file of the data folder, so that whoever signed in stays signed in over a
restart. Owns no HTTP. For demonstration only: there are no passwords.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from joserfc.jwk import ECKey

from sidecar.clock import Clock, Entropy, random_text
from sidecar.demo.folder import write_private

CODE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Person:
    login: str
    """Also the `sub` of its tokens."""
    name: str
    groups: tuple[str, ...]

    @property
    def email(self) -> str:
        return f"{self.login}@example.com"


PEOPLE = {person.login: person for person in (Person("alice", "Alice", ("staff",)), Person("bob", "Bob", ("guests",)))}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One person's sign-in for our one relying party."""

    login: str
    scope: str


@dataclass(frozen=True, slots=True)
class PendingCode:
    signed_in: SignedIn
    nonce: str
    challenge: str
    expires_at: int


@dataclass(slots=True)
class IdpState:
    """Mutable on purpose: it is this IdP's database."""

    file: Path
    clock: Clock
    entropy: Entropy
    key: ECKey = field(init=False, repr=False)
    _codes: dict[str, PendingCode] = field(init=False, repr=False, default_factory=dict)
    _refresh: dict[str, SignedIn] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.file.exists():
            saved = orjson.loads(self.file.read_bytes())
            self.key = ECKey.import_key(saved["key"])
            self._refresh = {digest: SignedIn(**entry) for digest, entry in saved["refresh"].items()}
            return
        self.key = ECKey.generate_key("P-256", auto_kid=True)
        self._save()

    def random(self) -> str:
        return random_text(self.entropy)

    def new_code(self, signed_in: SignedIn, *, nonce: str, challenge: str) -> str:
        now = self.clock()
        self._codes = {code: pending for code, pending in self._codes.items() if pending.expires_at > now}
        code = self.random()
        self._codes[code] = PendingCode(signed_in, nonce, challenge, now + CODE_SECONDS)
        return code

    def take_code(self, code: str) -> PendingCode | None:
        """Single use, right proofs or not."""
        pending = self._codes.pop(code, None)
        return pending if pending and pending.expires_at > self.clock() else None

    def new_refresh(self, signed_in: SignedIn) -> str:
        token = self.random()
        self._refresh[_digest(token)] = signed_in
        self._save()
        return token

    def rotate(self, token: str) -> tuple[SignedIn, str] | None:
        """Spend a refresh token; its successor is on disk before anybody hears of it."""
        signed_in = self._refresh.pop(_digest(token), None)
        return (signed_in, self.new_refresh(signed_in)) if signed_in else None

    def drop(self, token: str) -> None:
        if self._refresh.pop(_digest(token), None):
            self._save()

    def _save(self) -> None:
        refresh = {digest: {"login": entry.login, "scope": entry.scope} for digest, entry in self._refresh.items()}
        write_private(self.file, orjson.dumps({"key": self.key.as_dict(private=True), "refresh": refresh}))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

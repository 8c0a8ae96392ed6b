"""What came of registering a pool at its IdP: the sealed record, what the pool is with it, and what is due next. Pure.

A client belongs to the authorization server that it was registered at: a pool that has gone to another one is as if it
never had registered, so that no secret is ever sent to whom it was not got from.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import TypeAdapter, ValidationError

from sidecar.clock import Entropy
from sidecar.records import Pool, UpstreamCredentials
from sidecar.sealing import Keyring, Sealer, SealError, length_prefixed
from sidecar.store.pools import PoolRecord
from sidecar.upstream.quirks import PRESETS
from sidecar.upstream.registration_messages import TOKEN_AUTH, Registered, allowed_issuers

_PURPOSE = "upstream-registration"
CHECK_SECONDS = 6 * 3600
"""How often a provider is asked whether it still knows us."""
_FORMER = 3
_TIMES = 10
_DAY = 86400
AGAIN_SECONDS = 600
"""Between a registration and the next; doubled by every one of the last day."""

State = Literal["registered", "waiting", "unavailable", "refused", "not_offered", "not_allowed", "unreadable"]
Due = Literal["", "register", "verify", "renew", "update", "check"]


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands, for people. `waiting`: nobody has tried yet, or not again yet."""

    state: State = "waiting"
    detail: str = ""
    """Why, in our words."""


@dataclass(frozen=True, slots=True)
class Registration:
    pool_id: str
    issuer: str = ""
    """The authorization server that all of it belongs to."""
    registered: Registered | None = None
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    """What was asked for with it."""
    former: tuple[Registered, ...] = ()
    """The latest first. A secret that was renewed is here with its own end."""
    times: tuple[int, ...] = ()
    """When a client was registered, the latest last."""
    checked_at: int = 0
    secret_since: int = 0
    status: Status = Status()
    schema: Literal[1] = 1

    def again_at(self, now: int, pause: int) -> int:
        """From when on another client may be registered: a provider that forgets us at once is not flooded."""
        recent = [each for each in self.times if each > now - _DAY]
        return recent[-1] + min(pause * 2 ** (len(recent) - 1), _DAY) if recent else 0

    def with_client(self, issuer: str, registered: Registered, now: int, *, keep: bool) -> "Registration":
        """A new client. `keep`: the one before it is still good for whoever signed in with it."""
        own = issuer == self.issuer
        before = ((self.registered,) if keep and self.registered else ()) + self.former if own else ()
        return replace(
            self,
            issuer=issuer,
            registered=registered,
            former=before[:_FORMER],
            times=(*self.times, now)[-_TIMES:],
            checked_at=now,
            secret_since=now,
            status=Status("registered"),
        )

    def with_answer(self, registered: Registered, now: int) -> "Registration":
        """The same client, as the provider says that it is now."""
        old = self.registered
        former, since = self.former, self.secret_since
        if old is not None and old.client_secret != registered.client_secret:
            former = (old, *former)[:_FORMER]
        if old is None or old.secret_expires_at != registered.secret_expires_at:
            since = now
        status = Status("registered")
        return replace(self, registered=registered, former=former, checked_at=now, secret_since=since, status=status)


class UnreadableRegistration(Exception):
    """A record that these keys or this version cannot read. Nobody registers anew over it."""


_FORM = TypeAdapter(Registration)


@dataclass(frozen=True, slots=True)
class RegistrationVault:
    sealer: Sealer

    @classmethod
    def of(cls, keyring: Keyring, entropy: Entropy) -> Self:
        return cls(Sealer(keyring, _PURPOSE, entropy))

    def seal(self, registration: Registration) -> bytes:
        return self.sealer.seal(_FORM.dump_json(registration), _place(registration.pool_id))

    def open(self, pool_id: str, sealed: bytes) -> Registration:
        """Raises UnreadableRegistration."""
        try:
            found = _FORM.validate_json(self.sealer.open(sealed, _place(pool_id)))
        except (SealError, ValidationError):
            raise UnreadableRegistration(pool_id) from None  # what pydantic says of it would repeat a secret
        if found.pool_id != pool_id:
            raise UnreadableRegistration(pool_id)
        return found

    def outdated(self, sealed: bytes) -> bool:
        """Whether it was sealed with another key than one would be now."""
        return int.from_bytes(sealed[:2], "big") != self.sealer.keyring.active

    def opened(self, pool_id: str, records: Mapping[str, PoolRecord]) -> Registration:
        """An empty one where there is no record. Raises UnreadableRegistration."""
        record = records.get(record_name(pool_id))
        return self.open(pool_id, record.sealed) if record else Registration(pool_id)

    def complete(self, pool: Pool, records: Mapping[str, PoolRecord]) -> Pool | None:
        """The pool as its registration makes it; None while there is none. Implements `selection.Complete`."""
        try:
            return completed(pool, self.opened(pool.id, records))
        except UnreadableRegistration:
            return None


def record_name(pool_id: str) -> str:
    """The name of the record among the pools'; no pool's name has a colon."""
    return f"registration:{pool_id}"


def completed(pool: Pool, registration: Registration) -> Pool | None:
    own = registration.registered
    if own is None or not is_for(pool, registration.issuer):
        return None
    raw = pool.token_auth == "basic_raw" and own.auth_method == "client_secret_basic"  # noqa: S105 - a method's name
    former = (
        UpstreamCredentials(each.client_id, each.client_secret, each.secret_expires_at) for each in registration.former
    )
    return replace(
        pool,
        client_id=own.client_id,
        client_secret=own.client_secret,
        issuer=registration.issuer,
        token_auth=pool.token_auth if raw else TOKEN_AUTH[own.auth_method],
        former=(*former, *pool.former),
    )


def is_for(pool: Pool, issuer: str) -> bool:
    """Whether what was registered there may be used for this pool as it is configured now."""
    if pool.provider not in PRESETS or not issuer:
        return False
    quirks = PRESETS[pool.provider]
    own = pool.issuer or quirks.issuer
    return issuer in allowed_issuers(pool, quirks) and own in ("", issuer)


def due(
    pool: Pool,
    registration: Registration,
    *,
    redirect_uris: tuple[str, ...],
    scopes: tuple[str, ...],
    forgotten: Collection[str],
    now: int,
) -> Due:
    """What is to be done next. `forgotten`: ids of clients that the provider did not take."""
    own = registration.registered
    if own is None or not is_for(pool, registration.issuer):
        return "register"
    if own.client_id in forgotten:
        return "verify"
    if own.secret_expires_at and now >= own.secret_expires_at - _lead(registration, own.secret_expires_at):
        return "renew"
    if (registration.redirect_uris, registration.scopes) != (redirect_uris, scopes):
        return "update"
    if own.management_uri and now >= registration.checked_at + CHECK_SECONDS:
        return "check"
    return ""


def _lead(registration: Registration, expires_at: int) -> int:
    """A day, or a quarter of a shorter life."""
    return min(_DAY, (expires_at - registration.secret_since) // 4)


def _place(pool_id: str) -> bytes:
    return length_prefixed(_PURPOSE, pool_id)

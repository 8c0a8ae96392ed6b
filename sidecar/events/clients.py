"""What happens to clients: they register, change, leave."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRegistered(Event):
    name: ClassVar[str] = "client_registered"
    issuer: str
    pool: str
    client: str
    client_name: str
    redirect_hosts: tuple[str, ...]
    auth_method: str
    source: str = ""
    stored: bool = False
    """Whether the id is of the kind that only the store can open."""
    initial_access_token: str = ""
    """Which one let it in; empty when none was needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUpdated(Event):
    name: ClassVar[str] = "client_updated"
    issuer: str
    client: str
    client_name: str
    redirect_hosts: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDeleted(Event):
    name: ClassVar[str] = "client_deleted"
    issuer: str
    client: str
    client_name: str
    grants: int
    """Those that were left when somebody came to the end of it; each one is told by itself."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUnreadable(Event):
    """A client was taken for unknown: the store says that it was changed, and nobody can read to what."""

    name: ClassVar[str] = "client_unreadable"
    issuer: str
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialAccessTokenCreated(Event):
    name: ClassVar[str] = "initial_access_token_created"
    pool: str
    initial_access_token: str
    """Its id, which opens nothing."""
    label: str
    uses: int
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialAccessTokenRevoked(Event):
    name: ClassVar[str] = "initial_access_token_revoked"
    pool: str
    initial_access_token: str
    label: str
    unused: int
    """How many uses it had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRefused(Event):
    name: ClassVar[str] = "registration_refused"
    issuer: str
    error: str
    detail: str
    source: str = ""

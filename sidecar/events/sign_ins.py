"""One sign-in: the page, the answer, the return."""

from dataclasses import dataclass
from typing import ClassVar

from sidecar.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAsked(Event):
    name: ClassVar[str] = "consent_asked"
    audit: ClassVar[bool] = False
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRefused(Event):
    """A request to /authorize, an approval or a return from the IdP that did not go on."""

    name: ClassVar[str] = "authorization_refused"
    issuer: str
    step: str
    """`authorize`, `approve` or `callback`."""
    error: str
    detail: str
    client: str = ""
    server: str = ""
    user: str = ""
    """Empty until the IdP has said who it is."""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    name: ClassVar[str] = "consent_given"
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDenied(Event):
    name: ClassVar[str] = "consent_denied"
    issuer: str
    client: str
    client_name: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """The IdP said who it is, and a grant was made."""

    name: ClassVar[str] = "signed_in"
    issuer: str
    pool: str
    client: str
    client_name: str
    server: str
    user: str
    email: str
    grant: str
    scopes: tuple[str, ...]

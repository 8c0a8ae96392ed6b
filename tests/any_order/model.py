"""What ought to be true of clients, sign-ins and tokens. Owns no I/O: the machine tells it what happened."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.fakes.idp import Session

ACCESS = 3600 + 30
"""How long an access token is accepted: what the client is told, and the leeway."""
IDLE = 30 * 86400
WHOLE = 90 * 86400
CODE = 60
GRACE = 60
STALE = 2
WRONG_VERIFIERS = 3

Expected = Literal["yes", "no", "either"]


@dataclass(eq=False)
class App:
    document: dict[str, Any]
    redirect: str
    deleted: bool = False

    @property
    def id(self) -> str:
        return str(self.document["client_id"])

    @property
    def credentials(self) -> dict[str, str]:
        secret = self.document.get("client_secret")
        return {"client_id": self.id} | ({"client_secret": str(secret)} if secret else {})


@dataclass(eq=False)
class SignIn:
    """One person's way through one authorization request, as far as it got."""

    app: App
    server: str
    person: str
    """Whose browser it is in."""
    began: int
    form: str = ""
    answered: bool = False
    location: str = ""
    approved: int = 0
    back: str = ""
    """The query with which the IdP sent the browser back."""
    user: str = ""
    """Who signed in there."""
    returned: bool = False


@dataclass(eq=False)
class Access:
    text: str
    ends: int
    revoked: int | None = None
    upstream: str = ""


@dataclass(eq=False)
class Family:
    """A grant: its code, then its tokens."""

    app: App
    server: str
    user: str
    code: str
    born: int
    used: int | None = None
    wrong: int = 0
    over: int | None = None
    """Since when."""
    why: str = ""
    shaky: bool = False
    """Something happened after which it may live or be over; neither would be wrong."""
    access: list[Access] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    """By generation, from 1; empty: its answer was lost."""
    rotated: int = 0
    session: Session | None = None
    """What the IdP knows of it."""
    refreshed_at: int = 0

    def end(self, now: int, why: str) -> None:
        if self.over is None:
            self.over, self.why = now, why

    def expire(self, now: int) -> None:
        """What goes by time alone."""
        if now >= self.born + WHOLE:
            self.end(self.born + WHOLE, "its whole life")
        if self.used is None and now >= self.born + CODE:
            self.end(self.born + CODE, "its code was not used in time")

    def may_call(self, token: Access, now: int) -> Expected:
        """Whether a call with this token goes through."""
        if now >= token.ends:
            return "no"
        ended = [each for each in (self.over, token.revoked) if each is not None]
        if ended:
            return "no" if now >= min(ended) + STALE else "either"
        return "either" if self.shaky else "yes"

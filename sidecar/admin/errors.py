"""What the admin API refuses, beside what every listener does. Wire texts may say more here: operators may know."""

from sidecar.oauth.errors import NotFound, OAuthError


class Unknown(NotFound):
    default = "There is no such thing."


class Conflict(OAuthError):
    """The request was understood, and what it is about does not allow it."""

    code, status, default = "conflict", 409, "What exists does not allow this."

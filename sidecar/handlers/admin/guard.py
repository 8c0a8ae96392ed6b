"""Who may ask: whoever has the admin token. Stands before every route of the listener, and before its 404s.

The token is long and random (the settings refuse any other), so guessing is hopeless, and the limit on it only bounds
what guesses cost and write: beyond it they get 429 and no more audit lines. The right token is never shut out, or
anybody who reaches the listener could keep operators from it. The count is this process's own: it must work when the
store does not.
"""

import hmac
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from sidecar.clock import Monotonic
from sidecar.events import OperatorRefused, Recorder
from sidecar.handlers.middleware import Handler
from sidecar.oauth.errors import InvalidToken, OAuthError, TooManyRequests

_BURST = 20
_SECONDS_EACH = 3.0


class NotAnOperator(InvalidToken):
    """One refusal for no token, a wrong one and anything else in its place (RFC 6750 3)."""

    default = "The admin token is missing or wrong."

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason, headers={"WWW-Authenticate": 'Bearer realm="dcr-sidecar admin"'})


@dataclass(slots=True)
class Failures:
    """How many wrong tokens this process still takes note of: some at once, then one every few seconds."""

    monotonic: Monotonic
    _even_at: float = field(init=False, default=0.0)

    def wait(self) -> float:
        """Counts one. Seconds until one more is welcome; 0 when this one was."""
        now = self.monotonic()
        ahead = max(self._even_at - now, 0.0) + _SECONDS_EACH
        if ahead > _BURST * _SECONDS_EACH:
            return ahead - _BURST * _SECONDS_EACH
        self._even_at = now + ahead
        return 0.0


def only_operators(token: str, monotonic: Monotonic, recorder: Recorder) -> Middleware:
    if not token:
        raise ValueError("the admin API has no token, so nobody may use it")
    expected = token.encode()
    failures = Failures(monotonic)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = _bearer(request)
        if not hmac.compare_digest(sent, expected):
            raise refused("not the admin token" if sent else "no token")
        return await handler(request)

    def refused(reason: str) -> OAuthError:
        wait = failures.wait()
        if wait:
            return TooManyRequests(retry_after=int(wait) + 1, reason=f"too many wrong tokens: {reason}")
        recorder(OperatorRefused(detail=reason))
        return NotAnOperator(reason=reason)

    return guard


def _bearer(request: web.Request) -> bytes:
    """What the one Authorization header has behind `Bearer `, whatever its characters; empty for anything else."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.encode(errors="surrogateescape") if scheme.lower() == "bearer" else b""

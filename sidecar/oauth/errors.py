"""The OAuth error tree: what goes on the wire, apart from what goes into the log.

Every error carries two texts. `description` is ours and fixed, so the wire never repeats a caller's bytes or a
library's message; `reason` says what really happened and reaches the log only. Plain classes, not dataclasses:
an exception must stay mutable for `raise ... from` and context managers.
"""

from collections.abc import Mapping
from typing import ClassVar


class OAuthError(Exception):
    """Base of all protocol errors.

    `code` is the RFC's error code, `status` the HTTP status of a direct (not redirected) answer, `description` the
    fixed wire text (RFC 6749 5.2 charset: no quote, no backslash), `reason` the free text for the log.
    """

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 500
    default: ClassVar[str] = "The server could not complete the request."

    def __init__(self, description: str = "", *, reason: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.description = description or self.default
        self.reason = reason or self.description
        self.headers = dict(headers or {})
        super().__init__(self.reason)

    def body(self) -> dict[str, str]:
        """The members of the JSON error body (RFC 6749 5.2, RFC 7591 3.2.2)."""
        return {"error": self.code, "error_description": self.description}


# RFC 6749 4.1.2.1 and 5.2 ------------------------------------------------------------------------------------------


class InvalidRequest(OAuthError):
    code, status, default = "invalid_request", 400, "The request is malformed."


class InvalidClient(OAuthError):
    """RFC 6749 5.2: 401, and `WWW-Authenticate: Basic` when the caller tried Basic (`basic=True`)."""

    code, status, default = "invalid_client", 401, "Client authentication failed."

    def __init__(self, description: str = "", *, reason: str = "", basic: bool = False) -> None:
        headers = {"WWW-Authenticate": 'Basic realm="dcr-sidecar"'} if basic else None
        super().__init__(description, reason=reason, headers=headers)


class InvalidGrant(OAuthError):
    code, status, default = "invalid_grant", 400, "The code or refresh token is not valid."


class UnauthorizedClient(OAuthError):
    code, status, default = "unauthorized_client", 400, "The client is not registered for this grant type."


class UnsupportedGrantType(OAuthError):
    code, status, default = "unsupported_grant_type", 400, "Use authorization_code or refresh_token."


class UnsupportedResponseType(OAuthError):
    code, status, default = "unsupported_response_type", 400, "Only response_type code is supported."


class InvalidScope(OAuthError):
    code, status, default = "invalid_scope", 400, "The requested scope is not allowed."


class AccessDenied(OAuthError):
    code, status, default = "access_denied", 403, "The request was denied."


class ServerError(OAuthError):
    code, status = "server_error", 500


class TemporarilyUnavailable(OAuthError):
    """503 with Retry-After: nothing was decided about the caller's credentials, and trying again is right."""

    code, status, default = "temporarily_unavailable", 503, "A part we depend on does not answer. Try again shortly."

    def __init__(self, description: str = "", *, reason: str = "", retry_after: int = 2) -> None:
        super().__init__(description, reason=reason, headers={"Retry-After": str(retry_after)})


class AuthorizationError(Exception):
    """An error at /authorize, on approval or at /callback.

    `redirect_to` is the complete URL that tells the client (RFC 6749 4.1.2.1). It stays None until client and redirect
    URI are verified, and then the error is a local page, never a redirect.
    """

    def __init__(self, error: OAuthError, *, redirect_to: str | None = None) -> None:
        self.error = error
        self.redirect_to = redirect_to
        super().__init__(error.reason)


# RFC 8707 2 --------------------------------------------------------------------------------------------------------


class InvalidTarget(OAuthError):
    code, status, default = "invalid_target", 400, "The resource is not one that this server protects."


# RFC 7591 3.2.2 ----------------------------------------------------------------------------------------------------


class InvalidRedirectUri(OAuthError):
    code, status, default = "invalid_redirect_uri", 400, "A redirect URI is not allowed."


class InvalidClientMetadata(OAuthError):
    code, status, default = "invalid_client_metadata", 400, "The client metadata is not valid."


# RFC 6750 3.1 ------------------------------------------------------------------------------------------------------


class InvalidToken(OAuthError):
    code, status, default = "invalid_token", 401, "The access token is not valid."


class InsufficientScope(OAuthError):
    """`held` is what the token has: a client that asks for exactly what it is told must not lose it (SEP-2350)."""

    code, status, default = "insufficient_scope", 403, "The access token lacks a scope that this server needs."

    def __init__(self, held: tuple[str, ...] = (), *, reason: str = "") -> None:
        self.held = held
        super().__init__(reason=reason)


# HTTP conditions that OAuth has no code for; clients parse JSON with `error` all the same ----------------------------


class NotFound(OAuthError):
    code, status, default = "not_found", 404, "Nothing is served here."


class MethodNotAllowed(OAuthError):
    code, status, default = "invalid_request", 405, "This method is not supported here."

    def __init__(self, allowed: str, *, reason: str = "") -> None:
        super().__init__(reason=reason, headers={"Allow": allowed})


class PayloadTooLarge(OAuthError):
    code, status, default = "invalid_request", 413, "The request is too large."


class UnsupportedMediaType(OAuthError):
    code, status, default = "invalid_request", 415, "The content type or encoding is not supported."


class TooManyRequests(OAuthError):
    code, status, default = "temporarily_unavailable", 429, "Too many requests. Try again later."

    def __init__(self, *, retry_after: int, reason: str = "") -> None:
        super().__init__(reason=reason, headers={"Retry-After": str(retry_after)})

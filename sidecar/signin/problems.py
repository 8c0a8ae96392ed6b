"""What a person reads when a sign-in does not go on. Owns the words; the page itself is made elsewhere.

Each is an OAuth error that is never sent to a client: whoever raises one knows no verified redirect URI, or the browser
in front of us is not the one that the answer belongs to (RFC 6749 4.1.2.1). The texts repeat nothing a caller sent.
"""

from typing import ClassVar

from sidecar.events import AuthorizationRefused, Recorder
from sidecar.oauth.errors import AuthorizationError, OAuthError, TemporarilyUnavailable
from sidecar.records import Identity

RECONNECT = "In your app, remove the connection to this server and add it again."
START_AGAIN = "Go back to your app and connect again from there."


class Problem(OAuthError):
    """`title` and `advice` frame the description."""

    title: ClassVar[str] = "This sign-in cannot go on"
    advice: ClassVar[str] = START_AGAIN


class UnknownClient(Problem):
    code, status = "invalid_client", 400
    title = "This app is not known here"
    default = "The app that sent you here is not registered with this server, or its registration has ended."
    advice = RECONNECT


class UnusableDescription(Problem):
    code, status = "invalid_client", 400
    title = "This app's description cannot be used"
    default = "The app names an address at which it describes itself. What is there now is no valid description."
    advice = "Tell the makers of the app, with the reference below. Another app may work meanwhile."


class WrongRedirect(Problem):
    code, status = "invalid_request", 400
    title = "This app asked for an answer at the wrong address"
    default = "The answer would go to an address that the app has not registered, so nothing was sent there."
    advice = RECONNECT


class MalformedRequest(Problem):
    code, status = "invalid_request", 400
    title = "This link is not complete"
    default = "The request that brought you here is malformed."


class ForeignForm(Problem):
    code, status = "invalid_request", 403
    title = "This answer did not come from our page"
    default = "Your browser says that another site sent this form. Nothing was approved."
    advice = "If you did want to connect, go back to your app and start again from there."


class CookieMissing(Problem):
    code, status = "invalid_request", 403
    title = "Your browser did not keep our cookie"
    default = "This page cannot be answered without the cookie that came with it. Nothing was approved."
    advice = "Allow cookies for this site, or open the sign-in in your usual browser, then connect again from your app."


class FormUnreadable(Problem):
    code, status = "invalid_request", 400
    title = "This page is out of date"
    default = "The page that you answered was made for another browser session or by an earlier set-up of this server."


class FormExpired(Problem):
    code, status = "invalid_request", 400
    title = "This page was open for too long"
    default = "A sign-in must be answered within ten minutes. Nothing was approved."


class FormUsed(Problem):
    code, status = "invalid_request", 400
    title = "This page was answered already"
    default = "Each sign-in page works once, and this one was used before."
    advice = "If the sign-in went on in another tab, finish it there. Otherwise connect again from your app."


class TooManySignIns(Problem):
    code, status = "temporarily_unavailable", 429
    title = "Too many sign-ins from your network"
    default = "More sign-ins were started from your address in a short time than we allow. Nothing was approved."
    advice = "Wait a minute, then reload this page."


class TooManyFetches(Problem):
    code, status = "temporarily_unavailable", 429
    title = "Too many unknown apps from your network"
    default = "More apps that describe themselves elsewhere were used from your address in a short time than we allow."
    advice = "Wait a minute, then reload this page."


class MalformedReturn(Problem):
    code, status = "invalid_request", 400
    title = "The sign-in service sent an answer that we cannot read"
    default = "The address that your browser came back with is not complete or contradicts itself."


class OtherBrowser(Problem):
    code, status = "invalid_request", 403
    title = "This sign-in belongs to another browser"
    default = "It was not started in this browser, so it cannot be finished here. Nothing was approved."
    advice = (
        "If you started it, finish it in the browser where you did. If somebody sent you this link, close the page: "
        "you would have signed in for them."
    )


class ReturnGone(Problem):
    code, status = "invalid_request", 400
    title = "This sign-in is over"
    default = "It was finished already, or it was started more than ten minutes ago."
    advice = "If your app says that it is connected, you are done. Otherwise connect again from your app."


class Unavailable(Problem, TemporarilyUnavailable):
    """Also says when to come back, as every 503 of ours does."""

    title = "We cannot go on right now"
    default = "A part that we depend on does not answer."
    advice = "Wait a moment, then reload this page."


class Interrupted(Unavailable):
    advice = f"Wait a moment. {START_AGAIN}"


def refused(
    recorder: Recorder,
    error: OAuthError,
    *,
    step: str,
    issuer: str,
    client: str = "",
    server: str = "",
    identity: Identity | None = None,
    redirect_to: str | None = None,
) -> AuthorizationError:
    """The exception to raise for a sign-in that ends at `step`; the audit trail is told."""
    recorder(
        AuthorizationRefused(
            issuer=issuer,
            step=step,
            error=error.code,
            detail=error.reason,
            client=client,
            server=server,
            user=identity.subject if identity else "",
            email=identity.email if identity else "",
        )
    )
    return AuthorizationError(error, redirect_to=redirect_to)

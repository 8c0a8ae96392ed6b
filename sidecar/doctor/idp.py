"""Whether a pool's IdP is what the settings say, and takes us for whom we are: judges its answers. Pure."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.seen import Reply
from sidecar.pools.standing import RegistrationStatus
from sidecar.records import Pool
from sidecar.upstream.answers import judge_document, judge_object, judge_token
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamMisconfigured, UpstreamRefused
from sidecar.upstream.identity import LEEWAY, import_keys
from sidecar.upstream.provider import check_document
from sidecar.upstream.quirks import Quirks

CLOCK_SECONDS = 10
_REDIRECTS = range(300, 400)
_FAILURES = range(400, 600)
_READ = 64 * 1024
_NOT_YET = frozenset(["waiting", "unavailable"])
_NOT_REGISTERED = re.compile(
    r"redirect_uri_mismatch|AADSTS50011|AADSTS500113"
    r"|redirect[_ -]?ur[il]s?\W[^<>.]{0,60}(mismatch|invalid|not |must|unregistered|unauthori[sz]ed)"
    r"|(mismatch\w*|invalid|unregistered|illegal|bad|wrong|unknown)[^<>.]{0,40}(redirect|callback)[_ -]?ur[il]",
    re.IGNORECASE,
)


def where(pool: Pool, key: str = "") -> str:
    return f"pool {pool.name}{f', {key}' if key else ''}"


def judge_issuer_document(reply: Reply, pool: Pool, quirks: Quirks) -> Mapping[str, Any] | Finding | None:
    """The document, or what is wrong with it; None when there is none at this address."""
    try:
        document = judge_document(reply.answer)
        return None if document is None else check_document(document, pool, quirks)
    except UpstreamError as error:
        said = _member(reply, "issuer")
        if isinstance(error, UpstreamMalformed) and "byte for byte" in str(error):
            wanted = pool.issuer or quirks.issuer
            text = f"it calls itself {said!r}, the pool says {wanted!r}; they must be equal byte for byte"
            return found("idp-issuer", where(pool, "issuer"), text)
        return found("idp-document", where(pool), f"its discovery document is of no use: {error}")


def judge_own_client(
    own: RegistrationStatus | None, pool: Pool, callbacks: Sequence[str], scopes: Sequence[str]
) -> Finding:
    """`own`: how it stands with the client that the pool registers for itself; None when that was not read."""
    by_hand = f"callback {' and '.join(callbacks) or 'none'}, scopes {' '.join(scopes) or 'none'}"
    if own is None:
        text = f"has no `client_id`, so it registers itself; how that went is not seen from here ({by_hand})"
        return found("idp-self-registered", where(pool), text)
    if own.client_id and own.state == "registered":
        return fine("idp", where(pool), f"registered itself as {own.client_id} at {own.issuer}")
    if own.client_id:
        text = f"is registered as {own.client_id}, but its last try was in vain ({own.state}): {own.detail}"
        return found("idp-self-registered", where(pool), text)
    kind = "idp-self-registered" if own.state in _NOT_YET else "idp-not-registered"
    return found(kind, where(pool), f"has not registered itself ({own.state}): {own.detail} ({by_hand})")


def judge_pkce(document: Mapping[str, Any] | None, pool: Pool, quirks: Quirks) -> Iterator[Finding]:
    if document is None or not quirks.pkce:
        return
    methods = document.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        yield found("idp-no-pkce", where(pool), "its discovery document does not name PKCE with S256")


def judge_jwks(reply: Reply, pool: Pool) -> Iterator[Finding]:
    try:
        if not import_keys(judge_object(reply.answer)):
            yield found("idp-keys", where(pool), "its key set (jwks_uri) holds no key that signs")
    except UpstreamError as error:
        yield found("idp-keys", where(pool), f"its signature keys (jwks_uri) are of no use: {error}")


def judge_credentials(reply: Reply, pool: Pool, quirks: Quirks, *, own: bool = False) -> Finding:
    """What came for a code that nobody was given (RFC 6749 5.2). `own`: the pool registered this client itself."""
    try:
        judge_token(reply.answer, quirks)
    except UpstreamRefused:
        return fine("idp", where(pool), "takes our client id and secret (it judged the code, not us)")
    except UpstreamMisconfigured as error:
        return found("idp-forgotten" if own else "idp-credentials", where(pool), f"the IdP refuses our client: {error}")
    except UpstreamError as error:
        said = f"whether the IdP takes our client id and secret is not to be seen: {error}"
        return found("idp-credentials-unclear", where(pool), said)
    return found("idp-credentials-unclear", where(pool), "the IdP gave tokens for a code that nobody was given")


def judge_sign_in(reply: Reply, callback: str, pool: Pool) -> Finding:
    """What came for our authorization request, before anybody signed in. Best effort: pages are for people."""
    target = reply.headers.get("location", "") if reply.status in _REDIRECTS else ""
    if target.startswith(callback):
        # It sends errors only to where it may send users (RFC 6749 4.1.2.1).
        error = dict(parse_qsl(urlsplit(target).query)).get("error")
        if error is None:
            return fine("idp", callback, f"is registered: {where(pool)} sends users back there")
        return found("idp-sign-in", where(pool), f"the IdP knows {callback}, but answers {error!r} to our request")
    if _NOT_REGISTERED.search(_readable(target)) or _NOT_REGISTERED.search(_page(reply)):
        return found("idp-callback", where(pool), f"the IdP does not know {callback}")
    if reply.status in _FAILURES:
        return found("idp-sign-in", where(pool), f"the IdP answers status {reply.status} to our sign-in request")
    return fine(
        "idp", callback, f"{where(pool)} answers with its sign-in page, and does not complain about this callback"
    )


def judge_date(reply: Reply, pool: Pool, *, now: int) -> Iterator[Finding]:
    """Its own clock, to the second (RFC 9110 6.6.1)."""
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return
    behind = theirs - now
    if abs(behind) < CLOCK_SECONDS:
        return
    text = f"our clock is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead of'} the IdP's"
    yield found("idp-clock" if abs(behind) <= LEEWAY else "idp-clock-wrong", where(pool), text)


def _member(reply: Reply, name: str) -> str:
    try:
        return str(judge_object(reply.answer).get(name, ""))
    except UpstreamError:
        return ""


def _page(reply: Reply) -> str:
    """The page's words where it is an error page: a good sign-in page may explain what a redirect URI is."""
    return reply.body[:_READ].decode("utf-8", "replace") if reply.status in _FAILURES else ""


def _readable(target: str) -> str:
    """A redirect's target, and what some IdPs pack into its query."""
    parts = [value for _, value in parse_qsl(urlsplit(target).query)]
    return "\n".join([target, *parts, *map(_unpacked, parts)])


def _unpacked(value: str) -> str:
    try:
        return urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii", "replace")
    except ValueError:
        return ""

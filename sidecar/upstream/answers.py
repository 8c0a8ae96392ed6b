"""What a provider answered, judged: pure. The requests are in `messages`.

Owns the classification of failures. A provider's own words never leave: only an error code of plain characters, or the
provider's error number where the preset has a pattern for one, reaches the log.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sidecar.upstream.base import (
    UpstreamClientRefused,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
)
from sidecar.upstream.quirks import Quirks

LONGEST_LIFETIME = 366 * 86400
LONGEST_TOKEN = 32 * 1024
LONGEST_WAIT = 120
"""Seconds: the most that a Retry-After may hold us off."""
_USUAL_WAIT = 5

_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)
_CALLER_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 1000)
_TRY_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_NO_SUCH_TOKEN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
_TOKENS = frozenset({"access_token", "refresh_token", "id_token"})

_REFUSED = frozenset({"invalid_grant"})
_MISCONFIGURED = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
        "invalid_resource",
    }
)
_UNAVAILABLE = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6749 A.12 without the space: it becomes a header value


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete HTTP answer. Its body may hold tokens, so it is not shown."""

    status: int
    content_type: str = ""
    """The media type alone, in lower case."""
    body: bytes = field(repr=False, default=b"")
    retry_after: str = ""
    caching: Mapping[str, str] = field(default_factory=dict)
    """The headers that say how long it may be kept (RFC 9111), by their names in lower case; only those it has."""
    challenges: tuple[str, ...] = ()
    """Every `WWW-Authenticate` (RFC 9110 11.6.1)."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The members of a successful token answer that we use (RFC 6749 5.1)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    """Empty when there is none: on a refresh the caller keeps the one it has (RFC 6749 6)."""
    id_token: str = field(repr=False)
    lifetime: int
    """Seconds. 0: no end."""
    scopes: tuple[str, ...] | None
    """None: as asked (RFC 6749 5.1)."""
    account: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """What else the answer says, where the preset reads the user from it."""


def judge_token(answer: Answer, quirks: Quirks) -> TokenAnswer:
    """The tokens, or the right UpstreamError. The body is read before the status: some send errors with 200."""
    judge_available(answer)
    members = _members(answer)
    if "error" in members or answer.status != HTTPStatus.OK:
        raise _failure(members, answer, quirks)
    tokens = _holder(members, quirks)
    kind = tokens.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in quirks.token_types:
        raise UpstreamMalformed("the token is not one for the user to bear")
    return TokenAnswer(
        access_token=_token(tokens, "access_token", required=True),
        refresh_token=_token(tokens, "refresh_token"),
        id_token=_token(members, "id_token"),
        lifetime=lifetime(tokens.get("expires_in"), quirks),
        scopes=_scopes(tokens.get("scope"), quirks),
        account=_account(members, quirks),
    )


def judge_revocation(answer: Answer, quirks: Quirks) -> None:
    """RFC 7009 2.2: 200 whatever the token was; an unsupported token type has no effect and is no fault of ours."""
    judge_available(answer)
    if answer.status in _SUCCESS or (quirks.revocation == "delete_json" and answer.status in _NO_SUCH_TOKEN):
        return
    members = _members(answer)
    if members.get("error") != "unsupported_token_type":
        raise _failure(members, answer, quirks)


def judge_json(answer: Answer) -> Any:
    """The JSON value of a 200 answer: userinfo, a user API, a key set."""
    judge_available(answer)
    if answer.status != HTTPStatus.OK:
        if answer.status == HTTPStatus.FORBIDDEN and answer.retry_after:  # a rate limit in some APIs
            raise UpstreamUnavailable("status 403 with Retry-After", retry_after=_wait(answer.retry_after))
        raise UpstreamMalformed(f"status {answer.status}")
    return _json(answer.body)


def judge_json_body(answer: Answer) -> Any:
    """The JSON value of an answer, whatever its status."""
    return _json(answer.body)


def judge_object(answer: Answer) -> dict[str, Any]:
    value = judge_json(answer)
    if not isinstance(value, dict):
        raise UpstreamMalformed("not a JSON object")
    return value


def judge_introspection(answer: Answer) -> dict[str, Any]:
    """RFC 7662 2.2: nothing is said about a token that is not active."""
    found = judge_object(answer)
    if found.get("active") is not True:
        raise UpstreamMalformed("the provider does not know the token that it just gave")
    return found


def judge_document(answer: Answer) -> dict[str, Any] | None:
    """A published document; None when there is none at that address."""
    if answer.status in _CALLER_ERRORS and answer.status not in _TRY_LATER:
        return None
    return judge_object(answer)


def lifetime(value: object, quirks: Quirks) -> int:
    """`expires_in` in seconds, never longer than a year; 0 means no end.

    What is missing, not positive or unreadable says nothing: the preset's lifetime holds. A refusal would be worse,
    since the provider may just have rotated the refresh token that comes with it.
    """
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 1:
        return quirks.access_lifetime
    return int(min(value, LONGEST_LIFETIME))


def judge_available(answer: Answer) -> None:
    """A 5xx never says anything about a grant, whatever its body claims."""
    if answer.status in _REDIRECTS:
        raise UpstreamMalformed(f"status {answer.status}: redirects are not followed")
    if answer.status in _SERVER_ERRORS or answer.status in _TRY_LATER:
        raise UpstreamUnavailable(f"status {answer.status}", retry_after=_wait(answer.retry_after))


def _wait(retry_after: str) -> int:
    """RFC 9110 10.2.3 in seconds, bounded; the date form is not read."""
    return min(max(int(retry_after), 1), LONGEST_WAIT) if _DIGITS.fullmatch(retry_after) else _USUAL_WAIT


def _failure(members: Mapping[str, Any], answer: Answer, quirks: Quirks) -> UpstreamError:
    """By the body's error code, not by the status: 403 with `invalid_grant` exists."""
    code = members.get("error", members.get(quirks.error_member))
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return UpstreamMalformed(f"status {answer.status} without a readable error code")
    text = f"{code} (status {answer.status}{_number(members, quirks)})"
    if code in _REFUSED | quirks.refused_errors:
        return UpstreamRefused(text)
    # Some say `unauthorized_client` for a wrong secret; RFC 6749 5.2 has 401 for nothing but failed authentication.
    unknown_client = code == "invalid_client" or code in quirks.client_errors
    if unknown_client or (code in _MISCONFIGURED and answer.status == HTTPStatus.UNAUTHORIZED):
        return UpstreamClientRefused(text)
    if code in _MISCONFIGURED | quirks.misconfigured_errors:
        return UpstreamMisconfigured(text)
    if code in _UNAVAILABLE | quirks.unavailable_errors:
        return UpstreamUnavailable(text, retry_after=_wait(answer.retry_after))
    return UpstreamMalformed(text)


def _number(members: Mapping[str, Any], quirks: Quirks) -> str:
    description = members.get("error_description")
    if not quirks.error_detail or not isinstance(description, str):
        return ""
    found = re.search(quirks.error_detail, description)
    return f", {found.group()}" if found else ""


def _members(answer: Answer) -> dict[str, Any]:
    """A JSON object, or the form that some providers send instead."""
    if answer.content_type == "application/x-www-form-urlencoded":
        return _form(answer.body)
    try:
        value = _json(answer.body)
    except UpstreamMalformed:
        if answer.content_type == "text/plain" and b"=" in answer.body[:64]:
            return _form(answer.body)
        if answer.status != HTTPStatus.OK:
            return {}
        raise
    if not isinstance(value, dict):
        raise UpstreamMalformed("not a JSON object")
    return value


def _form(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise UpstreamMalformed("an unreadable form") from error


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise UpstreamMalformed("not JSON") from None  # the cause holds the body, which may hold tokens


def _holder(members: Mapping[str, Any], quirks: Quirks) -> Mapping[str, Any]:
    """The object that has the user's tokens: the answer, or the preset's member of it."""
    inner = members.get(quirks.token_member)
    return inner if isinstance(inner, dict) and "access_token" in inner else members


def _account(members: Mapping[str, Any], quirks: Quirks) -> Mapping[str, Any]:
    if quirks.identity != "token_answer":
        return {}
    return {name: value for name, value in members.items() if name not in _TOKENS}


def _token(members: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = members.get(name)
    if (value is None or value == "") and not required:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TOKEN or not _TOKEN.fullmatch(value):
        raise UpstreamMalformed(f"no usable {name}")
    return value


def _scopes(value: object, quirks: Quirks) -> tuple[str, ...] | None:
    """RFC 6749 3.3, also with the preset's separator, also as a list. An empty one says nothing."""
    parts: list[Any] = []
    if isinstance(value, str):
        parts = value.replace(quirks.answer_separator, " ").split()
    elif isinstance(value, list):
        parts = value
    scopes = tuple(scope for scope in parts if isinstance(scope, str) and _TOKEN.fullmatch(scope))
    return scopes or None

"""Checks of transport and of the first answer: is there anybody, is it MCP, does it ask for a token."""

from collections.abc import Iterator

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.exchange import Exchange, Purpose
from sidecar.probe.places import is_loopback, is_plain_http, same_origin
from sidecar.probe.seen import NOT_FOUND, UNAUTHORIZED, Seen, is_server_error

_SLOW_SECONDS = 3.0
_FORBIDDEN = 403
_METHOD_NOT_ALLOWED = 405
_TOO_MANY = 429
_KEEP_METHOD = {307, 308}
_METADATA = (Purpose.RESOURCE, Purpose.SERVER)


def _certificate(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.failure == "certificate":
            yield Fault(answer.where, f"the certificate is not trusted: {answer.detail}")


def _no_answer(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.failure in {"connection", "timeout", "protocol"}:
            yield Fault(answer.where, f"no answer: {answer.detail}")


def _plain_http(seen: Seen) -> Iterator[Fault]:
    if is_plain_http(seen.url) and not is_loopback(seen.url):
        yield Fault(seen.url, "tokens would travel without encryption")


def _too_large(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.cut and answer.purpose in _METADATA:
            yield Fault(answer.where, f"more than {len(answer.body)} bytes")


def _slow(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.status and answer.seconds > _SLOW_SECONDS:
            yield Fault(answer.where, f"took {answer.seconds:.1f} s")


def _stopped(seen: Seen) -> Iterator[Fault]:
    if seen.stopped:
        yield Fault(seen.url, seen.stopped)


def _answers(seen: Seen) -> Iterator[Exchange]:
    yield from (answer for answer in (seen.call, seen.discover) if answer is not None)


def _redirected(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if (
            answer.purpose is Purpose.CALL
            and answer.status in _KEEP_METHOD
            and same_origin(answer.url, answer.redirect)
        ):
            yield Fault(answer.where, f"{answer.status} to {answer.redirect}")


def _moved(seen: Seen) -> Iterator[Fault]:
    final = seen.call
    if final.redirect and not (final.status in _KEEP_METHOD and same_origin(final.url, final.redirect)):
        yield Fault(final.where, f"{final.status} to {final.redirect}")


def _other_origin(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.purpose in _METADATA and answer.redirect and not same_origin(answer.url, answer.redirect):
            yield Fault(answer.where, f"{answer.status} to {answer.redirect}, which clients do not follow")


def _metadata_redirected(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.purpose in _METADATA and answer.redirect and same_origin(answer.url, answer.redirect):
            yield Fault(answer.where, f"{answer.status} to {answer.redirect}")


def _forbidden(seen: Seen) -> Iterator[Fault]:
    if seen.refused is None and not seen.open and seen.call.status == _FORBIDDEN:
        yield Fault(seen.call.where, "403 without a token; clients sign in on 401 only")


def _no_mcp(seen: Seen) -> Iterator[Fault]:
    if seen.refused is None and not seen.open and seen.call.status in {NOT_FOUND, _METHOD_NOT_ALLOWED, 406, 410}:
        yield Fault(seen.call.where, f"{seen.call.status}: there is no MCP server at this address")


def _other_refusal(seen: Seen) -> Iterator[Fault]:
    known = {UNAUTHORIZED, _FORBIDDEN, NOT_FOUND, _METHOD_NOT_ALLOWED, 406, 410, _TOO_MANY}
    status = seen.call.status
    if seen.refused is None and not seen.open and 400 <= status < 500 and status not in known:  # noqa: PLR2004
        yield Fault(seen.call.where, f"{status}, where a result or 401 is due")


def _rate_limited(seen: Seen) -> Iterator[Fault]:
    for answer in seen.log:
        if answer.status == _TOO_MANY:
            yield Fault(answer.where, "429: too many requests, so this report is not complete")


def _server_error(seen: Seen) -> Iterator[Fault]:
    if seen.refused is None and not seen.open and is_server_error(seen.call):
        yield Fault(seen.call.where, f"{seen.call.status}, where a result or 401 is due")


def _not_mcp(seen: Seen) -> Iterator[Fault]:
    if seen.refused is None and not seen.open and seen.call.ok:
        kind = seen.call.content_type or "no content type"
        yield Fault(seen.call.where, f"{seen.call.status} with {kind}, which is no MCP message")


def _old_transport(seen: Seen) -> Iterator[Fault]:
    if seen.call.status in {NOT_FOUND, _METHOD_NOT_ALLOWED} and seen.old_stream:
        yield Fault(seen.url, "only the HTTP+SSE transport of 2024-11-05, which clients are giving up")


def _only_discover(seen: Seen) -> Iterator[Fault]:
    answered = seen.discover is not None and seen.discover.ok and seen.discover.message is not None
    if answered and not seen.call.ok:
        yield Fault(seen.call.where, "`initialize` fails, so clients before MCP 2026-07-28 cannot connect")


def _open_with_metadata(seen: Seen) -> Iterator[Fault]:
    if seen.open and seen.resource.document:
        where = seen.resource.used.url if seen.resource.used else seen.url
        yield Fault(where, "metadata is published, yet the server answers without a token, so nobody will sign in")


def _stream_differs(seen: Seen) -> Iterator[Fault]:
    if seen.stream is None:
        return
    answer = seen.stream
    if seen.call.status == UNAUTHORIZED and (answer.ok or answer.status == _FORBIDDEN or is_server_error(answer)):
        yield Fault(answer.where, f"{answer.status} without a token, while POST answers 401")


CHECKS = (
    Check(
        "certificate",
        "error",
        _certificate,
        "Serve a certificate for this name that clients trust, with its intermediates; --ca-file for a private CA.",
        stops=True,
    ),
    Check("plain-http", "error", _plain_http, "Serve it over https; plain http is for loopback only."),
    Check("no-answer", "error", _no_answer, "Make this address answer: name, port, firewall, timeouts."),
    Check("too-large", "error", _too_large, "Metadata should be a few kilobytes; clients set limits."),
    Check("slow-answer", "note", _slow, "Hosted clients give up after a few seconds: answer from memory."),
    Check("not-finished", "warning", _stopped, "Raise --timeout, or probe again when the server is quicker."),
    Check("mcp-redirect", "warning", _redirected, "Give users the address that it redirects to."),
    Check(
        "mcp-moved",
        "error",
        _moved,
        "Give users the address that it redirects to; clients send no POST and no token across that.",
        stops=True,
    ),
    Check(
        "redirect-other-origin",
        "error",
        _other_origin,
        "Serve the document at this address itself; SDKs refuse cross-origin redirects.",
    ),
    Check("metadata-redirect", "warning", _metadata_redirected, "Serve the document at this address itself."),
    Check(
        "forbidden-instead-of-401",
        "error",
        _forbidden,
        "Answer 401 with `WWW-Authenticate: Bearer`; 403 is for a token that lacks a scope.",
        stops=True,
    ),
    Check("no-mcp-here", "error", _no_mcp, "Check the path, such as /mcp.", stops=True),
    Check("refused-otherwise", "error", _other_refusal, "Answer 401 when the token is missing.", stops=True),
    Check("rate-limited", "warning", _rate_limited, "Probe again later; discovery itself should not be limited."),
    Check("server-error", "error", _server_error, "Look into the server's log.", stops=True),
    Check(
        "not-mcp",
        "error",
        _not_mcp,
        "Check the path; a login page or a web application answers here.",
        stops=True,
    ),
    Check("old-transport", "warning", _old_transport, "Serve Streamable HTTP: POST at one address."),
    Check("only-discover", "note", _only_discover, "Answer `initialize` too as long as older clients matter."),
    Check(
        "open-with-metadata",
        "warning",
        _open_with_metadata,
        "Answer 401 to requests without a token, or take the metadata away.",
    ),
    Check("stream-differs", "warning", _stream_differs, "Answer GET without a token as POST: 401 with the challenge."),
)

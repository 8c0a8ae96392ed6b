"""Checks of CORS (Fetch 3.2), as a page of one origin meets it; only where the user named that origin."""

from collections.abc import Iterator

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.exchange import Exchange
from sidecar.probe.seen import BrowserSeen, Seen

METHOD = "POST"
_FORBIDDEN = 403
HEADERS = ("authorization", "content-type", "mcp-protocol-version")
"""What a page's MCP client sends that needs leave."""


def _preflight(seen: Seen) -> Iterator[Fault]:
    for what, answer in seen.browser.preflights if seen.browser else ():
        lacks = _refusal(answer, seen.browser.origin if seen.browser else "", what)
        if lacks:
            yield Fault(answer.where, f"preflight for {what}: {lacks}")


def _answer(seen: Seen) -> Iterator[Fault]:
    for what, answer in seen.browser.answers if seen.browser else ():
        if answer.status and seen.browser and not _readable(answer, seen.browser):
            allowed = answer.header("access-control-allow-origin")
            told = f"allows {allowed}" if allowed else "has no Access-Control-Allow-Origin"
            yield Fault(answer.where, f"{what}: the answer ({answer.status}) {told}")


def _hidden(seen: Seen) -> Iterator[Fault]:
    for what, answer in seen.browser.answers if seen.browser else ():
        challenged = bool(answer.header("www-authenticate"))
        readable = seen.browser is not None and _readable(answer, seen.browser)
        exposed = _names(answer, "access-control-expose-headers")
        if challenged and readable and not {"www-authenticate", "*"} & exposed:
            yield Fault(answer.where, f"{what}: pages cannot read the challenge")


def _credentials(seen: Seen) -> Iterator[Fault]:
    for what, answer in (*seen.browser.preflights, *seen.browser.answers) if seen.browser else ():
        if answer.header("access-control-allow-credentials").lower() == "true":
            yield Fault(answer.where, f"{what}: cookies of any visitor may come along")


def _refusal(answer: Exchange, origin: str, what: str) -> str:
    if not answer.status:
        return "no answer"
    if answer.status == _FORBIDDEN:
        return f"403: the server does not let {origin} in"
    if not answer.ok:
        return f"{answer.status}, where 204 is due"
    if answer.header("access-control-allow-origin") not in {origin, "*"}:
        return f"{origin} is not allowed"
    # POST is a simple method and needs no leave (Fetch 4.8), so only headers remain.
    allowed = _names(answer, "access-control-allow-headers")
    wanted = set(wanted_headers(what))
    # A wildcard does not cover Authorization (Fetch 4.8, step on CORS non-wildcard request-header names).
    lacking = sorted((wanted if "*" not in allowed else wanted & {"authorization"}) - allowed)
    return f"headers not allowed: {', '.join(lacking)}" if lacking else ""


def wanted_headers(what: str) -> tuple[str, ...]:
    """What the request that follows would carry."""
    return {"token": ("authorization",), "registration": ("content-type",)}.get(what, HEADERS)


def _readable(answer: Exchange, browser: BrowserSeen) -> bool:
    return answer.header("access-control-allow-origin") in {browser.origin, "*"}


def _names(answer: Exchange, header: str) -> set[str]:
    return {name.strip().lower() for name in answer.header(header).split(",") if name.strip()}


CHECKS = (
    Check(
        "cors-preflight",
        "error",
        _preflight,
        "Answer OPTIONS without a token: 204 with Access-Control-Allow-Origin, -Methods and -Headers.",
    ),
    Check("cors-answer", "error", _answer, "Send Access-Control-Allow-Origin with this answer too, errors included."),
    Check(
        "cors-challenge-hidden",
        "warning",
        _hidden,
        "Send `Access-Control-Expose-Headers: WWW-Authenticate, Mcp-Session-Id`.",
    ),
    Check("cors-credentials", "warning", _credentials, "Leave Access-Control-Allow-Credentials out: tokens need none."),
)

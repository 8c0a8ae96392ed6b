"""All checks, in the order in which a client would stumble, and the one function that runs them."""

from itertools import islice

from sidecar.probe.checks import answer, browser, challenge, documents, endpoints, registration, resource, server
from sidecar.probe.checks.base import Check, Finding, Level
from sidecar.probe.seen import Seen

__all__ = ["CHECKS", "Check", "Finding", "Level", "findings"]

CHECKS: tuple[Check, ...] = (
    *answer.CHECKS,
    *challenge.CHECKS,
    *resource.CHECKS,
    *documents.CHECKS,
    *server.CHECKS,
    *endpoints.CHECKS,
    *registration.CHECKS,
    *browser.CHECKS,
)

_MOST = 10
"""Findings of one check; a hostile document could make thousands."""
_LONGEST = 400
_LESS: dict[Level, Level] = {"error": "warning", "warning": "note", "note": "note"}
_ORDER: tuple[Level, ...] = ("error", "warning", "note")


def findings(seen: Seen) -> tuple[Finding, ...]:
    """What is wrong, worst first; among equals in the order of the walk."""
    found = [
        Finding(
            id=check.id,
            level=_LESS[check.level] if fault.aside else check.level,
            where=_short(fault.where),
            text=_short(fault.text),
            mend=check.mend,
            stops=check.stops and not fault.aside,
        )
        for check in CHECKS
        for fault in islice(check.find(seen), _MOST)
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: _ORDER.index(one.level)))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

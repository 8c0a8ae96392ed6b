"""What a client will do with all that: the mode it picks, and whether that is good enough for CI. Pure."""

from collections.abc import Sequence
from typing import Literal

from sidecar.probe.checks import Finding
from sidecar.probe.seen import NOT_FOUND, Seen

Mode = Literal["none", "oauth-dcr", "oauth-cimd", "oauth-manual", "broken", "unreachable"]

TEXTS: dict[Mode, str] = {
    "none": "no sign-in: it answers without a token",
    "oauth-dcr": "OAuth with dynamic registration (DCR): clients sign in by themselves",
    "oauth-cimd": "OAuth with client id metadata documents (CIMD): clients that have one sign in by themselves",
    "oauth-manual": "OAuth with a client that somebody registers by hand",
    "broken": "broken: clients cannot sign in",
    "unreachable": "not reached",
}
_NOT_DCR = {"registration-answer", "registration-broken", "registration-guarded", "registration-refused"}


def mode_of(seen: Seen, findings: Sequence[Finding]) -> Mode:
    if not seen.reached:
        return "unreachable"
    if any(finding.stops for finding in findings) and not seen.open:
        return "broken"
    if seen.open:
        return "none"
    if seen.server is None:
        return "broken"
    ids = {finding.id for finding in findings}
    guess = seen.server.default_registration
    guessed = guess is not None and guess.status not in {0, NOT_FOUND}
    if (seen.server.dcr or guessed) and not _NOT_DCR & ids:
        return "oauth-dcr"
    if seen.server.cimd:
        return "oauth-cimd"
    return "oauth-manual" if seen.server.used else "broken"


def exit_code(mode: Mode, findings: Sequence[Finding]) -> int:
    """0: a client gets in by itself. 1: it does not, or something is an error. 2: nobody answers."""
    if mode == "unreachable":
        return 2
    right = mode in {"none", "oauth-dcr", "oauth-cimd"}
    return 0 if right and not any(finding.level == "error" for finding in findings) else 1

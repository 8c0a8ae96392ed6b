"""Checks of the 401's challenge (RFC 6750 3, RFC 9728 5.1)."""

from collections.abc import Iterator

from sidecar.probe.challenge import as_sdks_read
from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.places import is_url, same_origin
from sidecar.probe.seen import Seen

_READ_BY_SDKS = ("resource_metadata", "scope", "error")


def _missing(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.bearer is None:
        told = seen.refused.header("www-authenticate")
        yield Fault(seen.refused.where, f"`WWW-Authenticate: {told}`" if told else "401 without WWW-Authenticate")


def _no_metadata(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.bearer is not None and not seen.bearer.get("resource_metadata"):
        yield Fault(seen.refused.where, "the challenge has no resource_metadata; some clients look nowhere else")


def _not_first(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.bearer is not None and len(seen.challenges) > 1:
        schemes = ", ".join(challenge.scheme for challenge in seen.challenges)
        first = seen.challenges[0].scheme == "bearer"
        more = "" if first else "; the TypeScript SDK reads the first scheme only"
        yield Fault(seen.refused.where, f"several challenges: {schemes}{more}")


def _ambiguous(seen: Seen) -> Iterator[Fault]:
    if seen.refused is None or seen.bearer is None or len(seen.challenges) > 1:
        return
    header = seen.refused.header("www-authenticate")
    for name in _READ_BY_SDKS:
        meant, read = seen.bearer.get(name), as_sdks_read(header, name)
        if meant != read:
            yield Fault(seen.refused.where, f"SDKs read {name} as `{read}`, not `{meant}`")


def _relative(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.challenged_url and not is_url(seen.challenged_url):
        yield Fault(seen.refused.where, f"resource_metadata is `{seen.challenged_url}`, which is no absolute URL")


def _dead(seen: Seen) -> Iterator[Fault]:
    for answer in seen.resource.tries:
        asked = answer.asked or answer.url
        if asked == seen.challenged_url and answer is not seen.resource.used and answer.status:
            yield Fault(answer.where, f"the challenge names this address, but it has no metadata ({answer.status})")


def _elsewhere(seen: Seen) -> Iterator[Fault]:
    if is_url(seen.challenged_url) and not same_origin(seen.challenged_url, seen.url):
        yield Fault(seen.challenged_url, "the challenge names metadata on another origin; hardened clients refuse that")


def _early_error(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.bearer is not None and seen.bearer.get("error"):
        yield Fault(seen.refused.where, f"error=`{seen.bearer.get('error')}` though no token was sent (RFC 6750 3.1)")


CHECKS = (
    Check(
        "challenge-missing",
        "warning",
        _missing,
        'Send `WWW-Authenticate: Bearer resource_metadata="…"` with the 401 (RFC 9728 5.1); a proxy may drop it.',
    ),
    Check(
        "challenge-no-metadata",
        "warning",
        _no_metadata,
        'Add resource_metadata="<URL of the RFC 9728 document>" to the challenge.',
    ),
    Check("challenge-several", "warning", _not_first, "Send one challenge, and let its first word be Bearer."),
    Check(
        "challenge-ambiguous",
        "warning",
        _ambiguous,
        "Keep `=` and quotes out of texts such as error_description: SDKs search the whole header.",
    ),
    Check("challenge-relative", "error", _relative, "Write the URL in full, with https:// and the host."),
    Check(
        "challenge-dead-link",
        "error",
        _dead,
        "Serve the document where the challenge says; the TypeScript SDK looks nowhere else then.",
    ),
    Check("challenge-elsewhere", "warning", _elsewhere, "Serve the document on the MCP server's own origin."),
    Check("challenge-early-error", "note", _early_error, "Leave `error` out when no token was sent."),
)

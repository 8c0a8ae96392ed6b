"""Checks of the registration endpoint's answers (RFC 7591, RFC 7592); only where the user let us send something."""

from collections.abc import Iterator

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.exchange import Exchange
from sidecar.probe.places import is_url
from sidecar.probe.seen import Seen

_CREATED = 201
_REFUSED = {401, 403}
_TOO_MANY = 429
_CLIENT_ERRORS = range(400, 500)
_NOT_THERE = {404, 405}
_GONE = {200, 202, 204}


def _malformed(seen: Seen) -> Iterator[Exchange]:
    if seen.registration is not None and seen.registration.malformed is not None:
        yield seen.registration.malformed


def _registered(seen: Seen) -> Iterator[Exchange]:
    if seen.registration is not None and seen.registration.registered is not None:
        yield seen.registration.registered


def _broken(seen: Seen) -> Iterator[Fault]:
    for answer in _malformed(seen):
        if answer.redirect:
            yield Fault(answer.where, f"{answer.status} to {answer.redirect}; clients do not follow that")
        elif answer.status in _NOT_THERE or (answer.status not in {*_CLIENT_ERRORS, 0} and not answer.ok):
            yield Fault(answer.where, f"{answer.status} to a malformed body, where 400 is due")


def _accepts_anything(seen: Seen) -> Iterator[Fault]:
    for answer in _malformed(seen):
        if answer.ok:
            yield Fault(answer.where, f"{answer.status} to a body that is not even JSON")


def _no_oauth_error(seen: Seen) -> Iterator[Fault]:
    for answer in _malformed(seen):
        expected = answer.status in _CLIENT_ERRORS and answer.status not in {*_NOT_THERE, *_REFUSED, _TOO_MANY}
        if expected and not _error(answer):
            yield Fault(answer.where, f"{answer.status} without a JSON `error`")


def _guarded(seen: Seen) -> Iterator[Fault]:
    for answer in (*_malformed(seen), *_registered(seen)):
        if answer.status in _REFUSED:
            yield Fault(answer.where, f"{answer.status}: registering needs a token that clients do not have")


def _refused(seen: Seen) -> Iterator[Fault]:
    for answer in _registered(seen):
        if answer.status and not answer.ok and answer.status not in {*_REFUSED, _TOO_MANY}:
            told = f": {_error(answer)}" if _error(answer) else ""
            yield Fault(answer.where, f"{answer.status} to the registration of a native client{told}")


def _unusable(seen: Seen) -> Iterator[Fault]:
    for answer in _registered(seen):
        if not answer.ok:
            continue
        body = answer.json if isinstance(answer.json, dict) else {}
        client_id, redirects = body.get("client_id"), body.get("redirect_uris")
        if not isinstance(client_id, str) or not client_id:
            yield Fault(answer.where, "the answer has no client_id")
        if not isinstance(redirects, list) or not redirects or not all(isinstance(uri, str) for uri in redirects):
            yield Fault(answer.where, "the answer does not echo redirect_uris, which the TypeScript SDK demands")
        names = [name for name, value in body.items() if value is None]
        if names:
            yield Fault(answer.where, f"null in: {', '.join(names)}")


def _status(seen: Seen) -> Iterator[Fault]:
    for answer in _registered(seen):
        if answer.ok and answer.status != _CREATED:
            yield Fault(answer.where, f"{answer.status}, where RFC 7591 3.2.1 says 201")


def _other_method(seen: Seen) -> Iterator[Fault]:
    for answer in _registered(seen):
        body = answer.json if answer.ok and isinstance(answer.json, dict) else {}
        method = body.get("token_endpoint_auth_method", "none")
        if body and (method != "none" or body.get("client_secret")):
            yield Fault(answer.where, f"a public client was asked for; the answer says `{method}`")


def _left_behind(seen: Seen) -> Iterator[Fault]:
    if seen.registration is None:
        return
    deleted = seen.registration.deleted
    for answer in _registered(seen):
        body = answer.json if answer.ok and isinstance(answer.json, dict) else {}
        client_id = body.get("client_id")
        if not isinstance(client_id, str) or (deleted is not None and deleted.status in _GONE):
            continue
        offered = is_url(body.get("registration_client_uri"))
        why = f"deleting it failed ({deleted.status})" if deleted and offered else "there is no way to delete it"
        yield Fault(answer.where, f"the client {client_id} stays: {why}")


def _error(answer: Exchange) -> str:
    found = answer.json.get("error") if isinstance(answer.json, dict) else None
    return found if isinstance(found, str) else ""


CHECKS = (
    Check("registration-broken", "error", _broken, "Let the registration endpoint answer POST with JSON."),
    Check("registration-blind", "error", _accepts_anything, "Check what is registered (RFC 7591 3.2.2)."),
    Check(
        "registration-error-form",
        "warning",
        _no_oauth_error,
        'Answer `{"error": "invalid_client_metadata"}` as JSON: clients parse it (RFC 7591 3.2.2).',
    ),
    Check(
        "registration-guarded",
        "error",
        _guarded,
        "Let clients register without a token, or put something in front that does.",
    ),
    Check(
        "registration-refused",
        "error",
        _refused,
        "Accept public clients with a loopback redirect, as desktop clients register.",
    ),
    Check("registration-answer", "error", _unusable, "Echo what was registered, without nulls (RFC 7591 3.2.1)."),
    Check("registration-status", "note", _status, "Answer 201."),
    Check("registration-method", "warning", _other_method, "Give clients that ask for `none` just that."),
    Check("registration-left", "note", _left_behind, "Delete it by hand if it matters; offer RFC 7592."),
)

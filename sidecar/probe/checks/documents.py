"""Checks of both kinds of metadata as JSON: can strict clients parse it (RFC 8414 3.2, RFC 9728 3.2).

The shapes are those that the TypeScript SDK's schemas demand; the Python SDK's and VS Code's are looser.
"""

from collections.abc import Iterator

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.exchange import JSON, Exchange
from sidecar.probe.places import is_url
from sidecar.probe.seen import Members, Seen

_URLS = frozenset(
    [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "service_documentation",
        "op_policy_uri",
        "op_tos_uri",
        "resource_policy_uri",
        "resource_tos_uri",
    ]
)
_BOOLEANS = frozenset(
    [
        "client_id_metadata_document_supported",
        "dpop_bound_access_tokens_required",
        "tls_client_certificate_bound_access_tokens",
    ]
)
_LISTS = ("_supported",)
_NOT_LISTS = frozenset(
    [
        "authorization_response_iss_parameter_supported",
        "backchannel_logout_session_supported",
        "backchannel_logout_supported",
        "claims_parameter_supported",
        "client_id_metadata_document_supported",
        "frontchannel_logout_session_supported",
        "frontchannel_logout_supported",
        "http_logout_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
    ]
)
_SCOPE_LISTS = ("scopes_supported",)


def _tries(seen: Seen) -> Iterator[tuple[Exchange, bool]]:
    """(answer, whether clients already had what they need)."""
    for number, answer in enumerate(seen.resource.tries):
        used = seen.resource.used
        yield answer, used is not None and seen.resource.tries.index(used) < number
    for server in seen.servers:
        for answer in server.tries:
            yield answer, not server.first


def _not_json(seen: Seen) -> Iterator[Fault]:
    for answer, aside in _tries(seen):
        if answer.ok and not answer.cut and not isinstance(answer.json, dict):
            kind = answer.content_type or "no content type"
            yield Fault(answer.where, f"{answer.status} with {kind}, which is no JSON object", aside)


def _content_type(seen: Seen) -> Iterator[Fault]:
    for answer, aside in _tries(seen):
        if answer.ok and isinstance(answer.json, dict) and answer.content_type != JSON:
            yield Fault(answer.where, f"the content type is {answer.content_type or 'missing'}", aside)


def _nulls(seen: Seen) -> Iterator[Fault]:
    for answer, members, aside in _documents(seen):
        names = [name for name, value in members.items() if value is None or _holds_null(value)]
        if names:
            yield Fault(answer.url, f"null in: {', '.join(names)}", aside)


def _empty_lists(seen: Seen) -> Iterator[Fault]:
    for answer, members, aside in _documents(seen):
        names = [name for name, value in members.items() if value == [] and name != "authorization_servers"]
        if names:
            yield Fault(answer.url, f"empty: {', '.join(names)}", aside)


def _types(seen: Seen) -> Iterator[Fault]:
    for answer, members, aside in _documents(seen):
        for name, value in members.items():
            wanted = _wanted(name)
            if value is not None and wanted and not _fits(wanted, value):
                yield Fault(answer.url, f"`{name}` is not {wanted}", aside)


def _odd_scopes(seen: Seen) -> Iterator[Fault]:
    for answer, members, aside in _documents(seen):
        for name in _SCOPE_LISTS:
            listed = members.get(name)
            scopes = [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []
            odd = [scope for scope in scopes if not _is_scope(scope)]
            if odd:
                yield Fault(answer.url, f"no single scopes in `{name}`: {', '.join(map(repr, odd))}", aside)
            if len(set(scopes)) < len(scopes):
                yield Fault(answer.url, f"`{name}` lists a scope twice", aside)


def _documents(seen: Seen) -> Iterator[tuple[Exchange, Members, bool]]:
    for kind, answer, members in seen.documents():
        first = answer is seen.resource.used if kind == "resource" else seen.server and answer is seen.server.used
        yield answer, members, not first


def _wanted(name: str) -> str:
    if name in _URLS:
        return "an absolute http(s) URL"
    if name in _BOOLEANS:
        return "true or false"
    if name == "issuer":
        return "a string"
    if name.endswith(_LISTS) and name not in _NOT_LISTS and name not in _BOOLEANS:
        return "a list of strings"
    return "a list of strings" if name == "authorization_servers" else ""


def _fits(wanted: str, value: object) -> bool:
    if wanted == "true or false":
        return isinstance(value, bool)
    if wanted == "a string":
        return isinstance(value, str)
    if wanted == "a list of strings":
        return isinstance(value, list) and all(isinstance(item, str) or item is None for item in value)
    return is_url(value)


def _holds_null(value: object) -> bool:
    return isinstance(value, list) and None in value


def _is_scope(text: str) -> bool:
    """RFC 6749 3.3."""
    return bool(text) and all("!" <= mark <= "~" and mark not in '"\\' for mark in text)


CHECKS = (
    Check(
        "metadata-not-json",
        "error",
        _not_json,
        "Answer 404 where there is no metadata, and JSON where there is; often a web application answers.",
    ),
    Check("metadata-content-type", "warning", _content_type, f"Send it as {JSON}."),
    Check("null-member", "error", _nulls, "Leave members out instead of setting them to null.", stops=True),
    Check("empty-list", "warning", _empty_lists, "Leave empty members out (RFC 8414 3.2, RFC 9728 3.2)."),
    Check(
        "member-type", "error", _types, "Give it the type of the standard; strict clients refuse all of it.", stops=True
    ),
    Check("odd-scopes", "warning", _odd_scopes, "One scope an entry, each once, without blanks and quotes."),
)

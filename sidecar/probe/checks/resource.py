"""Checks of the protected resource metadata (RFC 9728): is it there, and is it about this server."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.exchange import Exchange
from sidecar.probe.places import PRM, is_url, normal, origin
from sidecar.probe.seen import Seen, is_server_error

_MANY_SCOPES = 20
_NEEDS_TOKEN = {401, 403}


def _missing(seen: Seen) -> Iterator[Fault]:
    if seen.refused is not None and seen.resource.used is None:
        yield Fault(seen.url, "no protected resource metadata anywhere; clients guess that its origin signs users in")


def _path_missing(seen: Seen) -> Iterator[Fault]:
    """Only asked where there is a path; the challenge makes up for it with most clients, not with all."""
    if seen.resource.used is None or not seen.path.rstrip("/"):
        return
    place = f"{origin(seen.url)}{PRM}{seen.path.rstrip('/')}"
    for answer in seen.resource.tries:
        if (answer.asked or answer.url) == place and not answer.ok and answer.status:
            yield Fault(answer.where, f"{answer.status}; clients that ignore the challenge look here first")


def _about_us(seen: Seen) -> Iterator[tuple[Exchange, str, bool]]:
    """(answer, resource, aside) for each document. One at the root may speak of a neighbour, unless it is used."""
    for answer in seen.resource.tries:
        document = answer.json if answer.ok and isinstance(answer.json, dict) else {}
        resource = document.get("resource")
        if isinstance(resource, str) and is_url(resource):
            yield answer, resource, answer is not seen.resource.used


def _no_resource(seen: Seen) -> Iterator[Fault]:
    used = seen.resource.used
    if used is not None and not is_url(seen.resource.document.get("resource")):
        yield Fault(used.url, "`resource` is missing, or no absolute URL (RFC 9728 2)")


def _mismatch(seen: Seen) -> Iterator[Fault]:
    for answer, resource, aside in _about_us(seen):
        only_scheme = origin(resource).partition(":")[2] == origin(seen.url).partition(":")[2]
        if origin(resource) != origin(seen.url) and only_scheme:
            continue  # `http-behind-https` says it better
        same_path = _below(_path(seen.url), _path(resource))
        if (origin(resource) != origin(seen.url) or not same_path) and not (aside and _at_root(answer)):
            yield Fault(answer.url, f"`resource` is {resource}, but clients were given {seen.url}", aside)


def _slash_added(seen: Seen) -> Iterator[Fault]:
    for answer, resource, aside in _about_us(seen):
        if origin(resource) == origin(seen.url) and _path(resource) == _path(seen.url) + "/":
            yield Fault(answer.url, f"`resource` is {resource}, with a slash that {seen.url} does not have", aside)


def _not_exact(seen: Seen) -> Iterator[Fault]:
    for answer, resource, aside in _about_us(seen):
        parent = _below(_path(seen.url), _path(resource)) and _path(resource) != _path(seen.url) + "/"
        wanted = normal(seen.url).partition("?")[0]
        if not aside and origin(resource) == origin(seen.url) and parent and normal(resource) != wanted:
            yield Fault(answer.url, f"`resource` is {resource}; VS Code compares it with {seen.url} byte for byte")


def _differ(seen: Seen) -> Iterator[Fault]:
    """Documents about the same resource must name the same servers, or each client signs in elsewhere."""
    used, mine = seen.resource.used, seen.resource.document
    for answer in seen.resource.tries:
        other = answer.json if answer.ok and isinstance(answer.json, dict) else None
        if used is None or other is None or answer is used or other.get("resource") != mine.get("resource"):
            continue
        if other.get("authorization_servers") != mine.get("authorization_servers"):
            yield Fault(answer.url, f"names other authorization_servers than {used.url}")


def _no_servers(seen: Seen) -> Iterator[Fault]:
    if seen.resource.used is not None and not seen.resource.issuers:
        yield Fault(seen.resource.used.url, "`authorization_servers` names nobody")


def _several_servers(seen: Seen) -> Iterator[Fault]:
    if seen.resource.used is not None and len(seen.resource.issuers) > 1:
        yield Fault(seen.resource.used.url, f"{len(seen.resource.issuers)} authorization servers; SDKs use the first")


def _needs_token(seen: Seen) -> Iterator[Fault]:
    for answer in seen.resource.tries:
        if answer.status in _NEEDS_TOKEN:
            yield Fault(answer.where, f"{answer.status}: the metadata itself asks for a token", _spare(seen, answer))


def _server_error(seen: Seen) -> Iterator[Fault]:
    for answer in seen.resource.tries:
        if is_server_error(answer):
            yield Fault(answer.where, f"{answer.status}", _spare(seen, answer))


def _offline_access(seen: Seen) -> Iterator[Fault]:
    challenged = seen.bearer.get("scope").split() if seen.bearer else []
    if "offline_access" in challenged and seen.refused is not None:
        yield Fault(seen.refused.where, "the challenge asks for offline_access")
    if seen.resource.used is not None and "offline_access" in _scopes(seen):
        yield Fault(seen.resource.used.url, "`scopes_supported` has offline_access")


def _many_scopes(seen: Seen) -> Iterator[Fault]:
    if seen.resource.used is not None and len(_scopes(seen)) > _MANY_SCOPES:
        yield Fault(seen.resource.used.url, f"{len(_scopes(seen))} scopes; clients ask users for all of them at once")


def _unknown_scopes(seen: Seen) -> Iterator[Fault]:
    known = seen.server.texts("scopes_supported") if seen.server else None
    unknown = [scope for scope in _scopes(seen) if known and scope not in known]
    if seen.resource.used is not None and unknown:
        yield Fault(seen.resource.used.url, f"scopes that the authorization server does not list: {', '.join(unknown)}")


def _no_header_tokens(seen: Seen) -> Iterator[Fault]:
    methods = seen.resource.document.get("bearer_methods_supported")
    if seen.resource.used is not None and isinstance(methods, list) and methods and "header" not in methods:
        yield Fault(seen.resource.used.url, "`bearer_methods_supported` has no `header`, which MCP clients use")


def _bound_tokens(seen: Seen) -> Iterator[Fault]:
    for name in ("dpop_bound_access_tokens_required", "tls_client_certificate_bound_access_tokens"):
        if seen.resource.used is not None and seen.resource.document.get(name) is True:
            yield Fault(seen.resource.used.url, f"`{name}` is true")


def _spare(seen: Seen, answer: Exchange) -> bool:
    """Whether clients had what they need before they would have come here."""
    tries = seen.resource.tries
    return seen.resource.used is not None and tries.index(seen.resource.used) < tries.index(answer)


def _scopes(seen: Seen) -> list[str]:
    listed = seen.resource.document.get("scopes_supported")
    return [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []


def _path(url: str) -> str:
    return urlsplit(url).path


def _below(path: str, parent: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{parent.rstrip('/')}/")


def _at_root(answer: Exchange) -> bool:
    return urlsplit(answer.url).path.rstrip("/") == PRM


CHECKS = (
    Check("prm-missing", "warning", _missing, f"Publish RFC 9728 metadata at {PRM}/<path of the server>."),
    Check("prm-path-missing", "note", _path_missing, "Serve the document here too."),
    Check("prm-needs-token", "error", _needs_token, "Let everybody read the metadata."),
    Check("prm-server-error", "error", _server_error, "Mend it, or answer 404 where there is nothing."),
    Check("prm-differs", "warning", _differ, "Serve one document at all of these places."),
    Check("resource-missing", "error", _no_resource, "Let `resource` be the URL that users type.", stops=True),
    Check(
        "resource-mismatch",
        "error",
        _mismatch,
        "Let `resource` be the URL that users type, byte for byte; configure it, do not take it from Host.",
        stops=True,
    ),
    Check(
        "resource-slash",
        "error",
        _slash_added,
        "Leave the slash out of `resource`: the TypeScript SDK and VS Code refuse it.",
        stops=True,
    ),
    Check("resource-not-exact", "warning", _not_exact, "Let `resource` be the URL that users type, byte for byte."),
    Check(
        "prm-no-servers",
        "error",
        _no_servers,
        "List the issuer of your authorization server in `authorization_servers`.",
    ),
    Check("prm-several-servers", "note", _several_servers, "Put the one that lets clients register first."),
    Check(
        "scopes-offline-access",
        "note",
        _offline_access,
        "Leave offline_access to client and authorization server; no resource needs it.",
    ),
    Check("scopes-many", "warning", _many_scopes, "List what is needed to begin with; challenge for more later."),
    Check("scopes-unknown", "warning", _unknown_scopes, "Name scopes that the authorization server will grant."),
    Check("tokens-not-in-header", "error", _no_header_tokens, "Accept tokens in the Authorization header."),
    Check("tokens-bound", "error", _bound_tokens, "MCP clients send plain bearer tokens; do not require a proof."),
)

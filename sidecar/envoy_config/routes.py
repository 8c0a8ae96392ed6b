"""Virtual hosts and routes: configured authorities only, and the explicit list of what needs no check.

Owns which cluster a request goes to and whether the check is asked. `typed.NO_CHECK` is set here and nowhere else.
"""

import json
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from sidecar import headers
from sidecar.directory import Issuer, Server, canonical_authority
from sidecar.envoy_config.clusters import OAUTH, OAUTH_BODY_BYTES, origin_cluster
from sidecar.envoy_config.plan import EnvoyPlan, is_relayed
from sidecar.envoy_config.refusal import AUTHORITY, CHALLENGE, PUBLIC, challenge
from sidecar.envoy_config.typed import BUFFER, LUA, NO_CHECK, Doc, overwrite, seconds, typed

ENDPOINTS = ("authorize", "callback", "token", "register", "revoke")
"""What clients and browsers reach without one of our access tokens, under each issuer."""

WELL_KNOWN = "/.well-known/"
_DOCUMENTS = ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""TRACE would echo the injected credential; nothing else is part of HTTP as MCP and OAuth use it."""

_OCTET = "%(20|[89a-f][0-9a-f])"  # what can only stand escaped: a blank, and bytes beyond ASCII
_SEGMENT = rf"([a-z0-9._~!$&'()*+,=:@-]|{_OCTET})+"
PLAIN_TARGET = rf"(?i)(/{_SEGMENT})*/?(\?[!-~]*)?"
"""A path that every parser on the way reads alike: the check's own rule, for the routes that it is not asked about.
An allow-list, since a pattern of bad paths would have to foresee them; dot segments are gone by now."""

CORS_RESPONSE = tuple(
    f"access-control-{name}"
    for name in ("allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age")
)

_OAUTH_SECONDS = 15


def virtual_hosts(plan: EnvoyPlan) -> list[Doc]:
    """One per configured authority. Any other host gets 404 from the last."""
    urls = [issuer.url for issuer in plan.directory.issuers] + [server.resource for server in plan.directory.servers]
    domains: dict[str, dict[str, None]] = {}
    for url in urls:
        domains.setdefault(canonical_authority(url), {}).update(dict.fromkeys(_spellings(url)))
    return [_host(plan, authority, list(names)) for authority, names in domains.items()]


def unknown_host() -> Doc:
    """Not the check's business: it knows the same authorities."""
    return {"name": "dcr-sidecar unknown host", "domains": ["*"], "routes": [{**_not_found(), **_unchecked()}]}


def _spellings(url: str) -> Iterable[str]:
    """An authority with and without its scheme's default port. Envoy compares them in lower case."""
    authority = canonical_authority(url)
    parts = urlsplit(url)
    yield authority
    if parts.port is None or authority != parts.netloc.lower():
        yield f"{authority}:{443 if parts.scheme == 'https' else 80}"


def _host(plan: EnvoyPlan, authority: str, domains: list[str]) -> Doc:
    issuers = [issuer for issuer in plan.directory.issuers if issuer.authority == authority and issuer.pool]
    servers = [server for server in plan.directory.servers if server.authority == authority]
    servers.sort(key=lambda server: -len(server.path))
    relayed = [server for server in servers if is_relayed(server)]
    alone = len(servers) == 1 and not issuers
    return {
        "name": f"dcr-sidecar {authority}",
        "domains": domains,
        "routes": [
            _refuse(":method", "|".join(METHODS), 405, "This method is not supported."),
            _refuse(":path", PLAIN_TARGET, 400, "This path can be read in more than one way."),
            *(route for issuer in issuers for route in _issuer(issuer)),
            *(_documents(servers, issuers, alone=alone) if relayed else ()),
            *_well_known(server.path for server in servers if not is_relayed(server)),
            *(_mcp(server, plan, shared=bool(issuers)) for server in servers),
            _not_found(),
        ],
    }


def _issuer(issuer: Issuer) -> Iterable[Doc]:
    for name in ENDPOINTS:
        yield _oauth({"path": f"{issuer.path}/{name}"})
    yield _oauth({"prefix": f"{issuer.path}/register/"})  # RFC 7592 2: one client's own resource
    if issuer.path:
        yield _oauth({"prefix": f"{issuer.path}{WELL_KNOWN}"})


def _well_known(paths: Iterable[str]) -> Iterable[Doc]:
    """Metadata is public (RFC 9728 2, RFC 8414 3): what we do not publish answers 404 there, never a challenge."""
    found = list(paths)
    yield _oauth({"prefix": WELL_KNOWN})
    for path in found:
        if path:
            yield _oauth({"prefix": f"{path}{WELL_KNOWN}"})


def _oauth(match: Doc) -> Doc:
    buffered = typed("extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": OAUTH_BODY_BYTES})
    return {
        "match": match,
        "name": "oauth",
        "route": {"cluster": OAUTH, "timeout": seconds(_OAUTH_SECONDS)},
        "typed_per_filter_config": {**NO_CHECK, BUFFER: buffered},
    }


def _documents(servers: Iterable[Server], issuers: list[Issuer], *, alone: bool) -> Iterable[Doc]:
    """Whose word about what counts where a relayed server has a say: about us and our servers only ours.

    Its documents are below its own path, which may hold theirs. So theirs come first, and of two the longer path.
    """
    for issuer in issuers:
        for document in _DOCUMENTS[1:]:
            for end in ("", "/"):
                yield _oauth({"path": f"{WELL_KNOWN}{document}{issuer.path}{end}"})
    for server in servers:
        if is_relayed(server):
            yield from _relayed_documents(server, alone=alone, shared=bool(issuers))
        else:
            yield _oauth(_below(f"{WELL_KNOWN}{_DOCUMENTS[0]}{server.path}"))


def _relayed_documents(server: Server, *, alone: bool, shared: bool) -> Iterable[Doc]:
    """The origin's own metadata, untouched; its own endpoints too when nobody else lives on this authority."""
    route = {
        "name": f"relay {server.name}",
        "route": _forward(server, timeout=_OAUTH_SECONDS),
        **_hygiene(guarded=False, shared=shared),
        **_unchecked(),
    }
    for document in _DOCUMENTS:
        yield {"match": _below(f"{WELL_KNOWN}{document}{server.path}"), **route}
    if alone:
        yield {"match": {"prefix": WELL_KNOWN}, **route}
        for name in ENDPOINTS:
            yield {"match": {"path": f"/{name}"}, **route}
        yield {"match": {"prefix": "/register/"}, **route}


def _mcp(server: Server, plan: EnvoyPlan, *, shared: bool) -> Doc:
    relayed = is_relayed(server)
    action = _forward(server, timeout=0)
    # The route's timeout would count the whole response, so a stream needs it off; these two end it instead.
    action["idle_timeout"] = seconds(plan.stream_seconds)
    action["max_stream_duration"] = {"max_stream_duration": seconds(plan.stream_seconds)}
    return {
        "match": _below(server.path),
        "name": f"{'relay' if relayed else 'mcp'} {server.name}",
        "route": action,
        **_hygiene(guarded=not relayed, shared=shared),
        **(_unchecked() if relayed else _spoken(server)),
    }


def _spoken(server: Server) -> Doc:
    """For the response filter."""
    own = [urlsplit(server.origin).netloc]
    found = {CHALLENGE: challenge(server), AUTHORITY: own, PUBLIC: server.resource_origin}
    return {"metadata": {"filter_metadata": {LUA: found}}}


def _hygiene(*, guarded: bool, shared: bool) -> Doc:
    """What does not pass between client and origin.

    Our cookies live on the issuer's authority: a server that shares it neither reads nor plants any. The check has
    judged Origin, answers CORS and challenges, so a guarded server is spoken to as by a client that is no browser.
    """
    request, response = [headers.SOURCE], []
    if guarded:
        request.append("origin")
        response += ["www-authenticate", *CORS_RESPONSE]
    if guarded or shared:
        request.append("cookie")
        response.append("set-cookie")
    return {"request_headers_to_remove": request, **({"response_headers_to_remove": response} if response else {})}


def _forward(server: Server, *, timeout: float) -> Doc:
    """To the origin by its own name, the only one that a server with DNS-rebinding protection is sure to know.

    X-Forwarded-Host carries the public name.
    """
    return {
        "cluster": origin_cluster(server.origin),
        "timeout": seconds(timeout),
        "host_rewrite_literal": urlsplit(server.origin).netloc,
        "append_x_forwarded_host": True,
    }


def _below(path: str) -> Doc:
    """Exactly this path, or below it at a `/`; the whole host for an empty one. The same rule as Directory's."""
    return {"path_separated_prefix": path} if path else {"prefix": "/"}


def _refuse(header: str, unless: str, status: int, text: str) -> Doc:
    route = _answer(status, "invalid_request", text)
    value = {"safe_regex": {"regex": unless}}
    route["match"]["headers"] = [{"name": header, "string_match": value, "invert_match": True}]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        route["response_headers_to_add"].append(overwrite("allow", ", ".join(METHODS)))
    return {**route, **_unchecked()}


def _not_found() -> Doc:
    return _answer(404, "not_found", "Nothing is served here.")


def _answer(status: int, error: str, text: str) -> Doc:
    body = json.dumps({"error": error, "error_description": text})
    return {
        "match": {"prefix": "/"},
        "name": f"dcr-sidecar {error}",
        "direct_response": {"status": status, "body": {"inline_string": body}},
        "response_headers_to_add": [
            overwrite("content-type", "application/json"),
            overwrite("cache-control", "no-store"),
        ],
    }


def _unchecked() -> Doc:
    return {"typed_per_filter_config": NO_CHECK}

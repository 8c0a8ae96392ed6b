"""Checks of the authorization server's metadata (RFC 8414, OpenID Discovery): who it is and what it can do."""

from collections.abc import Iterator

from sidecar.probe.checks.base import Check, Fault
from sidecar.probe.seen import BAD_GATEWAY, NOT_FOUND, Seen, ServerMetadata, is_server_error

_REQUIRED = ("issuer", "authorization_endpoint", "token_endpoint", "response_types_supported")
_REQUIRED_OPENID = (*_REQUIRED, "jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported")
_SECRET_METHODS = {"client_secret_basic", "client_secret_post"}


def _servers(seen: Seen) -> Iterator[tuple[ServerMetadata, str]]:
    """Those with metadata, and where it is."""
    for server in seen.servers:
        if server.used is not None:
            yield server, server.used.url


def _missing(seen: Seen) -> Iterator[Fault]:
    for server in seen.servers:
        if server.used is None and not server.legacy:
            where = server.tries[0].url if server.tries else server.issuer
            yield Fault(where, f"no metadata of the authorization server {server.issuer}", not server.first)


def _nowhere(seen: Seen) -> Iterator[Fault]:
    """The 2025-03-26 way: without any metadata clients try /authorize, /token and /register at the origin."""
    for server in seen.servers:
        guess = server.default_registration
        if server.used is None and server.legacy and guess is not None and guess.status in {0, NOT_FOUND}:
            yield Fault(server.issuer, "401, but nothing says where to sign in, and there is no /register to guess")


def _guessed(seen: Seen) -> Iterator[Fault]:
    for server in seen.servers:
        guess = server.default_registration
        if server.used is None and guess is not None and guess.status not in {0, NOT_FOUND}:
            yield Fault(guess.url, "no metadata; some clients will guess /authorize, /token and /register here")


def _legacy(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if server.legacy and seen.refused is not None:
            yield Fault(where, "found only by the rule of MCP 2025-03-26, that the server's origin signs users in")


def _server_error(seen: Seen) -> Iterator[Fault]:
    for server in seen.servers:
        for answer in server.tries:
            if is_server_error(answer):
                more = "" if answer.status == BAD_GATEWAY else "; SDKs stop here"
                yield Fault(answer.where, f"{answer.status}{more}", not server.first)


def _issuer(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        named = server.text("issuer")
        if named and _stripped(named) != _stripped(server.issuer):
            yield Fault(where, f"`issuer` is {named}, but clients look for {server.issuer} here", not server.first)


def _issuer_slash(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        named = server.text("issuer")
        # Nobody named a legacy server, so clients allow both forms of the origin.
        if named and named != server.issuer and _stripped(named) == _stripped(server.issuer) and not server.legacy:
            text = f"`issuer` is {named}, but clients look for {server.issuer} here: one slash makes it another issuer"
            yield Fault(where, text, not server.first)


def _members(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        required = _REQUIRED_OPENID if server.openid else _REQUIRED
        lacking = [name for name in required if name not in server.document]
        if lacking:
            yield Fault(where, f"missing: {', '.join(lacking)}", not server.first)


def _code(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        types, grants = server.texts("response_types_supported"), server.texts("grant_types_supported")
        if types and "code" not in types:
            yield Fault(where, "`response_types_supported` has no `code`", not server.first)
        if grants and "authorization_code" not in grants:
            yield Fault(where, "`grant_types_supported` has no `authorization_code`", not server.first)


def _refresh(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if "refresh_token" not in (server.texts("grant_types_supported") or []):
            yield Fault(where, "no refresh tokens are announced, so users will sign in again and again")


def _s256(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        methods = server.texts("code_challenge_methods_supported")
        if methods is None:
            text = "`code_challenge_methods_supported` is missing, so clients must take PKCE for absent"
            yield Fault(where, text, not server.first)
        elif "S256" not in methods:
            yield Fault(where, "`code_challenge_methods_supported` has no S256", not server.first)


def _plain(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if "plain" in (server.texts("code_challenge_methods_supported") or []):
            yield Fault(where, "`code_challenge_methods_supported` has `plain`")


def _no_registration(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if not server.dcr and not server.cimd:
            text = "no registration_endpoint and no client id metadata documents: clients cannot introduce themselves"
            yield Fault(where, text, not server.first)


def _only_cimd(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if server.cimd and not server.dcr:
            yield Fault(where, "clients without a metadata document of their own cannot sign in", not server.first)


def _cimd_without_none(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if server.cimd and "none" not in _methods(server):
            yield Fault(where, "documents are supported, but not `none`; claude.ai then registers instead")


def _no_none(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if "none" not in _methods(server):
            listed = server.texts("token_endpoint_auth_methods_supported")
            more = "" if listed is not None else "; left out, it means client_secret_basic only (RFC 8414 2)"
            yield Fault(where, f"`token_endpoint_auth_methods_supported` has no `none`{more}", not server.first)


def _only_none(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if server.dcr and "none" in _methods(server) and not _SECRET_METHODS & set(_methods(server)):
            yield Fault(where, "public clients only; some hosted clients ask for client_secret_post")


def _all_scopes(seen: Seen) -> Iterator[Fault]:
    named = "scopes_supported" in seen.resource.document or (seen.bearer is not None and seen.bearer.get("scope"))
    scopes = seen.server.texts("scopes_supported") if seen.server else None
    if seen.server is not None and seen.server.used is not None and not named and scopes:
        text = f"the MCP server names no scopes, so some clients ask for all {len(scopes)} of the authorization server"
        yield Fault(seen.server.used.url, text)


def _no_iss(seen: Seen) -> Iterator[Fault]:
    for server, where in _servers(seen):
        if server.document.get("authorization_response_iss_parameter_supported") is not True:
            yield Fault(where, "authorization responses carry no `iss` (RFC 9207)")


def _methods(server: ServerMetadata) -> list[str]:
    return server.texts("token_endpoint_auth_methods_supported") or ["client_secret_basic"]


def _stripped(issuer: str) -> str:
    return issuer.removesuffix("/")


_FIND = "Publish RFC 8414 metadata: /.well-known/oauth-authorization-server, then the issuer's path."

CHECKS = (
    Check("as-missing", "error", _missing, _FIND, stops=True),
    Check(
        "no-sign-in",
        "error",
        _nowhere,
        "Publish protected resource metadata that names an authorization server.",
        stops=True,
    ),
    Check("as-guessed", "warning", _guessed, _FIND),
    Check("as-legacy", "warning", _legacy, "Name it in protected resource metadata (RFC 9728)."),
    Check("as-server-error", "error", _server_error, "Mend it, or answer 404 where there is nothing."),
    Check(
        "issuer-mismatch",
        "error",
        _issuer,
        "Let `issuer` and `authorization_servers` name the same, byte for byte; the well-known URL follows from it.",
        stops=True,
    ),
    Check(
        "issuer-slash",
        "error",
        _issuer_slash,
        "Write the issuer in the same way in both documents, best without a slash at its end.",
        stops=True,
    ),
    Check("as-member-missing", "error", _members, "Add it; strict clients refuse the whole document.", stops=True),
    Check("no-code-flow", "error", _code, "MCP clients use the authorization code grant only.", stops=True),
    Check("no-refresh", "note", _refresh, "Offer the refresh_token grant and list it in `grant_types_supported`."),
    Check("pkce-no-s256", "error", _s256, 'Publish `"code_challenge_methods_supported": ["S256"]` and enforce it.'),
    Check("pkce-plain", "note", _plain, "Offer S256 only (RFC 9700 2.1.1)."),
    Check(
        "no-registration",
        "error",
        _no_registration,
        "Offer dynamic client registration (RFC 7591), or put something in front that does.",
    ),
    Check("only-cimd", "warning", _only_cimd, "Offer dynamic client registration as well."),
    Check(
        "cimd-without-none",
        "warning",
        _cimd_without_none,
        "List `none` in `token_endpoint_auth_methods_supported`: such clients have no secret.",
    ),
    Check("no-public-clients", "warning", _no_none, "List `none`: desktop clients cannot keep a secret."),
    Check("only-public-clients", "note", _only_none, "Support client_secret_post and client_secret_basic too."),
    Check("all-scopes-asked", "note", _all_scopes, "Name the few scopes that are needed, in the challenge or the PRM."),
    Check("no-iss", "note", _no_iss, "Send `iss` and say so: it keeps clients of several servers from being mixed up."),
)

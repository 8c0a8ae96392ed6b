"""Servers and the issuers that follow from them: what may stand beside what, and who may sign in where."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from sidecar import headers
from sidecar.directory import AllowRule, Directory, Inject, Issuer, Server, canonical_authority
from sidecar.pools.judgement import open_to_everybody
from sidecar.records import Pool
from sidecar.settings import header_credentials
from sidecar.settings.errors import Problem
from sidecar.settings.schema import AllowSection, ServerSection

_ENDPOINTS = ("authorize", "token", "register", "revoke", "callback")


def resolve_servers(
    sections: Sequence[ServerSection], pools: Mapping[str, Pool], problems: list[Problem], warnings: list[str]
) -> Directory:
    if not sections:
        problems.append(Problem("servers", "needs at least one entry"))
    servers = tuple(_server(section, problems) for section in sections)
    _unique("name", [server.name for server in servers], problems)
    _unique("resource", [canonical_authority(server.resource) + server.path for server in servers], problems)
    for server in servers:
        _allowed(server, pools.get(server.pool), problems)
        _elsewhere(server, problems)
        _relayed_identity(server, problems)
        if server.pool and server.pool not in pools:
            text = f"no pool {server.pool} here, so every call is denied unless `dcr-sidecar pool create` made it"
            warnings.append(f"servers[{server.name}].pool: {text}")
        if not server.pool and server.without_pool == "deny":
            warnings.append(f"servers[{server.name}]: has no pool, so every call is denied")
    header_credentials.judge(servers, problems)
    issuers = _issuers(servers, problems)
    for server in servers:
        _outside(server, {server.issuer, *(issuer.url for issuer in issuers)}, problems)
    _apart(issuers, problems)
    warnings += [_beside_our_pages(server) for server in servers if _is_beside_our_pages(server, issuers)]
    return Directory(servers, issuers, MappingProxyType(dict(pools)))


def _server(section: ServerSection, problems: list[Problem]) -> Server:
    parts = urlsplit(section.resource)
    base, optional = section.scopes.base, section.scopes.optional
    if len({*base, *optional}) != len(base) + len(optional):
        problems.append(Problem(f"servers[{section.name}].scopes", "a scope stands twice; once, in base or optional"))
    known = {*base, *optional}
    if not {*section.scopes.implies}.union(*section.scopes.implies.values()) <= known:
        text = "names a scope that is neither in base nor in optional"
        problems.append(Problem(f"servers[{section.name}].scopes.implies", text))
    return Server(
        name=section.name,
        resource=section.resource,
        origin=section.origin,
        issuer=section.issuer or f"{parts.scheme}://{parts.netloc}",
        pool=section.pool,
        base_scopes=base,
        optional_scopes=optional,
        implied_scopes=tuple(section.scopes.implies.items()),
        allowed_origins=frozenset(section.allowed_origins),
        inject=_inject(section),
        without_pool=section.without_pool,
        allow=_rule(section, section.allow, problems),
        header_credentials=header_credentials.resolve(
            section.header_credentials.prefixes, section.header_credentials.headers
        ),
    )


def _inject(section: ServerSection) -> Inject:
    asked = section.inject
    header = asked.header or ("authorization" if asked.mode == "upstream" else headers.ASSERTION)
    default = "" if header == headers.ASSERTION else "Bearer "
    return Inject(asked.mode, header, default if asked.prefix is None else asked.prefix)


def _rule(section: ServerSection, allow: AllowSection, problems: list[Problem]) -> AllowRule:
    key = f"servers[{section.name}].allow"
    if any("@" in domain or "*" in domain or "." not in domain for domain in allow.domains):
        problems.append(Problem(f"{key}.domains", "must be domains such as example.com, without @ and *"))
    if any(email.count("@") != 1 or "*" in email for email in allow.emails):
        problems.append(Problem(f"{key}.emails", "must be addresses such as ana@example.com, without *"))
    entries = (*allow.emails, *allow.domains, *allow.groups, *allow.claims, *allow.claims.values())
    if any(not entry.strip() or entry != entry.strip() for entry in entries):
        problems.append(Problem(key, "has an empty entry or one with blanks around it"))
    return AllowRule(
        emails=frozenset(email.lower() for email in allow.emails),
        domains=frozenset(domain.lower() for domain in allow.domains),
        groups=frozenset(allow.groups),
        claims=tuple(allow.claims.items()),
    )


def _unique(key: str, values: Sequence[str], problems: list[Problem]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    problems.extend(Problem(f"servers.{key}", f"two servers have {value}; each needs its own") for value in twice)


def _allowed(server: Server, pool: Pool | None, problems: list[Problem]) -> None:
    if pool is not None and open_to_everybody(pool, server):
        text = (
            f"is required: pool {pool.name} is a public identity provider, so anybody could sign in. "
            "Name emails, domains, groups or claims; `claims: {iss: <issuer>}` lets in all who can sign up at your own"
        )
        problems.append(Problem(f"servers[{server.name}].allow", text))


def _outside(server: Server, issuers: Iterable[str], problems: list[Problem]) -> None:
    """No issuer's endpoints may lie inside the server's path."""
    ours = [path for url in issuers if canonical_authority(url) == server.authority for path in _endpoints(url)]
    if server.path and (
        server.path.startswith("/.well-known") or any(f"{path}/".startswith(f"{server.path}/") for path in ours)
    ):
        text = "our endpoints would lie inside it; give the server or the issuer another path"
        problems.append(Problem(f"servers[{server.name}].resource", text))


def _apart(issuers: Sequence[Issuer], problems: list[Problem]) -> None:
    """No issuer may live at another's endpoint: `/register/token` would be both a client's address and a token's."""
    for issuer in issuers:
        others = [other.url for other in issuers if other.authority == issuer.authority and other is not issuer]
        if any(f"{issuer.path}/".startswith(f"{path}/") for url in others for path in _endpoints(url)):
            problems.append(Problem("servers.issuer", f"{issuer.url} is an endpoint of another issuer; choose another"))


def _endpoints(issuer: str) -> Iterable[str]:
    return (f"{urlsplit(issuer).path.rstrip('/')}/{name}" for name in _ENDPOINTS)


def _elsewhere(server: Server, problems: list[Problem]) -> None:
    """Envoy may not send MCP traffic back to itself."""
    if canonical_authority(server.origin) == server.authority:
        text = "is the public address itself, so Envoy would call itself; give the MCP server's own address"
        problems.append(Problem(f"servers[{server.name}].origin", text))


def _relayed_identity(server: Server, problems: list[Problem]) -> None:
    """Such a server believes what its requests say of the user, and relayed ones say nothing that anybody checked."""
    if server.inject.mode == "identity" and server.without_pool == "relay":
        text = "cannot be `relay` with `inject.mode: identity`; use `deny`"
        problems.append(Problem(f"servers[{server.name}].without_pool", text))


def _is_beside_our_pages(server: Server, issuers: Sequence[Issuer]) -> bool:
    relayed = not server.pool and server.without_pool == "relay"
    return relayed and any(issuer.authority == server.authority for issuer in issuers)


def _beside_our_pages(server: Server) -> str:
    """To a browser, what it serves unchecked is of one origin with the consent page."""
    return (
        f"servers[{server.name}].without_pool: it is relayed on the host of our sign-in pages, so a script that it "
        "serves could approve in a user's name; give it a host of its own unless you trust it that far"
    )


def _issuers(servers: Sequence[Server], problems: list[Problem]) -> tuple[Issuer, ...]:
    """One per URL that a server with a pool names; two pools behind one are refused (design 2)."""
    found: dict[str, Issuer] = {}
    for server in servers:
        if not server.pool:
            continue
        issuer = found.setdefault(server.issuer, Issuer(server.issuer, server.pool))
        if issuer.pool != server.pool:
            text = (
                f"pool {issuer.pool} already stands behind issuer {issuer.url}; give one of the servers an `issuer` "
                f"of its own, such as {issuer.url}/{server.pool}"
            )
            problems.append(Problem(f"servers[{server.name}].pool", text))
    return tuple(found.values())

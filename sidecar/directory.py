"""What is served where: servers, issuers and pools, and the only lookups from a request's bytes to them.

Nothing is derived from Host or forwarded headers: an authority and a path either match configuration or they do not.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from sidecar.records import Pool, StaticClient

PRM = "/.well-known/oauth-protected-resource"
_NEEDLESS_ESCAPE = re.compile(r"%(?!20|[89A-Fa-f][0-9A-Fa-f])")  # of anything but a blank and bytes beyond ASCII


@dataclass(frozen=True, slots=True)
class AllowRule:
    """Who may sign in. A rule with no entry at all allows everybody the IdP lets in."""

    emails: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    claims: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Inject:
    """How the MCP server gets to know the user: what it gets as a credential, in this header, behind this prefix.

    `upstream`: the user's upstream token. `identity`: our signed assertion, with plain identity headers beside it.
    """

    mode: Literal["upstream", "identity"] = "upstream"
    header: str = "authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class HeaderCredentials:
    """The MCP server's own credentials that pass to it unjudged: what a bearer value begins with, and headers."""

    prefixes: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    """Lower case."""


@dataclass(frozen=True, slots=True)
class Server:
    """One protected MCP server: its resource URL and its origin behind Envoy."""

    name: str
    resource: str
    origin: str
    issuer: str
    pool: str
    """A pool's name; empty when the server has none."""
    base_scopes: tuple[str, ...] = ()
    optional_scopes: tuple[str, ...] = ()
    implied_scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Broad scope and the narrower ones that it stands for."""
    allowed_origins: frozenset[str] = frozenset()
    inject: Inject = Inject()
    without_pool: Literal["deny", "relay"] = "deny"
    allow: AllowRule = AllowRule()
    header_credentials: HeaderCredentials | None = None
    """None: no credential but ours opens anything."""

    @property
    def authority(self) -> str:
        return canonical_authority(self.resource)

    @property
    def path(self) -> str:
        """The resource's path without a trailing slash; empty for a whole host."""
        return urlsplit(self.resource).path.rstrip("/")

    @property
    def resource_origin(self) -> str:
        return browser_origin(self.resource)

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.base_scopes + self.optional_scopes

    def missing_scopes(self, held: tuple[str, ...]) -> tuple[str, ...]:
        """The base scopes that a token with these does not have, not even by implication."""
        have = set(held)
        while found := {narrow for broad, those in self.implied_scopes if broad in have for narrow in those} - have:
            have |= found
        return tuple(scope for scope in self.base_scopes if scope not in have)

    def metadata_url(self, *, slash: bool = False) -> str:
        """RFC 9728 3.1: the well-known segment goes between host and path. `slash` for the `/mcp/` variant."""
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{PRM}{self.path}{'/' if slash and self.path else ''}"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Our authorization-server identity. Exactly one pool stands behind it."""

    url: str
    pool: str

    @property
    def authority(self) -> str:
        return canonical_authority(self.url)

    @property
    def path(self) -> str:
        """Empty for a root issuer."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def origin(self) -> str:
        return browser_origin(self.url)

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    def endpoint(self, name: str) -> str:
        """The absolute URL of `authorize`, `token`, `register`, `revoke` or `callback`."""
        return f"{self.url}/{name}"


@dataclass(frozen=True, slots=True)
class Directory:
    """A consistent snapshot of everything that is served."""

    servers: tuple[Server, ...]
    issuers: tuple[Issuer, ...]
    pools: Mapping[str, Pool] = field(default_factory=lambda: MappingProxyType({}))
    clients: Mapping[str, StaticClient] = field(default_factory=lambda: MappingProxyType({}))
    """Those that the operator configured, by id."""
    _servers: Mapping[str, "_Paths[Server]"] = field(init=False, repr=False, compare=False)
    _issuers: Mapping[str, "_Paths[Issuer]"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looked up on every MCP request, so parsed once.
        object.__setattr__(self, "_servers", _index((s.resource, s) for s in self.servers))
        object.__setattr__(self, "_issuers", _index((i.url, i) for i in self.issuers))

    def server_at(self, authority: str, path: str) -> Server | None:
        """The server a raw request path belongs to: exact, or below it at a `/`; the longest match wins.

        `path` has no query. A path that could mean something else to another parser matches nothing.
        """
        if not unambiguous(path):
            return None
        for prefix, server in self._servers.get(authority.lower(), ()):
            if path == prefix or path.startswith(prefix + "/"):
                return server
        return None

    def issuer_at(self, authority: str, path: str) -> Issuer | None:
        """The issuer whose endpoints live at this authority under this path; the longest issuer path wins."""
        for prefix, issuer in self._issuers.get(authority.lower(), ()):
            if path.startswith(prefix + "/"):
                return issuer
        return None

    def issuer(self, url: str) -> Issuer | None:
        return next((issuer for issuer in self.issuers if issuer.url == url), None)

    def server(self, name: str) -> Server | None:
        return next((server for server in self.servers if server.name == name), None)

    def servers_of(self, issuer: Issuer) -> tuple[Server, ...]:
        """The servers that name this issuer, in configured order."""
        return tuple(server for server in self.servers if server.issuer == issuer.url and server.pool)

    def servers_with(self, pool: str) -> tuple[Server, ...]:
        """The servers whose users the pool of this name signs in."""
        return tuple(server for server in self.servers if server.pool == pool)

    def callbacks_of(self, pool: str) -> tuple[str, ...]:
        """Where the provider of the pool of this name sends users back to."""
        return tuple(issuer.endpoint("callback") for issuer in self.issuers if issuer.pool == pool)

    def asserts_identity(self, issuer: Issuer) -> bool:
        """Whether a server of this issuer gets our assertions, so that it needs the keys that verify them."""
        return any(server.inject.mode == "identity" for server in self.servers_of(issuer))

    def servers_on(self, authority: str) -> tuple[Server, ...]:
        """All servers on one authority."""
        return tuple(server for _, server in self._servers.get(authority.lower(), ()))

    def pool_of(self, server: Server | Issuer) -> Pool | None:
        """None when there is no pool of that name (any more), which means deny."""
        return self.pools.get(server.pool)


def canonical_authority(url: str) -> str:
    """Lower-case host and port of an absolute URL, without the scheme's default port."""
    parts = urlsplit(url)
    authority = parts.netloc.lower()
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return authority.removesuffix(default) if default else authority


def same_resource(configured: str, requested: str) -> bool:
    """Whether a client's RFC 8707 `resource` names this configured one.

    Case of scheme and host, the default port and one trailing slash do not matter. A query does not either: some
    clients send the URL as the user typed it, and what is bound is always the configured URL. A fragment does.
    """
    try:
        parts = urlsplit(requested)
        parts.port  # noqa: B018  # raises for a port that is none
    except ValueError:
        return False
    # urlsplit drops tabs and line ends silently, so what is compared must be all there was.
    if "#" in requested or not requested.isascii() or not requested.isprintable() or " " in requested:
        return False
    ours = urlsplit(configured)
    return (
        parts.scheme == ours.scheme
        and canonical_authority(requested) == canonical_authority(configured)
        and parts.path.removesuffix("/") == ours.path.removesuffix("/")
    )


def browser_origin(url: str) -> str:
    """Scheme and authority of an absolute URL, as browsers send them in `Origin` (RFC 6454 6.1)."""
    return f"{urlsplit(url).scheme}://{canonical_authority(url)}"


def unambiguous(path: str) -> bool:
    """Whether every parser on the way reads the same segments from these bytes.

    Only what can stand no other way may be escaped, or an MCP server that decodes paths would serve `/mcp/@admin` where
    we had seen `/mcp/%40admin` and taken it for something below `/mcp`.
    """
    if not path.startswith("/") or not path.isascii() or not path.isprintable():
        return False
    if any(mark in path for mark in ("//", "\\", "#", "?", ";")) or _NEEDLESS_ESCAPE.search(path):
        return False
    return not any(segment in {".", ".."} for segment in path.split("/"))


_T = TypeVar("_T")
_Paths = tuple[tuple[str, _T], ...]


def _index(entries: Iterable[tuple[str, _T]]) -> Mapping[str, _Paths[_T]]:
    """URL -> value as authority -> ((path, value), ...), longest path first; with and without the default port."""
    found: dict[str, list[tuple[str, _T]]] = {}
    for url, value in entries:
        parts = urlsplit(url)
        authority = canonical_authority(url)
        names = [authority]
        if parts.port is None or authority != parts.netloc.lower():
            names.append(f"{authority}:{443 if parts.scheme == 'https' else 80}")
        for name in names:
            found.setdefault(name, []).append((parts.path.rstrip("/"), value))
    return {name: tuple(sorted(paths, key=lambda entry: -len(entry[0]))) for name, paths in found.items()}

"""What a store URL says. Owns which schemes and options exist; opens nothing.

redis://[user:password@]host[:port][/db]       rediss:// for TLS
unix:///path/to/socket[?db=1]
redis+sentinel://[user:password@]host:port,host:port/service[/db]      rediss+sentinel:// for TLS
redis+cluster://[user:password@]host:port,host:port                    rediss+cluster:// for TLS
"""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORT, _SENTINEL_PORT = 6379, 26379
_SHAPES: dict[str, Literal["server", "socket", "sentinel", "cluster"]] = {
    "redis": "server",
    "rediss": "server",
    "unix": "socket",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
SCHEMES = tuple(_SHAPES)
_ESCAPES = "write / # ? @ in a password as %2F %23 %3F %40"
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_OPTIONS = {
    "server": frozenset[str](),
    "socket": frozenset({"db", "username", "password"}),
    "sentinel": frozenset({"sentinel_username", "sentinel_password"}),
    "cluster": frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    ca_file: str = ""
    """Whom to believe, instead of the system's authorities."""
    cert_file: str = ""
    """What we show, in PEM; its key may be in the same file."""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    shape: Literal["server", "socket", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...] = ()
    """Of the server, of the sentinels, or of some of a cluster's nodes."""
    path: str = ""
    """Of the socket."""
    service: str = ""
    """What the sentinels call the primary."""
    database: int = 0
    credentials: Credentials = Credentials()
    sentinel_credentials: Credentials = Credentials()
    tls: TlsFiles | None = None
    """None: without TLS."""


def parse(url: str) -> Address:
    """Raises ValueError for a URL that is not one of ours, in words that repeat none of it: it may hold a password."""
    parts = urlsplit(url)
    shape = _SHAPES.get(parts.scheme)
    if shape is None:
        raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)} or embedded:")
    options = _options(parts, shape)
    credentials = _credentials(parts, options)
    tls = _tls(options) if parts.scheme.startswith("rediss") else None
    if shape == "socket":
        if not parts.path:
            raise ValueError("names no socket: unix:///path/to/socket")
        return Address(
            shape, path=unquote(parts.path), database=_number(options.get("db", "")), credentials=credentials
        )
    hosts = _hosts(parts, _SENTINEL_PORT if shape == "sentinel" else _PORT)
    segments = [unquote(segment) for segment in parts.path.strip("/").split("/")]
    if shape == "sentinel":
        if not segments[0]:
            raise ValueError("names no service: redis+sentinel://host:port/service")
        theirs = Credentials(options.get("sentinel_username", ""), options.get("sentinel_password", ""))
        return Address(shape, hosts, "", segments[0], _number("/".join(segments[1:])), credentials, theirs, tls)
    if shape == "cluster":
        if segments not in ([""], ["0"]):
            raise ValueError("a cluster has no numbered databases")
        return Address(shape, hosts, credentials=credentials, tls=tls)
    return Address(shape, hosts[:1], database=_number("/".join(segments)), credentials=credentials, tls=tls)


def _options(parts: SplitResult, shape: str) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    known = _OPTIONS[shape] | (_TLS_OPTIONS if parts.scheme.startswith("rediss") else frozenset())
    if misplaced := _TLS_OPTIONS & options.keys() - known:
        raise ValueError(f"{', '.join(sorted(misplaced))}: for TLS it begins with rediss")
    if options.keys() - known:
        raise ValueError(f"has an unknown option; known here: {', '.join(sorted(known)) or 'none'}")
    return options


def _credentials(parts: SplitResult, options: dict[str, str]) -> Credentials:
    username, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Credentials(
        unquote(username) or options.get("username", ""), unquote(password) or options.get("password", "")
    )


def _tls(options: dict[str, str]) -> TlsFiles:
    files = TlsFiles(*(options.get(name, "") for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")))
    if files.key_file and not files.cert_file:
        raise ValueError("ssl_keyfile needs its ssl_certfile")
    return files


def _hosts(parts: SplitResult, default_port: int) -> tuple[tuple[str, int], ...]:
    hosts = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        each = urlsplit(f"//{text}")
        if not each.hostname:
            raise ValueError(f"a host is missing; {_ESCAPES}")
        try:
            port = each.port
        except ValueError:
            raise ValueError(f"a port is not one; {_ESCAPES}") from None
        hosts.append((each.hostname, port or default_port))
    return tuple(hosts)


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"its database is not a number; {_ESCAPES}")
    return int(text or 0)

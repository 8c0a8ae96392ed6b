"""From a store URL to a client. Owns which schemes and options exist, and that redis-py never repeats a command.

redis://[user:password@]host[:port][/db]       rediss:// for TLS
unix:///path/to/socket[?db=1]
redis+sentinel://[user:password@]host:port,host:port/service[/db]      rediss+sentinel:// for TLS
redis+cluster://[user:password@]host:port,host:port                    rediss+cluster:// for TLS
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from sidecar.store.base import TURNS
from sidecar.store.redis_cluster import NODE_SECONDS, PatientCluster
from sidecar.store.redis_link import Client

_PORT, _SENTINEL_PORT = 6379, 26379
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
SCHEMES = frozenset({"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"})


@asynccontextmanager
async def connect(url: str, *, timeout_ms: int) -> AsyncIterator[Client]:
    """A client that connects at first use. Raises ValueError for a URL that is not one of ours."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"store.url: {parts.scheme or 'no scheme'} is not one of {', '.join(sorted(SCHEMES))}")
    options = _options(parts)
    async with AsyncExitStack() as stack:
        if parts.scheme.endswith("+cluster"):
            cluster = _cluster(parts, options)
            stack.push_async_callback(cluster.stop)
            yield cluster
        elif parts.scheme.endswith("+sentinel"):
            sentinel = _sentinel(parts, options, timeout_ms)
            stack.push_async_callback(sentinel.aclose)
            client = sentinel.master_for(_service(parts), **_common(), **_database(parts, 1), **_tls(parts))
            stack.push_async_callback(client.aclose)
            yield client
        else:
            client = _single(parts, options)
            stack.push_async_callback(client.aclose)
            yield client


def _common() -> dict[str, Any]:
    """Whatever the URL says: one try, bytes, RESP2. `Link` bounds a whole operation in time, connecting included."""
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "decode_responses": False,
        "protocol": 2,
        "driver_info": None,
    }


def _single(parts: SplitResult, options: dict[str, Any]) -> Redis:
    if parts.scheme == "unix":
        address: dict[str, Any] = {"connection_class": UnixDomainSocketConnection, "path": unquote(parts.path)}
    else:
        host, port = _hosts(parts, _PORT)[0]
        address = {"host": host, "port": port} | _database(parts, 0)
        address |= {"connection_class": SSLConnection} if parts.scheme == "rediss" else {}
    return Redis.from_pool(ConnectionPool(**_common(), **address, **options))


def _sentinel(parts: SplitResult, options: dict[str, Any], timeout_ms: int) -> Sentinel:
    hosts = _hosts(parts, _SENTINEL_PORT)
    # A silent sentinel must leave time within one operation to ask the next, and then the primary.
    share = timeout_ms / 1000 / (len(hosts) + 1)
    theirs = {name.removeprefix("sentinel_"): options.pop(name) for name in _SENTINEL_OPTIONS & options.keys()}
    tls = {name: options[name] for name in _TLS_OPTIONS & options.keys()}
    theirs |= _common() | {"socket_timeout": share, "socket_connect_timeout": share} | tls | _tls(parts)
    return Sentinel(hosts, sentinel_kwargs=theirs, **options)  # type: ignore[no-untyped-call]


def _cluster(parts: SplitResult, options: dict[str, Any]) -> PatientCluster:
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts, _PORT)]
    patience = {"socket_timeout": NODE_SECONDS, "socket_connect_timeout": NODE_SECONDS}
    settings = _common() | patience | options | _tls(parts)
    return PatientCluster(startup_nodes=nodes, max_connections=TURNS, **settings)


def _tls(parts: SplitResult) -> dict[str, Any]:
    return {"ssl": True} if parts.scheme.startswith("rediss+") else {}


def _options(parts: SplitResult) -> dict[str, Any]:
    known = set(_TLS_OPTIONS) if parts.scheme.startswith("rediss") else set()
    known |= _SENTINEL_OPTIONS if parts.scheme.endswith("+sentinel") else set()
    known |= {"db", "username", "password"} if parts.scheme == "unix" else set()
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if unknown := options.keys() - known:
        raise ValueError(f"store.url: unknown option {', '.join(sorted(unknown))}")
    userinfo = parts.netloc.rpartition("@")[0]
    username, _, password = userinfo.partition(":")
    options |= {"username": unquote(username)} if username else {}
    options |= {"password": unquote(password)} if password else {}
    return options


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        each = urlsplit(f"//{text}")
        if not each.hostname:
            raise ValueError("store.url: a host is missing")
        hosts.append((each.hostname, each.port or default_port))
    return hosts


def _service(parts: SplitResult) -> str:
    service = unquote(parts.path.strip("/").split("/")[0])
    if not service:
        raise ValueError("store.url: redis+sentinel://host:port/service names no service")
    return service


def _database(parts: SplitResult, position: int) -> dict[str, Any]:
    segments = parts.path.strip("/").split("/")
    text = segments[position] if len(segments) > position else ""
    if text and not text.isdigit():
        raise ValueError(f"store.url: {text!r} is not a database number")
    return {"db": int(text)} if text else {}

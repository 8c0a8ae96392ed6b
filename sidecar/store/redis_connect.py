"""From an address to a client. Owns that redis-py never repeats a command, and its limits of time and number."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, ConnectionPool, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection
from redis.backoff import NoBackoff

from sidecar.store.address import Address, Credentials, parse
from sidecar.store.base import TURNS
from sidecar.store.redis_cluster import NODE_SECONDS, PatientCluster
from sidecar.store.redis_link import Client
from sidecar.store.redis_tls import SentinelTlsConnection, TlsConnection, Trust


@asynccontextmanager
async def connect(url: str, *, timeout_ms: int) -> AsyncIterator[Client]:
    """A client that connects at first use. Raises ValueError for a URL that is not one of ours."""
    address = parse(url)
    trust = {"trust": Trust(address.tls)} if address.tls else {}
    async with AsyncExitStack() as stack:
        if address.shape == "cluster":
            cluster = _cluster(address, trust)
            stack.push_async_callback(cluster.stop)
            yield cluster
        elif address.shape == "sentinel":
            sentinel = _sentinel(address, trust, timeout_ms)
            stack.push_async_callback(sentinel.aclose)
            client = _primary(sentinel, address, trust)
            stack.push_async_callback(client.aclose)
            yield client
        else:
            client = _single(address, trust)
            stack.push_async_callback(client.aclose)
            yield client


def _common(credentials: Credentials) -> dict[str, Any]:
    """Whatever the URL says: one try, bytes, RESP2. `Link` bounds a whole operation in time, connecting included."""
    return {
        "username": credentials.username or None,
        "password": credentials.password or None,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "decode_responses": False,
        "protocol": 2,
        "driver_info": None,
    }


def _kind(trust: dict[str, Trust]) -> dict[str, Any]:
    return {"connection_class": TlsConnection if trust else Connection, **trust}


def _single(address: Address, trust: dict[str, Trust]) -> Redis:
    options = _common(address.credentials) | {"db": address.database}
    if address.shape == "socket":
        return Redis.from_pool(ConnectionPool(UnixDomainSocketConnection, path=address.path, **options))
    host, port = address.hosts[0]
    return Redis.from_pool(ConnectionPool(host=host, port=port, **options, **_kind(trust)))


class _Sentinels(Sentinel):
    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """redis-py says that no sentinel names a primary, and keeps why to itself."""
        try:
            return await super().discover_master(service_name)  # type: ignore[no-any-return]
        except MasterNotFoundError:
            await self.sentinels[0].ping()  # raises what is the matter with this one, if anything
            raise


def _sentinel(address: Address, trust: dict[str, Trust], timeout_ms: int) -> Sentinel:
    # A silent sentinel must leave time within one operation to ask the next, and then the primary.
    share = timeout_ms / 1000 / (len(address.hosts) + 1)
    options = _common(address.sentinel_credentials) | {"socket_timeout": share, "socket_connect_timeout": share}
    found = _Sentinels([])  # type: ignore[no-untyped-call]
    found.sentinels = [
        Redis.from_pool(ConnectionPool(host=host, port=port, **options, **_kind(trust))) for host, port in address.hosts
    ]
    return found


def _primary(sentinel: Sentinel, address: Address, trust: dict[str, Trust]) -> Redis:
    kind = SentinelTlsConnection if trust else SentinelManagedConnection
    options = _common(address.credentials) | trust | {"db": address.database, "connection_class": kind}
    client: Redis = sentinel.master_for(address.service, **options)
    return client


def _cluster(address: Address, trust: dict[str, Trust]) -> PatientCluster:
    nodes = [ClusterNode(host, port) for host, port in address.hosts]
    patience = {"socket_timeout": NODE_SECONDS, "socket_connect_timeout": NODE_SECONDS}
    options = _common(address.credentials) | patience
    # Steps: after so many slots moved redis-py closes every connection, in use or not, to begin anew. Never.
    cluster = PatientCluster(startup_nodes=nodes, max_connections=TURNS, reinitialize_steps=0, **options)
    cluster.connecting_with(_kind(trust))
    return cluster

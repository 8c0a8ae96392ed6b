"""The Redis store: its parts as one object, and how it is opened. Owns no verb itself but `ping`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from sidecar.store.codec import Keys
from sidecar.store.embedded import embedded_server
from sidecar.store.redis_clients import RedisClients
from sidecar.store.redis_connect import connect
from sidecar.store.redis_grants import RedisGrants
from sidecar.store.redis_initial_access import RedisInitialAccess
from sidecar.store.redis_limits import RedisLimits
from sidecar.store.redis_link import Client, Link, Observer, unobserved
from sidecar.store.redis_listings import RedisListings
from sidecar.store.redis_news import RedisNews
from sidecar.store.redis_part import Notice, ignore
from sidecar.store.redis_pools import RedisPools
from sidecar.store.redis_transactions import RedisTransactions
from sidecar.store.redis_upstream import RedisUpstream
from sidecar.store.redis_upstream_registrations import RedisUpstreamRegistrations

EMBEDDED = "embedded:"


class RedisStore(
    RedisGrants,
    RedisUpstream,
    RedisTransactions,
    RedisClients,
    RedisInitialAccess,
    RedisLimits,
    RedisListings,
    RedisPools,
    RedisUpstreamRegistrations,
    RedisNews,
):
    """Satisfies `base.Store`."""

    __slots__ = ()

    async def ping(self) -> None:
        await self.link.command("PING")


@asynccontextmanager
async def open_store(
    url: str,
    *,
    prefix: str = "dcr",
    timeout_ms: int = 250,
    wait_replicas: int = 0,
    on_unreadable: Notice = ignore,
    on_shortfall: Notice = ignore,
    on_echo: Callable[[float], None] = ignore,
    on_call: Observer = unobserved,
) -> AsyncIterator[RedisStore]:
    """The store behind `url`, until the block ends. `embedded:DIR` starts a server of our own first.

    A server elsewhere may be down: the verbs say so, one by one. Raises ValueError for a URL or prefix that is none,
    and StoreError when the embedded server does not start.
    """
    async with AsyncExitStack() as stack:
        if url.startswith(EMBEDDED):
            url = await stack.enter_async_context(embedded_server(url.removeprefix(EMBEDDED)))
        client = await stack.enter_async_context(connect(url, timeout_ms=timeout_ms))
        yield store_on(
            client,
            prefix=prefix,
            timeout_ms=timeout_ms,
            wait_replicas=wait_replicas,
            on_unreadable=on_unreadable,
            on_shortfall=on_shortfall,
            on_echo=on_echo,
            on_call=on_call,
        )


def store_on(
    client: Client,
    *,
    prefix: str = "dcr",
    timeout_ms: int = 250,
    wait_replicas: int = 0,
    on_unreadable: Notice = ignore,
    on_shortfall: Notice = ignore,
    on_echo: Callable[[float], None] = ignore,
    on_call: Observer = unobserved,
) -> RedisStore:
    """The store on a client that the caller opens and closes."""
    link = Link(client, timeout_ms=timeout_ms, wait_replicas=wait_replicas, on_call=on_call)
    return RedisStore(link, Keys(prefix), on_unreadable=on_unreadable, on_shortfall=on_shortfall, on_echo=on_echo)

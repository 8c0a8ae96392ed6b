"""Everything that lives as long as the process, built once: adapters opened, use cases given what they need.

The only place that names a concrete store, IdP client or sink. Shared by serve, the commands and the tests.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TextIO

from prometheus_client import CollectorRegistry

from sidecar.app.admin import Operators, build_operators
from sidecar.app.pools import build_pools
from sidecar.client_ids import ClientIds
from sidecar.clients import Clients, Configured, Documented, Registered
from sidecar.clients.assertions import Assertions
from sidecar.clock import Clock, Entropy, Monotonic, system_clock, system_entropy, system_monotonic
from sidecar.directory import Directory
from sidecar.discovery import Discovery
from sidecar.events import AccessTokenRevoked, Event, GrantEnded, Recorder, StoreFault
from sidecar.grants.authorisation import Authorisation
from sidecar.grants.creation import GrantCreation
from sidecar.grants.minting import Minting
from sidecar.grants.news import echo, hear
from sidecar.grants.principals import Principals
from sidecar.grants.redemption import Redemption
from sidecar.grants.refusal import Refusal
from sidecar.grants.revocation import Revocation
from sidecar.grants.rotation import Rotation
from sidecar.grants.sweeps import Sweeper
from sidecar.grants.upstream_refresh import UpstreamRefresh
from sidecar.identity_assertions import IdentityAssertions
from sidecar.initial_access import InitialAccess
from sidecar.limits import RateLimits
from sidecar.management import Management
from sidecar.oauth.metadata import Capabilities
from sidecar.pools import LivePools
from sidecar.pools.attempts import Registrar
from sidecar.pools.census import Census
from sidecar.pools.registration import PoolRegistration
from sidecar.pools.watched import Watched
from sidecar.settings.model import Settings
from sidecar.signin.approvals import Approvals
from sidecar.signin.forms import Forms, Transactions
from sidecar.signin.requests import Requests
from sidecar.signin.returns import Returns
from sidecar.store.base import Store, StoreError
from sidecar.store.redis import open_store
from sidecar.telemetry import EventLog, Log, Telemetry, open_log
from sidecar.tokens import TokenCodec
from sidecar.upstream.base import ClientDocuments, Documents, Upstream
from sidecar.upstream.client import open_upstream
from sidecar.upstream.client_documents import open_client_documents


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time and randomness come from."""

    clock: Clock = system_clock
    monotonic: Monotonic = system_monotonic
    entropy: Entropy = system_entropy


@dataclass(frozen=True, slots=True)
class Adapters:
    """The far ends: what tests replace, and nothing else."""

    store: Store
    upstream: Upstream
    documents: Documents
    client_documents: ClientDocuments
    registrar: Registrar
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    adapters: Adapters
    sources: Sources
    clients: Clients
    registered: Registered
    initial_access: InitialAccess
    management: Management
    limits: RateLimits
    discovery: Discovery
    requests: Requests
    approvals: Approvals
    returns: Returns
    redemption: Redemption
    rotation: Rotation
    revocation: Revocation
    authorisation: Authorisation
    identity_assertions: IdentityAssertions
    upstream_refresh: UpstreamRefresh
    principals: Principals
    refusal: Refusal
    operators: Operators
    directory: Directory
    """As the settings have it, with the pools that are served now."""
    pools: LivePools
    pool_registration: PoolRegistration

    @property
    def recorder(self) -> Recorder:
        return self.adapters.telemetry


@asynccontextmanager
async def open_services(
    settings: Settings, *, sinks: Sequence[Recorder] = (), log: Log | None = None, stream: TextIO = sys.stdout
) -> AsyncIterator[Services]:
    """Connects to nothing that must answer at once: a store that is down makes us not ready, not dead."""
    log = log or open_log(settings.log.format, settings.log.level, stream)
    telemetry = Telemetry(CollectorRegistry(), EventLog(log), *sinks, served=settings.directory)
    telemetry.metrics.operation.describe(settings.keyring)
    sources = Sources()
    async with open_adapters(settings, telemetry, sources) as adapters:
        services = build(settings, adapters, sources)
        with contextlib.suppress(StoreError):
            await services.pools.refresh()  # so that no request is turned away for want of a first look
        background = [
            asyncio.create_task(
                hear(adapters.store.news(), services.principals, telemetry, services.pools.changed), name="news"
            ),
            asyncio.create_task(echo(adapters.store), name="echo"),
            asyncio.create_task(services.pools.follow(), name="pools"),
            asyncio.create_task(Census(services.pools, adapters.store, telemetry).repeat(), name="census"),
            asyncio.create_task(services.operators.sweeper.resume_for_ever(), name="sweeps"),
            asyncio.create_task(services.operators.pool_removal.resume_for_ever(), name="pool removals"),
        ]
        if services.pools.followed:
            registering = services.pool_registration.run()
            background.append(asyncio.create_task(registering, name="upstream registrations"))
        try:
            yield services
        finally:
            await _ended(background)
            await services.upstream_refresh.drain()
            await services.pool_registration.drain()


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Asked again until they are: what waits with asyncio.wait_for (redis-py) loses a cancellation at a bad moment."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)


@asynccontextmanager
async def open_adapters(settings: Settings, telemetry: Telemetry, sources: Sources) -> AsyncIterator[Adapters]:
    def store_fault(reason: str) -> None:
        telemetry(StoreFault(reason=reason))

    wanted, far_ends = settings.store, telemetry.metrics.far_ends
    async with (
        open_store(
            wanted.url,
            prefix=wanted.prefix,
            timeout_ms=wanted.timeout_ms,
            wait_replicas=wanted.wait_replicas,
            on_unreadable=store_fault,
            on_shortfall=store_fault,
            on_echo=far_ends.heard_ourselves,
            on_call=far_ends.store_called,
        ) as store,
        open_upstream(clock=sources.clock, monotonic=sources.monotonic, recorder=telemetry) as far,
        open_client_documents(
            telemetry,
            sources.monotonic,
            sources.clock,
            internal_hosts=settings.documents.internal_hosts,
            ca=settings.documents.ca,
        ) as client_documents,
    ):
        yield Adapters(store, far.upstream, far.documents, client_documents, far.registrar, telemetry)


def build(settings: Settings, adapters: Adapters, sources: Sources) -> Services:
    """The use cases over these adapters. No I/O."""
    store, recorder = adapters.store, adapters.telemetry
    clock, monotonic, entropy = sources.clock, sources.monotonic, sources.entropy
    keyring, lifetimes = settings.keyring, settings.lifetimes
    pools, pool_registration = build_pools(
        settings, store, adapters.registrar, clock=clock, monotonic=monotonic, entropy=entropy, recorder=recorder
    )
    upstream = Watched(adapters.upstream, pool_registration.forgotten)
    directory = replace(settings.directory, pools=pools)
    codec = TokenCodec(keyring, entropy)
    minting = Minting(codec, clock, lifetimes)
    principals = Principals(monotonic)
    forgetting = _forgetting(principals, recorder)
    upstream_refresh = UpstreamRefresh(store, upstream, directory, entropy, monotonic, forgetting)
    sweeper = Sweeper(store, store, store, store, forgetting)
    limits = RateLimits(store, settings.limits)
    registered = Registered(ClientIds(keyring, entropy), store, directory, settings.registration, clock, recorder)
    clients = _clients(settings, directory, adapters, registered=registered, limits=limits, clock=clock)
    requests = Requests(directory, clients, entropy, recorder)
    identity_assertions, transactions = IdentityAssertions(keyring, entropy), Transactions(keyring, entropy)
    creation = GrantCreation(store, codec, entropy, clock, lifetimes)
    return Services(
        settings=settings,
        adapters=adapters,
        sources=sources,
        clients=clients,
        registered=registered,
        initial_access=InitialAccess(store, keyring, entropy, clock, recorder),
        management=Management(registered, sweeper, forgetting),
        limits=limits,
        discovery=Discovery(directory, adapters.documents, _capabilities(settings)),
        requests=requests,
        approvals=_approvals(
            settings, sources, requests, transactions, adapters=adapters, limits=limits, upstream=upstream
        ),
        returns=Returns(requests, transactions, store, upstream, creation, lifetimes, clock, recorder),
        redemption=Redemption(store, minting, forgetting),
        rotation=Rotation(store, minting, upstream_refresh, forgetting),
        revocation=Revocation(store, codec, upstream, forgetting),
        authorisation=Authorisation(store, codec, upstream_refresh, principals, clock, monotonic, identity_assertions),
        identity_assertions=identity_assertions,
        upstream_refresh=upstream_refresh,
        principals=principals,
        refusal=Refusal(store, principals, recorder),
        operators=build_operators(
            settings=settings,
            store=store,
            clients=clients,
            directory=directory,
            live=pools,
            registration=pool_registration,
            sweeper=sweeper,
            clock=clock,
            recorder=forgetting,
        ),
        directory=directory,
        pools=pools,
        pool_registration=pool_registration,
    )


def _approvals(
    settings: Settings,
    sources: Sources,
    requests: Requests,
    transactions: Transactions,
    *,
    adapters: Adapters,
    limits: RateLimits,
    upstream: Upstream,
) -> Approvals:
    clock, entropy, store, recorder = sources.clock, sources.entropy, adapters.store, adapters.telemetry
    forms = Forms(settings.keyring, entropy, clock)
    return Approvals(
        requests, limits, forms, transactions, store, upstream, settings.lifetimes, entropy, clock, recorder
    )


def _clients(
    settings: Settings,
    directory: Directory,
    adapters: Adapters,
    *,
    registered: Registered,
    limits: RateLimits,
    clock: Clock,
) -> Clients:
    store, documents, wanted = adapters.store, adapters.client_documents, settings.documents
    policy = replace(settings.registration, scopes=wanted.scopes)
    documented = Documented(documents, store, wanted.policy, policy, limits)
    assertions = Assertions(documented, store, clock)
    return Clients(registered, Configured(directory, store), documented, assertions, store, clock)


def _capabilities(settings: Settings) -> Capabilities:
    return Capabilities(registration=settings.dcr != "off", cimd=settings.documents.policy.enabled)


def _forgetting(principals: Principals, recorder: Recorder) -> Recorder:
    """What ends here is forgotten here at once; other replicas hear of it from the store."""

    def record(event: Event) -> None:
        if isinstance(event, GrantEnded | AccessTokenRevoked):
            principals.forget(event.grant)
        recorder(event)

    return record

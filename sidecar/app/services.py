"""Everything that lives as long as the process, built once: adapters opened, use cases given what they need.

The only place that names a concrete store, IdP client or sink. Shared by serve, the commands and the tests.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TextIO

from prometheus_client import CollectorRegistry

from sidecar.client_ids import ClientIds
from sidecar.clients import Clients
from sidecar.clock import Clock, Entropy, Monotonic, system_clock, system_entropy, system_monotonic
from sidecar.discovery import Discovery
from sidecar.events import AccessTokenRevoked, Event, GrantEnded, Recorder, StoreFault
from sidecar.grants.authorisation import Authorisation
from sidecar.grants.creation import GrantCreation
from sidecar.grants.minting import Minting
from sidecar.grants.news import hear
from sidecar.grants.principals import Principals
from sidecar.grants.redemption import Redemption
from sidecar.grants.refusal import Refusal
from sidecar.grants.revocation import Revocation
from sidecar.grants.rotation import Rotation
from sidecar.grants.upstream_refresh import UpstreamRefresh
from sidecar.limits import RateLimits
from sidecar.management import Management
from sidecar.oauth.metadata import Capabilities
from sidecar.settings.model import Settings
from sidecar.signin.approvals import Approvals
from sidecar.signin.forms import Forms, Transactions
from sidecar.signin.requests import Requests
from sidecar.signin.returns import Returns
from sidecar.store.base import Store
from sidecar.store.redis import open_store
from sidecar.telemetry import EventLog, Log, Telemetry, open_log
from sidecar.tokens import TokenCodec
from sidecar.upstream.base import Documents, Upstream
from sidecar.upstream.client import open_upstream


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
    telemetry: Telemetry


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    adapters: Adapters
    sources: Sources
    clients: Clients
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
    upstream_refresh: UpstreamRefresh
    principals: Principals
    refusal: Refusal

    @property
    def recorder(self) -> Recorder:
        return self.adapters.telemetry


@asynccontextmanager
async def open_services(
    settings: Settings, *, sinks: Sequence[Recorder] = (), log: Log | None = None, stream: TextIO = sys.stdout
) -> AsyncIterator[Services]:
    """Connects to nothing that must answer at once: a store that is down makes us not ready, not dead."""
    log = log or open_log(settings.log.format, settings.log.level, stream)
    telemetry = Telemetry(CollectorRegistry(), EventLog(log), *sinks)
    sources = Sources()
    async with open_adapters(settings, telemetry, sources) as adapters:
        services = build(settings, adapters, sources)
        listening = asyncio.create_task(hear(adapters.store.news(), services.principals, telemetry), name="news")
        try:
            yield services
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await services.upstream_refresh.drain()


@asynccontextmanager
async def open_adapters(settings: Settings, telemetry: Telemetry, sources: Sources) -> AsyncIterator[Adapters]:
    def store_fault(reason: str) -> None:
        telemetry(StoreFault(reason=reason))

    wanted = settings.store
    async with (
        open_store(
            wanted.url,
            prefix=wanted.prefix,
            timeout_ms=wanted.timeout_ms,
            wait_replicas=wanted.wait_replicas,
            on_unreadable=store_fault,
            on_shortfall=store_fault,
        ) as store,
        open_upstream(clock=sources.clock, monotonic=sources.monotonic, recorder=telemetry) as far,
    ):
        yield Adapters(store, far.upstream, far.documents, telemetry)


def build(settings: Settings, adapters: Adapters, sources: Sources) -> Services:
    """The use cases over these adapters. No I/O."""
    store, upstream, recorder = adapters.store, adapters.upstream, adapters.telemetry
    clock, entropy, keyring = sources.clock, sources.entropy, settings.keyring
    directory, lifetimes = settings.directory, settings.lifetimes
    codec = TokenCodec(keyring, entropy)
    minting = Minting(codec, clock, lifetimes)
    principals = Principals(sources.monotonic)
    forgetting = _forgetting(principals, recorder)
    upstream_refresh = UpstreamRefresh(store, upstream, directory, entropy, sources.monotonic, forgetting)
    clients = Clients(ClientIds(keyring, entropy), store, directory, settings.registration, clock, recorder)
    limits = RateLimits(store, settings.limits)
    requests = Requests(directory, clients, entropy, recorder)
    transactions = Transactions(keyring, entropy)
    forms = Forms(keyring, entropy, clock)
    creation = GrantCreation(store, codec, entropy, clock, lifetimes)
    return Services(
        settings=settings,
        adapters=adapters,
        sources=sources,
        clients=clients,
        management=Management(clients, store, forgetting),
        limits=limits,
        discovery=Discovery(directory, adapters.documents, Capabilities(registration=settings.dcr != "off")),
        requests=requests,
        approvals=Approvals(
            requests, limits, forms, transactions, store, upstream, lifetimes, entropy, clock, recorder
        ),
        returns=Returns(requests, transactions, store, upstream, creation, lifetimes, clock, recorder),
        redemption=Redemption(store, minting, forgetting),
        rotation=Rotation(store, minting, upstream_refresh, forgetting),
        revocation=Revocation(store, codec, upstream, forgetting),
        authorisation=Authorisation(store, codec, upstream_refresh, principals, clock, sources.monotonic),
        upstream_refresh=upstream_refresh,
        principals=principals,
        refusal=Refusal(store, principals, recorder),
    )


def _forgetting(principals: Principals, recorder: Recorder) -> Recorder:
    """What ends here is forgotten here at once; other replicas hear of it from the store."""

    def record(event: Event) -> None:
        if isinstance(event, GrantEnded | AccessTokenRevoked):
            principals.forget(event.grant)
        recorder(event)

    return record

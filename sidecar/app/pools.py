"""The pools that are served, and how those without a client of their own get one. A part of `services`."""

from sidecar.clock import Clock, Entropy, Monotonic
from sidecar.events import Recorder
from sidecar.pools import LivePools, PoolVault
from sidecar.pools.attempts import Attempts, Registrar
from sidecar.pools.registered import PURPOSE as REGISTRATION
from sidecar.pools.registered import RegistrationVault
from sidecar.pools.registration import PoolRegistration
from sidecar.pools.sealed import PURPOSE as POOL
from sidecar.sealing import Sealer
from sidecar.settings.model import Settings
from sidecar.store.base import Store


def build_pools(
    settings: Settings,
    store: Store,
    registrar: Registrar,
    *,
    clock: Clock,
    monotonic: Monotonic,
    entropy: Entropy,
    recorder: Recorder,
) -> tuple[LivePools, PoolRegistration]:
    vault = PoolVault(Sealer(settings.keyring, POOL, entropy))
    registrations = RegistrationVault(Sealer(settings.keyring, REGISTRATION, entropy))
    served = settings.directory
    live = LivePools(
        served.pools,
        served.servers,
        store,
        vault=vault,
        monotonic=monotonic,
        recorder=recorder,
        complete=registrations.complete,
    )
    registration = PoolRegistration(
        configured=live.configured,
        servers=served.servers,
        issuers=served.issuers,
        store=store,
        pools=vault,
        vault=registrations,
        attempts=Attempts(registrar, clock, recorder, settings.registration_pause),
        clock=clock,
        entropy=entropy,
        recorder=recorder,
        changed=live.changed,
    )
    return live, registration

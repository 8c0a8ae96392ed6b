"""The pools that are served, and how those without a client of their own get one. A part of `services`."""

from sidecar.clock import Clock, Entropy, Monotonic
from sidecar.events import Recorder
from sidecar.pools import LivePools, PoolVault
from sidecar.pools.attempts import Attempts, Registrar
from sidecar.pools.registered import RegistrationVault
from sidecar.pools.registration import PoolRegistration
from sidecar.pools.selection import Selection
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
    registrations = RegistrationVault.of(settings.keyring, entropy)
    vault = PoolVault.of(settings.keyring, entropy)
    selection = Selection(settings.directory, vault, registrations.complete)
    live = LivePools(selection, store, monotonic=monotonic, recorder=recorder)
    registration = PoolRegistration(
        selection=selection,
        store=store,
        vault=registrations,
        attempts=Attempts(registrar, clock, recorder, settings.registration_pause),
        clock=clock,
        entropy=entropy,
        recorder=recorder,
        changed=live.changed,
    )
    return live, registration

"""What is examined, as plain values. Secrets are in it only where they must be sent, and never in its `repr`."""

from dataclasses import dataclass, field

from sidecar.directory import Directory
from sidecar.doctor.kinds import Group
from sidecar.envoy_config import EnvoyPlan
from sidecar.sealing import Keyring


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key without its secret."""

    id: int
    state: str
    created_at: int


@dataclass(frozen=True, slots=True)
class StoreAddress:
    url: str = field(repr=False)
    prefix: str = "dcr"
    timeout_ms: int = 250
    wait_replicas: int = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    directory: Directory
    """As the configuration has it."""
    store: StoreAddress
    plan: EnvoyPlan
    """What Envoy ought to run."""
    envoy_admin: str
    """`http://host:port` or `unix:path`, like `ops`."""
    ops: str
    keyring: Keyring = field(repr=False)
    """Opens the pools that stand in the store."""
    keys: tuple[KeyFact, ...] = ()
    keys_file: str = ""
    """Empty: its mode is not looked at."""
    warnings: tuple[str, ...] = ()
    egress: tuple[tuple[str, int], ...] = ()
    """Hosts and ports outside that a connection is tried to."""


@dataclass(frozen=True, slots=True)
class Options:
    only: frozenset[Group] = frozenset()
    """Empty: all."""
    idp_post: bool = True
    seconds: float = 15.0

"""What is examined, as plain values. Secrets are in it only where they must be sent, and never in its `repr`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.directory import Directory
from sidecar.doctor.kinds import Group
from sidecar.envoy_config import EnvoyPlan


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key without its secret."""

    id: int
    state: str
    created_at: int


@dataclass(frozen=True, slots=True)
class OwnClient:
    """How it stands with the client that a pool registers for itself, as the running sidecar says it."""

    state: str
    detail: str
    issuer: str
    client_id: str
    """Empty: the pool is not served."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    url: str = field(repr=False)
    prefix: str = "dcr"
    timeout_ms: int = 250
    wait_replicas: int = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    directory: Directory
    store: StoreAddress
    plan: EnvoyPlan
    """What Envoy ought to run."""
    envoy_admin: str
    """`http://host:port` or `unix:path`, like `ops`."""
    ops: str
    keys: tuple[KeyFact, ...] = ()
    keys_file: str = ""
    """Empty: its mode is not looked at."""
    warnings: tuple[str, ...] = ()
    egress: tuple[tuple[str, int], ...] = ()
    """Hosts and ports outside that a connection is tried to."""
    own_clients: Mapping[str, OwnClient] = field(default_factory=dict)
    """By pool, as far as the admin API could be asked."""


@dataclass(frozen=True, slots=True)
class Options:
    only: frozenset[Group] = frozenset()
    """Empty: all."""
    idp_post: bool = True
    seconds: float = 15.0

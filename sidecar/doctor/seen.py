"""What was seen, as values that the judges get. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.pools.standing import RegistrationStatus
from sidecar.records import Pool
from sidecar.upstream.answers import Answer

Doc = Mapping[str, Any]
"""A message of Envoy's API in its JSON form."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Lower case."""
    body: bytes = field(repr=False, default=b"")

    @property
    def answer(self) -> Answer:
        """For the judges of `upstream`."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(self.status, kind, self.body, self.headers.get("retry-after", ""))


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """None, or empty: it did not say, mostly because its user may not ask."""

    fault: str = ""
    """Why it does not answer at all."""
    embedded: bool = False
    hidden: bool = False
    """An embedded one whose socket is in a private place."""
    first_ms: float = 0.0
    """Connecting and one answer."""
    ping_ms: float = 0.0
    info: Mapping[str, object] = field(default_factory=dict)
    save: str | None = None
    """The `save` setting: when it writes snapshots."""
    cluster: Mapping[str, str] = field(default_factory=dict)
    """CLUSTER INFO, of a cluster."""
    denied: tuple[str, ...] = ()
    acl_known: bool = True
    ahead: float | None = None
    """Seconds by which its clock is before ours."""


@dataclass(frozen=True, slots=True)
class PoolsSeen:
    pools: Mapping[str, Pool]
    """All to examine, whole as far as they are; those that must not be used are none of them."""
    registrations: Mapping[str, RegistrationStatus] = field(default_factory=dict)
    """How it stands with those that register themselves."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    ending: frozenset[str] = frozenset()
    """Those that are being deleted."""
    fault: str = ""
    """Why the store's were not read: then only the configuration's are here."""


@dataclass(frozen=True, slots=True)
class Manager:
    """One HTTP connection manager, its routes found."""

    listener: str
    config: Doc
    routes: Doc
    """Its route configuration: `virtual_hosts` and what holds for all of them."""

    def filters(self, kind: str) -> list[Doc]:
        """The HTTP filters whose configuration is of this message, by the end of its type; in their order."""
        found = self.config.get("http_filters", [])
        return [one for one in found if one.get("typed_config", {}).get("@type", "").endswith(kind)]


@dataclass(frozen=True, slots=True)
class Running:
    version: str = ""
    state: str = ""
    admin: Doc = field(default_factory=dict)
    managers: tuple[Manager, ...] = ()
    clusters: Mapping[str, Doc] = field(default_factory=dict)

"""Prometheus metrics, on a registry per app.

families    names, labels and their bounds
funnel      from registration to token, and the end of grants
calls       decisions about MCP requests
far_ends    identity providers, the store, the push channel
operation   our own requests, operators, defects, pools, keys, build and process
"""

from prometheus_client import CollectorRegistry, disable_created_metrics

from sidecar.directory import Directory
from sidecar.events import Event
from sidecar.telemetry.metrics.calls import Calls
from sidecar.telemetry.metrics.families import PREFIX, Families, Names
from sidecar.telemetry.metrics.far_ends import FarEnds
from sidecar.telemetry.metrics.funnel import Funnel
from sidecar.telemetry.metrics.operation import Operation

__all__ = ["PREFIX", "Metrics"]

disable_created_metrics()  # type: ignore[no-untyped-call]
# One more series for each counter and histogram would say nothing that anybody asks. The library has one switch for all
# registries of a process.


class Metrics:
    """Counts events on one registry, which whoever builds it owns: many can live in one process."""

    def __init__(self, registry: CollectorRegistry, served: Directory) -> None:
        families, names = Families(registry), Names(served)
        self.far_ends = FarEnds(families, names)
        self.operation = Operation(families)
        parts = (Funnel(families, names), Calls(families, names), self.far_ends, self.operation)
        self._counts = {kind: count for part in parts for kind, count in part.counting().items()}

    def __call__(self, event: Event) -> None:
        count = self._counts.get(type(event))
        if count is not None:
            count(event)

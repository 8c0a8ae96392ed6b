"""What becomes of events: a log line (`log`), metrics (`metrics`), and whatever else was added.

Whoever reports an event knows of no sink, and no sink can fail the request that it is told about.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from sidecar.directory import Directory
from sidecar.events import Event, Recorder
from sidecar.telemetry.log import EventLog, Log, library_logs, open_log
from sidecar.telemetry.metrics import PREFIX, Metrics

__all__ = ["EventLog", "Log", "Metrics", "Telemetry", "library_logs", "open_log"]

_NOTHING = Directory((), ())


class Telemetry:
    """The Recorder that everything is built with."""

    def __init__(self, registry: CollectorRegistry, *sinks: Recorder, served: Directory = _NOTHING) -> None:
        """`served`: whose names may label a metric."""
        self.registry = registry
        self.metrics = Metrics(registry, served)
        self._sinks: list[Recorder] = [self.metrics, *sinks]
        self._lost = Counter(PREFIX + "events_lost", "Events that a sink could not take.", registry=registry)

    def __call__(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:  # noqa: BLE001 - a full disk or a closed pipe must not become a 500
                self._lost.inc()

    def add_sink(self, sink: Callable[[Event], None]) -> None:
        self._sinks.append(sink)

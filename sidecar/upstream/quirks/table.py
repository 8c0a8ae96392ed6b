"""All presets by the name that a pool's `provider` has."""

from collections.abc import Mapping
from types import MappingProxyType

from sidecar.upstream.quirks.generic import GENERIC
from sidecar.upstream.quirks.schema import Quirks
from sidecar.upstream.quirks.services import SERVICES
from sidecar.upstream.quirks.workforce import WORKFORCE

PRESETS: Mapping[str, Quirks] = MappingProxyType({**GENERIC, **SERVICES, **WORKFORCE})


def preset(name: str) -> Quirks:
    """KeyError for a provider that has none."""
    return PRESETS[name]

"""What differs between the configuration that we print and the one that Envoy says it runs. Pure.

Envoy leaves out what has its default, and writes durations in its own way; neither is a difference.
"""

import re
from collections.abc import Iterator
from typing import Any

from sidecar.doctor.seen import Manager, Running
from sidecar.envoy_config import EnvoyPlan, fragment

_DEFAULTS = (False, 0, "", "0s", "AUTO", "STATIC", "EQ", "SANITIZE", "APPEND_IF_EXISTS_OR_ADD")
_DURATION = re.compile(r"(\d+)(\.\d+)?s")


def differences(plan: EnvoyPlan, running: Running, manager: Manager) -> Iterator[str]:
    """Where, in words that lead into the printed configuration. What Envoy has besides ours is its own business."""
    wanted = fragment(plan)
    yield from compared(wanted["http_connection_manager"], _only(manager.config, wanted["http_connection_manager"]), "")
    yield from _named(wanted["http_filters"], manager.config.get("http_filters", []), "http_filters")
    yield from _named(wanted["virtual_hosts"], manager.routes.get("virtual_hosts", []), "virtual_hosts")
    yield from _named(wanted["clusters"], list(running.clusters.values()), "clusters")


def compared(wanted: Any, seen: Any, place: str) -> Iterator[str]:
    """The places where the two differ, as paths."""
    if isinstance(wanted, dict) and isinstance(seen, dict):
        for name in {**wanted, **seen}:
            if name != "@type" or name in wanted:
                yield from compared(wanted.get(name), seen.get(name), f"{place}.{name}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(seen, list) and len(wanted) == len(seen):
        for number, (one, other) in enumerate(zip(wanted, seen, strict=True)):
            yield from compared(one, other, f"{place}[{number}]")
    elif not _equal(wanted, seen):
        yield place


def _named(wanted: list[Any], seen: list[Any], place: str) -> Iterator[str]:
    """Lists whose entries have names, in the order in which ours stand."""
    by_name = {one.get("name", ""): one for one in seen}
    for one in wanted:
        name = one["name"]
        if name not in by_name:
            yield f"{place}: {name} is missing"
        else:
            yield from compared(one, by_name[name], f"{place}[{name}]")
    ours = [one["name"] for one in wanted]
    order = [one.get("name", "") for one in seen if one.get("name", "") in ours]
    if place == "http_filters" and sorted(order) == sorted(ours) and order != ours:
        yield f"{place}: not in our order"


def _only(seen: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in seen.items() if name in wanted}


def _equal(wanted: Any, seen: Any) -> bool:
    if wanted is None or seen is None:
        value = seen if wanted is None else wanted
        return value is None or value in _DEFAULTS or value in ([], {})
    return bool(wanted == seen) or _plain(wanted) == _plain(seen)


def _plain(value: Any) -> str:
    text = str(value)
    found = _DURATION.fullmatch(text)
    if found is None:
        return text
    return f"{found[1]}{(found[2] or '').rstrip('0').rstrip('.')}s"

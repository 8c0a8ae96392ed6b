"""Whether this Envoy asks the check before everything that it must guard, whatever else it does. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from sidecar.directory import Server
from sidecar.doctor.differences import differences
from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.seen import Doc, Manager, Running
from sidecar.envoy_config import EnvoyPlan, fragment
from sidecar.envoy_config.clusters import CHECK, origin_cluster
from sidecar.envoy_config.plan import Address, is_relayed
from sidecar.envoy_config.typed import EXT_AUTHZ

_AUTHZ = ".ext_authz.v3.ExtAuthz"
_PATCHED: Mapping[tuple[int, int], int] = {(1, 36): 10, (1, 37): 6, (1, 38): 4, (1, 39): 1}
_SHOWN = 6


def judge_envoy(running: Running, plan: EnvoyPlan, admin: str) -> Iterator[Finding]:
    yield from _server(running, admin)
    guards = [manager for manager in running.managers if _checks(manager)]
    if not guards:
        yield found("envoy-no-check", admin, "no listener of this Envoy asks ext_authz: nothing is guarded here")
    for manager in guards:
        yield from _filter(manager)
    serving = [manager for manager in guards if _serves(manager, plan)]
    for manager in serving:
        yield from _edge(manager, plan)
        yield from _difference(running, manager, plan)
    if guards:
        yield from _unserved(serving, plan)
    yield from _unchecked(running, plan)


def _server(running: Running, admin: str) -> Iterator[Finding]:
    version = next((part for part in running.version.split("/") if part[:1].isdigit() and part.count(".") == 2), "")  # noqa: PLR2004
    yield fine("envoy", admin, f"Envoy {version or running.version or 'of unknown version'}")
    if running.state != "LIVE":
        yield found("envoy-not-live", admin, f"Envoy's state is {running.state or 'unknown'}, so it serves nobody yet")
    if version and _old(version):
        yield found("envoy-old", admin, f"Envoy {version} has known faults in HTTP ext_authz")
    address = running.admin.get("address", {})
    socket = address.get("socket_address", {})
    if socket and not Address(str(socket.get("address", ""))).private:
        text = f"its admin page is at {socket.get('address')}:{socket.get('port_value')}, for whoever gets there"
        yield found("envoy-admin-public", admin, f"{text}: it can stop Envoy and dump its memory")


def _old(version: str) -> bool:
    major, minor, patch = (int(part) if part.isdigit() else 0 for part in version.partition("-")[0].split("."))
    least = _PATCHED.get((major, minor))
    return (major, minor) < min(_PATCHED) or (least is not None and patch < least)


def _checks(manager: Manager) -> bool:
    return bool(manager.filters(_AUTHZ))


def _filter(manager: Manager) -> Iterator[Finding]:
    for one in manager.filters(_AUTHZ):
        config = one["typed_config"]
        if config.get("failure_mode_allow"):
            text = "ext_authz lets requests through when the check does not answer (failure_mode_allow)"
            yield found("envoy-fails-open", manager.listener, text)
        if "filter_enabled" in config or "filter_enabled_metadata" in config:
            yield found("envoy-sometimes", manager.listener, "ext_authz asks for a part of the requests only")
        service = config.get("http_service", {})
        if service.get("server_uri", {}).get("cluster") != CHECK or service.get("path_prefix") != "/check":
            text = "ext_authz does not ask the sidecar's check listener with our path prefix"
            yield found("envoy-other-check", manager.listener, text)


def _serves(manager: Manager, plan: EnvoyPlan) -> bool:
    return any(server.authority in _domains(manager) for server in plan.directory.servers)


def _domains(manager: Manager) -> set[str]:
    hosts = manager.routes.get("virtual_hosts", [])
    return {domain.lower() for host in hosts for domain in host.get("domains", [])}


def _unserved(serving: list[Manager], plan: EnvoyPlan) -> Iterator[Finding]:
    known = {domain for manager in serving for domain in _domains(manager)}
    for server in plan.directory.servers:
        if server.authority not in known:
            text = f"no virtual host with ext_authz answers for {server.authority}"
            yield found("envoy-unserved", f"servers[{server.name}]", text)


def _edge(manager: Manager, plan: EnvoyPlan) -> Iterator[Finding]:
    wanted, config = fragment(plan)["http_connection_manager"], manager.config
    if missing := _patterns(wanted) - _patterns(config):
        text = f"{len(missing)} kinds of identity headers pass from clients, among them {_shortest(missing)}"
        yield found("envoy-strip", manager.listener, text)
    strict = ("normalize_path", "path_with_escaped_slashes_action")
    loose = [name for name in strict if config.get(name) != wanted[name]]
    loose += ["merge_slashes"] if config.get("merge_slashes") else []
    common = "headers_with_underscores_action"
    ours = wanted["common_http_protocol_options"][common]
    if config.get("common_http_protocol_options", {}).get(common) != ours:
        loose.append(common)
    if loose:
        text = f"paths and headers can be read in two ways: {', '.join(loose)} is not as we need it"
        yield found("envoy-paths", manager.listener, text)
    hops = int(config.get("xff_num_trusted_hops", 0))
    if not config.get("use_remote_address") or hops != plan.trusted_hops:
        text = f"clients' addresses are taken with {hops} trusted hops, configured are {plan.trusted_hops}"
        yield found("envoy-source", manager.listener, text)


def _patterns(config: Doc) -> set[str]:
    found: set[str] = set()
    for extension in config.get("early_header_mutation_extensions", []):
        for mutation in extension.get("typed_config", {}).get("mutations", []):
            matcher = mutation.get("remove_on_match", {}).get("key_matcher", {})
            found.add(str(matcher.get("safe_regex", {}).get("regex", "")))
    return found


def _shortest(patterns: set[str]) -> str:
    return min(patterns, key=lambda pattern: (len(pattern), pattern)).replace("[^a-z0-9]", "-").replace(".*", "*")


def _difference(running: Running, manager: Manager, plan: EnvoyPlan) -> Iterator[Finding]:
    places = list(differences(plan, running, manager))
    if places:
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        yield found(
            "envoy-differs", manager.listener, f"differs from what we print: {'; '.join(places[:_SHOWN])}{more}"
        )
    else:
        yield fine("envoy", manager.listener, "runs what `dcr-sidecar envoy-config` prints")


def _unchecked(running: Running, plan: EnvoyPlan) -> Iterator[Finding]:
    """Ways to a guarded server's origin that no check is on. What a relayed server shares is expected by its match."""
    expected = list(_expected(plan))
    for server in plan.directory.servers:
        if is_relayed(server):
            continue
        for manager in running.managers:
            for host, route in _routes(manager):
                if not _leads_to(route, server, running.clusters):
                    continue
                if _asked(manager, host, route) or (host.get("name"), route.get("match")) in expected:
                    continue
                place = f"{manager.listener} / {host.get('name', '')} / {route.get('name') or route.get('match')}"
                text = f"this route leads to {server.origin} without asking the check"
                yield found("envoy-unchecked", f"servers[{server.name}]", f"{text}: {place}")


def _expected(plan: EnvoyPlan) -> Iterator[tuple[Any, Any]]:
    for host in fragment(plan)["virtual_hosts"]:
        for route in host["routes"]:
            if "route" in route and EXT_AUTHZ in route.get("typed_per_filter_config", {}):
                yield host["name"], route["match"]


def _routes(manager: Manager) -> Iterator[tuple[Doc, Doc]]:
    for host in manager.routes.get("virtual_hosts", []):
        for route in host.get("routes", []):
            yield host, route


def _leads_to(route: Doc, server: Server, clusters: Mapping[str, Doc]) -> bool:
    return any(
        name == origin_cluster(server.origin) or address_of(server.origin) in _endpoints(clusters.get(name, {}))
        for name, _ in _targets(route)
    )


def _targets(route: Doc) -> Iterator[tuple[str, Doc]]:
    """Clusters that a route sends to, each with its own per-filter configuration."""
    action = route.get("route", {})
    yield action.get("cluster", ""), {}
    for one in action.get("weighted_clusters", {}).get("clusters", []):
        yield one.get("name", ""), one.get("typed_per_filter_config", {})


def address_of(origin: str) -> tuple[str, int]:
    """Host and port of an origin's URL."""
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _endpoints(cluster: Doc) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for locality in cluster.get("load_assignment", {}).get("endpoints", []):
        for one in locality.get("lb_endpoints", []):
            socket = one.get("endpoint", {}).get("address", {}).get("socket_address", {})
            found.add((str(socket.get("address", "")).lower(), int(socket.get("port_value", 0))))
    return found


def _asked(manager: Manager, host: Doc, route: Doc) -> bool:
    """The most specific word holds: of a weighted cluster, the route, the virtual host, all routes, the filter."""
    filters = manager.filters(_AUTHZ)
    if not filters:
        return False
    levels = [route.get("typed_per_filter_config", {}), host.get("typed_per_filter_config", {})]
    levels.append(manager.routes.get("typed_per_filter_config", {}))
    return all(
        any(_on(str(one.get("name", EXT_AUTHZ)), one, [own, *levels]) for one in filters) for _, own in _targets(route)
    )


def _on(name: str, http_filter: Doc, levels: list[Doc]) -> bool:
    for level in levels:
        if name in level:
            own = level[name]  # an ExtAuthzPerRoute, or one wrapped in a FilterConfig
            return not (own.get("disabled") or own.get("config", {}).get("disabled"))
    return not http_filter.get("disabled", False)

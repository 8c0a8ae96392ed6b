"""The form of Envoy's /config_dump: static and dynamic listeners, routes inline or by name. Pure; judges nothing."""

from collections.abc import Iterator, Mapping

from sidecar.doctor.seen import Doc, Manager, Running


def read(info: Doc, dump: Doc) -> Running:
    sections = {one.get("@type", "").rpartition(".")[2]: one for one in dump.get("configs", [])}
    routes = {one.get("name", ""): one for one in _routes(sections.get("RoutesConfigDump", {}))}
    return Running(
        version=str(info.get("version", "")),
        state=str(info.get("state", "")),
        admin=sections.get("BootstrapConfigDump", {}).get("bootstrap", {}).get("admin", {}),
        managers=tuple(_managers(sections.get("ListenersConfigDump", {}), routes)),
        clusters={one.get("name", ""): one for one in _clusters(sections.get("ClustersConfigDump", {}))},
    )


def _managers(section: Doc, routes: Mapping[str, Doc]) -> Iterator[Manager]:
    for listener in _listeners(section):
        chains = [*listener.get("filter_chains", []), listener.get("default_filter_chain", {})]
        for chain in chains:
            for one in chain.get("filters", []):
                config = one.get("typed_config", {})
                if config.get("@type", "").endswith(".HttpConnectionManager"):
                    name = config.get("rds", {}).get("route_config_name", "")
                    found = config.get("route_config") or routes.get(name, {})
                    yield Manager(listener.get("name", ""), config, found)


def _listeners(section: Doc) -> Iterator[Doc]:
    for one in section.get("static_listeners", []):
        yield one.get("listener", {})
    for one in section.get("dynamic_listeners", []):
        yield one.get("active_state", {}).get("listener", {})


def _routes(section: Doc) -> Iterator[Doc]:
    for one in (*section.get("static_route_configs", []), *section.get("dynamic_route_configs", [])):
        yield one.get("route_config", {})


def _clusters(section: Doc) -> Iterator[Doc]:
    for one in (*section.get("static_clusters", []), *section.get("dynamic_active_clusters", [])):
        yield one.get("cluster", {})

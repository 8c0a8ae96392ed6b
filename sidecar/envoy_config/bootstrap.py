"""A whole Envoy, or the parts for one that already runs."""

from sidecar.envoy_config.clusters import clusters, socket_address
from sidecar.envoy_config.filters import http_filters
from sidecar.envoy_config.listener import connection_manager, listener
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.routes import virtual_hosts
from sidecar.envoy_config.typed import Doc, typed


def bootstrap(plan: EnvoyPlan) -> Doc:
    """A complete static configuration: `envoy -c` takes it."""
    admin = {} if plan.admin is None else {"admin": {"address": socket_address(plan.admin)}}
    return {
        "node": {"id": "dcr-sidecar", "cluster": "dcr-sidecar"},
        **admin,
        "static_resources": {"listeners": [listener(plan)], "clusters": clusters(plan)},
        "overload_manager": _overload(plan),
    }


def fragment(plan: EnvoyPlan) -> Doc:
    """What an Envoy that already runs must gain.

    `clusters` and `virtual_hosts` are appended to its own, `http_filters` come before its other filters (the router is
    its own), and each key of `http_connection_manager` is set on the connection manager that carries them. The check
    then guards every virtual host of that connection manager: its own public ones opt out, one by one.
    """
    return {
        "http_connection_manager": connection_manager(plan),
        "http_filters": http_filters(plan)[:-1],
        "virtual_hosts": virtual_hosts(plan),
        "clusters": clusters(plan),
    }


def _overload(plan: EnvoyPlan) -> Doc:
    message = "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    monitor = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": typed(message, max_active_downstream_connections=plan.max_connections),
    }
    return {"resource_monitors": [monitor]}

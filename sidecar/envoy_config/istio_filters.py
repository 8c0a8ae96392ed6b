"""What Istio's own kinds cannot say, as one EnvoyFilter on the gateway's pods.

Identity headers stripped first of all, ambiguous paths refused, streams ended, an MCP server's 401 turned into our
challenge. Owns no decision: the check is asked with or without it.
"""

from collections.abc import Iterator, Sequence

from sidecar.directory import Server
from sidecar.envoy_config.filters import early_mutations
from sidecar.envoy_config.gateway_refusal import script
from sidecar.envoy_config.kubernetes import CLUSTER_DOMAIN, Manifest, Place, manifest, slug
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.typed import Doc, seconds, typed

_MANAGER = "envoy.filters.network.http_connection_manager"
_LUA = "dcr-sidecar.refusals"


def route_name(server: Server) -> str:
    return f"dcr-sidecar-{slug(server.name)}"


def envoy_filter(plan: EnvoyPlan, place: Place, servers: Sequence[Server]) -> Manifest:
    key, _, value = place.workload.partition("=")
    patches = [_edge(plan), *(_lua(plan, place, servers) if place.lua else ()), *_streams(plan, servers)]
    spec = {"workloadSelector": {"labels": {key: value}}, "configPatches": patches}
    return manifest("networking.istio.io/v1alpha3/EnvoyFilter", "dcr-sidecar", place.gateway_namespace, spec)


def _edge(plan: EnvoyPlan) -> Doc:
    message = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    fields = {
        "normalize_path": True,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "request_headers_timeout": "10s",
        "early_header_mutation_extensions": early_mutations(plan),
    }
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": {"name": _MANAGER}}}},
        "patch": {"operation": "MERGE", "value": {"name": _MANAGER, "typed_config": typed(message, **fields)}},
    }


def _lua(plan: EnvoyPlan, place: Place, servers: Sequence[Server]) -> Iterator[Doc]:
    """Right before the router, so behind ext_authz."""
    cluster = f"outbound|{plan.check.port}||{place.service}.{place.namespace}.svc.{CLUSTER_DOMAIN}"
    source = {"inline_string": script(servers, cluster, secret_from="environment")}  # noqa: S106 - a place
    filters = {"name": _MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}
    config = typed("extensions.filters.http.lua.v3.Lua", default_source_code=source)
    yield {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": filters}}},
        "patch": {"operation": "INSERT_BEFORE", "value": {"name": _LUA, "typed_config": config}},
    }


def _streams(plan: EnvoyPlan, servers: Sequence[Server]) -> Iterator[Doc]:
    limit = seconds(plan.stream_seconds)
    value = {"route": {"idle_timeout": limit, "max_stream_duration": {"max_stream_duration": limit}}}
    for server in servers:
        yield {
            "applyTo": "HTTP_ROUTE",
            "match": {
                "context": "GATEWAY",
                "routeConfiguration": {"vhost": {"route": {"name": route_name(server)}}},
            },
            "patch": {"operation": "MERGE", "value": value},
        }

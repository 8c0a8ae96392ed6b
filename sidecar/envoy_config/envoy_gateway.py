"""`--format envoy-gateway`: objects for an Envoy Gateway that already runs. Reads no secret.

Owns the policies; `envoy_gateway_routes` owns the routes they attach to. Field names and meanings are those of Envoy
Gateway 1.8 and later (`gateway.envoyproxy.io/v1alpha1`).
"""

import json
from collections.abc import Iterable

from sidecar import headers
from sidecar.directory import Server
from sidecar.envoy_config.clusters import OAUTH_BODY_BYTES, OAUTH_CONNECTIONS
from sidecar.envoy_config.envoy_gateway_notes import COMMENTS, PREAMBLE
from sidecar.envoy_config.envoy_gateway_routes import INJECTION, oauth_name, routes, server_name
from sidecar.envoy_config.filters import CHECK_SECONDS, TO_CHECK, early_patterns
from sidecar.envoy_config.gateway_refusal import LOG_HEADERS, script
from sidecar.envoy_config.kubernetes import (
    Host,
    Manifest,
    Place,
    challenged,
    hosts,
    manifest,
    manifests_yaml,
    refuse_unreachable,
)
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.replies import RETRY_SECONDS, UNAVAILABLE
from sidecar.envoy_config.typed import Doc, seconds

API = "gateway.envoyproxy.io/v1alpha1"
_GROUP = "gateway.networking.k8s.io"
_MCP_HEADERS = ("mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id")
CORS_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
CORS_HEADERS = [
    "Authorization",
    "Content-Type",
    "Accept",
    "MCP-Protocol-Version",
    "Mcp-Session-Id",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
]
CORS_EXPOSED = ["WWW-Authenticate", "Mcp-Session-Id", "MCP-Protocol-Version", "Retry-After", headers.REFERENCE]


def envoy_gateway_yaml(plan: EnvoyPlan, place: Place) -> str:
    return manifests_yaml(envoy_gateway(plan, place), COMMENTS, PREAMBLE)


def envoy_gateway(plan: EnvoyPlan, place: Place) -> list[Manifest]:
    """Raises ValueError for what this gateway cannot serve."""
    refuse_unreachable(plan)
    found, servers = hosts(plan), challenged(plan)
    return [
        *routes(plan, place, found),
        *(_security(plan, place, server) for server in servers),
        _mcp_traffic(plan, place, servers),
        _oauth_traffic(place, found),
        *(_refusals(place, server) for server in servers if place.lua),
        _injection(place),
        _client_traffic(plan, place),
        _filter_order(place),
    ]


def _security(plan: EnvoyPlan, place: Place, server: Server) -> Manifest:
    forwarded = dict.fromkeys((*TO_CHECK, *_MCP_HEADERS, *plan.credential_headers, headers.CHECK_SECRET))
    forwarded.pop(headers.SOURCE)  # nobody sets it before the check here, so nobody may be believed
    injected = (*headers.IDENTITY, *plan.inject_headers, *(LOG_HEADERS if place.lua else ()))
    spec: Doc = {
        "targetRefs": [_route(server_name(server))],
        **_cors(server),
        "extAuth": {
            "failOpen": False,
            "statusOnError": 503,
            "timeout": seconds(CHECK_SECONDS),
            "headersToExtAuth": list(forwarded),
            "http": {
                "path": "/check",
                "backendRefs": [{"name": place.service, "port": plan.check.port}],
                "headersToBackend": list(dict.fromkeys(injected)),
            },
        },
    }
    return manifest(f"{API}/SecurityPolicy", server_name(server), place.namespace, spec)


def _cors(server: Server) -> Doc:
    """Envoy Gateway takes no response header from an allowing check, so CORS for allowed answers stands here."""
    if not server.allowed_origins:
        return {}
    return {
        "cors": {
            "allowOrigins": sorted(server.allowed_origins | {server.resource_origin}),
            "allowMethods": CORS_METHODS,
            "allowHeaders": CORS_HEADERS,
            "exposeHeaders": CORS_EXPOSED,
            "maxAge": "600s",
        }
    }


def _mcp_traffic(plan: EnvoyPlan, place: Place, servers: Iterable[Server]) -> Manifest:
    stream = seconds(plan.stream_seconds)
    most = plan.max_connections
    spec = {
        "targetRefs": [_route(server_name(server)) for server in servers],
        "timeout": {
            "tcp": {"connectTimeout": "5s"},
            "http": {
                "requestTimeout": "0s",
                "maxStreamDuration": stream,
                "streamIdleTimeout": stream,
                "connectionIdleTimeout": "4s",
            },
        },
        "circuitBreaker": {"maxConnections": most, "maxPendingRequests": most, "maxParallelRequests": most},
        "responseOverride": [_unavailable()],
    }
    return manifest(f"{API}/BackendTrafficPolicy", "dcr-sidecar-mcp", place.namespace, spec)


def _unavailable() -> Doc:
    error, text = UNAVAILABLE
    # This replaces whatever the CORS filter said. Fixed text, so anybody's script may read it.
    readable = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "Retry-After")]
    later = [("Retry-After", str(RETRY_SECONDS)), ("Cache-Control", "no-store"), *readable]
    return {
        "match": {"statusCodes": [{"type": "Value", "value": 503}]},
        "source": "Local",
        "response": {
            "contentType": "application/json",
            "body": {"type": "Inline", "inline": json.dumps({"error": error, "error_description": text})},
            "header": {"set": [{"name": name, "value": value} for name, value in later]},
        },
    }


def _oauth_traffic(place: Place, found: Iterable[Host]) -> Manifest:
    spec = {
        "targetRefs": [_route(oauth_name(host)) for host in found if host.public],
        "requestBuffer": {"limit": f"{OAUTH_BODY_BYTES // 1024}Ki"},
        "timeout": {"tcp": {"connectTimeout": "1s"}, "http": {"connectionIdleTimeout": "30s"}},
        "circuitBreaker": {
            "maxConnections": OAUTH_CONNECTIONS,
            "maxPendingRequests": OAUTH_CONNECTIONS,
            "maxParallelRequests": 4 * OAUTH_CONNECTIONS,
        },
    }
    return manifest(f"{API}/BackendTrafficPolicy", "dcr-sidecar-oauth", place.namespace, spec)


def _refusals(place: Place, server: Server) -> Manifest:
    cluster = f"securitypolicy/{place.namespace}/{server_name(server)}/extauth/0"
    lua = {"type": "Inline", "inline": script([server], cluster, secret_from="header")}  # noqa: S106 - a place
    spec = {"targetRefs": [_route(server_name(server))], "lua": [lua]}
    return manifest(f"{API}/EnvoyExtensionPolicy", server_name(server), place.namespace, spec)


def _injection(place: Place) -> Manifest:
    credential = {"valueRef": {"kind": "Secret", "name": place.secret}}
    spec = {"credentialInjection": {"header": headers.CHECK_SECRET, "overwrite": True, "credential": credential}}
    return manifest(f"{API}/HTTPRouteFilter", INJECTION, place.namespace, spec)


def _client_traffic(plan: EnvoyPlan, place: Place) -> Manifest:
    target = {"group": _GROUP, "kind": "Gateway", "name": place.gateway}
    hops = {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": plan.trusted_hops}}} if plan.trusted_hops else {}
    patterns = [{"type": "RegularExpression", "value": pattern} for pattern in early_patterns(plan)]
    spec = {
        "targetRefs": [{**target, **({"sectionName": place.listener} if place.listener else {})}],
        "path": {"escapedSlashesAction": "RejectRequest", "disableMergeSlashes": True},
        "headers": {
            "withUnderscoresAction": "RejectRequest",
            "xForwardedClientCert": {"mode": "Sanitize"},
            "earlyRequestHeaders": {"removeOnMatch": patterns},
        },
        **hops,
        "timeout": {
            "http": {
                "requestReceivedTimeout": "60s",
                "streamIdleTimeout": "60s",
                "idleTimeout": "300s",
            }
        },
        "connection": {"bufferLimit": "32Ki", "connectionLimit": {"value": plan.max_connections}},
        "http2": {"maxConcurrentStreams": 100},
    }
    return manifest(f"{API}/ClientTrafficPolicy", "dcr-sidecar", place.gateway_namespace, spec)


def _filter_order(place: Place) -> Manifest:
    first = {"name": "envoy.filters.http.credential_injector", "before": "envoy.filters.http.ext_authz"}
    return manifest(f"{API}/EnvoyProxy", "dcr-sidecar", place.gateway_namespace, {"filterOrder": [first]})


def _route(name: str) -> Doc:
    return {"group": _GROUP, "kind": "HTTPRoute", "name": name}

"""Upstream clusters: our two listeners, and one per distinct origin. Owns no routing."""

from urllib.parse import urlsplit

from sidecar.envoy_config.plan import Address, EnvoyPlan, is_ip
from sidecar.envoy_config.typed import Doc, seconds, typed

OAUTH_CONNECTIONS = 512
OAUTH_BODY_BYTES = 64 * 1024
"""What the oauth listener reads at most. Envoy collects such a body first, so slow senders hold no connection to it."""

OAUTH = "dcr-sidecar.oauth"
CHECK = "dcr-sidecar.check"

# Shorter than what the other side keeps an idle connection for, so that Envoy never writes into a closing one:
# aiohttp closes after 75 s, uvicorn and Node after 5 s.
_IDLE_OURS, _IDLE_ORIGIN = 30, 4

_BUFFER = 32 * 1024


def clusters(plan: EnvoyPlan) -> list[Doc]:
    origins = dict.fromkeys(server.origin.rstrip("/") for server in plan.directory.servers)
    return [
        # One connection per request that waits: HTTP/1.1 on loopback or a Unix socket.
        _ours(OAUTH, plan.oauth, connections=OAUTH_CONNECTIONS),
        _ours(CHECK, plan.check, connections=1024),
        *(_origin(url, plan) for url in origins),
    ]


def origin_cluster(origin: str) -> str:
    """The name of an origin's cluster."""
    parts = urlsplit(origin)
    return f"origin.{parts.scheme}.{parts.netloc.lower()}"


def _ours(name: str, address: Address, *, connections: int) -> Doc:
    return {
        **_cluster(name, address.reachable(), connect_seconds=1, idle_seconds=_IDLE_OURS),
        "circuit_breakers": _breakers(connections=connections, requests=4 * connections),
    }


def _origin(url: str, plan: EnvoyPlan) -> Doc:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    address = Address(parts.hostname or "", parts.port or (443 if secure else 80))
    cluster = _cluster(origin_cluster(url), address, connect_seconds=5, idle_seconds=_IDLE_ORIGIN)
    # A stream occupies a connection for as long as it lives.
    cluster["circuit_breakers"] = _breakers(connections=plan.max_connections, requests=plan.max_connections)
    cluster["upstream_connection_options"] = {"tcp_keepalive": {"keepalive_time": 60, "keepalive_interval": 15}}
    if secure:
        cluster["transport_socket"] = _verified_tls(address.host, plan.origin_ca_file)
    return cluster


def _cluster(name: str, address: Address, *, connect_seconds: float, idle_seconds: float) -> Doc:
    return {
        "name": name,
        **_discovery(address),
        "connect_timeout": seconds(connect_seconds),
        "per_connection_buffer_limit_bytes": _BUFFER,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(address)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                common_http_protocol_options={"idle_timeout": seconds(idle_seconds)},
                explicit_http_config={"http_protocol_options": {}},
            )
        },
    }


def _discovery(address: Address) -> Doc:
    """A name may stand for an IPv6 and an IPv4 address of which one answers: LOGICAL_DNS tries both (RFC 8305)."""
    if address.unix or is_ip(address.host):
        return {"type": "STATIC"}
    return {"type": "LOGICAL_DNS", "dns_lookup_family": "ALL"}


def socket_address(address: Address) -> Doc:
    if address.unix:
        return {"pipe": {"path": address.unix}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _breakers(*, connections: int, requests: int) -> Doc:
    """Default priority only: nothing here routes at high priority."""
    limits = {"max_connections": connections, "max_pending_requests": requests, "max_requests": requests}
    return {"thresholds": [limits]}


def _verified_tls(host: str, ca_file: str) -> Doc:
    name = {"exact": host}
    kind = "IP_ADDRESS" if is_ip(host) else "DNS"
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "validation_context": {
            "trusted_ca": {"filename": ca_file},
            # Without this any certificate that the roots signed would do.
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": name}],
        },
    }
    fields = {"common_tls_context": context, **({} if is_ip(host) else {"sni": host})}
    message = "extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed(message, **fields)}

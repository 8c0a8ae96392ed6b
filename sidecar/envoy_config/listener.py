"""The public listener: edge settings of the connection manager, TLS, access log. Owns no route and no decision."""

from sidecar import headers
from sidecar.envoy_config.clusters import socket_address
from sidecar.envoy_config.filters import early_mutations, http_filters
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.replies import local_replies
from sidecar.envoy_config.routes import unknown_host, virtual_hosts
from sidecar.envoy_config.typed import EXT_AUTHZ, Doc, typed

_MANAGER = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_BUFFER = 32 * 1024
_HEADERS_KIB = 16
"""All request headers together: no more than our listeners are told to read."""


def listener(plan: EnvoyPlan) -> Doc:
    manager = {
        "stat_prefix": "dcr_sidecar",
        **connection_manager(plan),
        "route_config": {"name": "dcr-sidecar", "virtual_hosts": [*virtual_hosts(plan), unknown_host()]},
        "http_filters": http_filters(plan),
    }
    chain: Doc = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed(_MANAGER, **manager)}
        ],
        "transport_socket_connect_timeout": "10s",
    }
    if plan.tls_cert:
        chain["transport_socket"] = _tls(plan)
    return {
        "name": "dcr-sidecar.public",
        "address": socket_address(plan.listen),
        "per_connection_buffer_limit_bytes": _BUFFER,
        "filter_chains": [chain],
    }


def connection_manager(plan: EnvoyPlan) -> Doc:
    """Every setting that the check's decisions depend on. A foreign connection manager needs all of these."""
    return {
        "codec_type": "AUTO",
        **_paths_and_headers(),
        **_downstream(plan),
        **_limits(),
        "early_header_mutation_extensions": early_mutations(plan),
        "local_reply_config": local_replies(),
        "access_log": [_access_log()],
    }


def _paths_and_headers() -> Doc:
    """One reading of a path for Envoy, the check and the MCP server."""
    return {
        "normalize_path": True,
        "merge_slashes": False,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": 100,
            "idle_timeout": "300s",
        },
        "http_protocol_options": {"accept_http_10": False, "allow_chunked_length": False},
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
        },
    }


def _downstream(plan: EnvoyPlan) -> Doc:
    """Who is calling. With no trusted hops, what X-Forwarded-For says does not matter."""
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": plan.trusted_hops,
        "internal_address_config": {"unix_sockets": False},
        "forward_client_cert_details": "SANITIZE",
        "preserve_external_request_id": plan.trusted_hops > 0,
        "always_set_request_id_in_response": True,
    }


def _limits() -> Doc:
    """Streams have their own limits, on their routes."""
    return {
        "max_request_headers_kb": _HEADERS_KIB,
        "request_headers_timeout": "10s",
        "request_timeout": "60s",
        "stream_idle_timeout": "60s",
        "delayed_close_timeout": "1s",
        "drain_timeout": "5s",
    }


def _access_log() -> Doc:
    """One JSON line per request. No query and no credential has a place in it."""
    metadata = {name: f"%DYNAMIC_METADATA({EXT_AUTHZ}:{headers.LOG_PREFIX}{name})%" for name in headers.LOG_FIELDS}
    fields = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "authority": "%REQ(X-FORWARDED-HOST?:AUTHORITY):256%",  # the latter is the origin's once rewritten
        "path": "%PATH(NQ:PATH):512%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "duration_ms": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "source": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "route": "%ROUTE_NAME%",
        "request_id": "%REQ(X-REQUEST-ID):64%",
        "answer_reference": f"%RESP({headers.REFERENCE}):64%",
        **metadata,
    }
    sink = typed(
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"json_format": fields, "omit_empty_values": True},
    )
    return {"name": "envoy.access_loggers.stdout", "typed_config": sink}


def _tls(plan: EnvoyPlan) -> Doc:
    pair = {"certificate_chain": {"filename": plan.tls_cert}, "private_key": {"filename": plan.tls_key}}
    context = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [pair],
    }
    message = "extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed(message, common_tls_context=context)}

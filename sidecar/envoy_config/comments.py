"""What the printed configuration tells its reader. Keys are the ends of dotted paths; each is used once."""

from collections.abc import Mapping
from typing import Final

COMMENTS: Final[Mapping[str, str]] = {
    "node": "Written by `dcr-sidecar envoy-config`. Change the sidecar's configuration and print it again.",
    "admin": "Envoy's own page: it can stop Envoy. Loopback or a Unix socket, nothing else.",
    "http_connection_manager": (
        "Written by `dcr-sidecar envoy-config --format fragment`. Set every one of these keys on the connection "
        "manager that carries the virtual hosts below: the check's decisions rest on them."
    ),
    "normalize_path": (
        "One reading of a path for Envoy, the check and the MCP server. What could be read in two ways is refused: %2F "
        "and %5C here, `//`, `;` and encoded dots by a route of each host."
    ),
    "headers_with_underscores_action": "To a CGI-like server x_dcr_user is x-dcr-user.",
    "accept_http_10": "One request, one reading: no HTTP/1.0, and no Content-Length beside chunks.",
    "use_remote_address": (
        "Who is calling: the socket's peer, or what the last of this many trusted proxies wrote into X-Forwarded-For."
    ),
    "max_request_headers_kb": "All request headers together. Not above what the sidecar's listeners read.",
    "request_headers_timeout": "Slow senders go. MCP streams have limits of their own, on their routes.",
    "early_header_mutation_extensions": (
        "First of all, before anything reads them: headers that only we may set, and headers with which other software "
        "says who the user is or what was really asked. `[^a-z0-9]` because x.dcr.user is x-dcr-user to some."
    ),
    "local_reply_config": (
        "Envoy's own answers as JSON. Envoy drops headers and body of a 5xx from the check, so Retry-After and CORS "
        "for those stand here. UAEX marks what ext_authz answered; the check's other answers pass as they are."
    ),
    "default_source_code": (
        "An MCP server that answers 401 refused what it got: the client gets our challenge, and of an upstream token "
        "the sidecar gets to know before the client comes back."
    ),
    "max_request_bytes": (
        "Off by default, on for the sign-in routes: a body is collected here before it is passed on, so that slow "
        "senders hold no connection to the sidecar. MCP bodies stream."
    ),
    "access_log": "One line per request, with client and user as the check named them. No query and no credential.",
    "virtual_hosts": (
        "Configured authorities only. In each: what is refused outright; what needs no token, as an explicit list; the "
        "MCP servers, longest path first; the check is asked about everything else too, and what it allows there is "
        "404."
    ),
    "routes.match.headers": (
        "Methods that MCP and OAuth know (TRACE would echo the injected credential), and below that paths which every "
        "parser reads alike, so that no route without a check leads to what the check guards."
    ),
    "routes.typed_per_filter_config": "Every route without a check says so itself. No other may carry this.",
    "route.host_rewrite_literal": (
        "The origin is called by its own name, the only one that a server with DNS-rebinding protection is sure to "
        "know. X-Forwarded-Host carries the public one."
    ),
    "route.idle_timeout": (
        "MCP: a stream may be silent, and ends here at the latest. `timeout` would count the whole response, so it is "
        "off. Nothing is retried."
    ),
    "request_headers_to_remove": (
        "The check has judged Origin. Cookies on this host belong to the sign-in pages, not to MCP servers."
    ),
    "response_headers_to_remove": "Challenges and CORS are ours.",
    "http_filters": (
        "1. The source address, on every route, over whatever the client sent. 2. The check. A filter after it that "
        "changes path, host or route would undo the decision."
    ),
    "failure_mode_allow": (
        "Only 200 from the check lets a request through. A check that is away, slow or broken means 503 and not 403, "
        "on which clients throw their registration away."
    ),
    "clear_route_cache": "What the check answers never changes where a request goes.",
    "typed_config.allowed_headers": "What the check reads, besides host, method and path. Never the body.",
    "authorization_request.headers_to_add": "The check's secret comes from Envoy's environment.",
    "allowed_upstream_headers": "What an allowing answer may set on the request. The rest it lists for removal.",
    "allowed_client_headers": "What a denial may tell the client.",
    "allowed_client_headers_on_success": "CORS for the MCP server's answer.",
    "dynamic_metadata_from_headers": "For the access log, sent to nobody.",
    "clusters": "The sidecar's two listeners, then one cluster per origin.",
    "circuit_breakers": "A request beyond these gets 503; it never passes unchecked.",
    "tcp_keepalive": "Notices an origin that vanished under a silent stream.",
    "match_typed_subject_alt_names": "Without this, any certificate that the roots signed would do.",
    "overload_manager": "Connections beyond this are refused instead of exhausting memory.",
}

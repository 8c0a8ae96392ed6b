"""What the output of `--format envoy-gateway` tells its reader."""

from collections.abc import Mapping
from typing import Final

PREAMBLE: Final = """\
# Written by `dcr-sidecar envoy-config --format envoy-gateway`. Change the sidecar's configuration and print it again.
#
# For Envoy Gateway 1.8 or later, with Envoy 1.36.10, 1.37.6, 1.38.4, 1.39.1 or later. Older ones refuse some fields.
# What the Gateway's owner must do once, see envoy/kubernetes/README.md:
#   - let HTTPRoutes of this namespace attach to the Gateway (allowedRoutes);
#   - use the EnvoyProxy below, or take its filterOrder over. Without it the check never sees its secret: 503 for all;
#   - allow Lua (`extensionApis.enableLua: true`; off by default since 1.9), or print again with --no-lua. With Lua
#     forbidden and EnvoyExtensionPolicies applied, Envoy Gateway answers 500 to whatever the check lets in.
# And here: a Secret with the check's secret under `credential`. Without it the check refuses: 503 for all.
#
# A server with `without_pool: relay` and no pool is not printed: it keeps the route that it has.
# Attach no other SecurityPolicy, EnvoyExtensionPolicy or URL rewriting filter to these routes.
"""

COMMENTS: Final[Mapping[str, str]] = {
    "requestHeaderModifier": "Over whatever the client sent: limits and the audit trail trust it.",
    "matches": (
        "What needs no token, as an explicit list: to the sidecar's oauth listener, never to an MCP server. No "
        "SecurityPolicy for this route, and none for its Gateway or listener either, or it lands here."
    ),
    "failOpen": (
        "Only 200 from the check lets a request through. A check that is away means 503 and not 403, on which clients "
        "throw their registration away."
    ),
    "headersToExtAuth": "What the check reads, besides host, method and path. Its secret is the route's.",
    "headersToBackend": "What an allowing answer may set on the request. The rest it lists for removal.",
    "cors": (
        "Envoy Gateway takes no header from an allowing check for the answer. Preflights are answered here, without "
        "the check; Mcp-Param-* headers, which cannot be listed, are not allowed to browsers."
    ),
    "requestTimeout": "A stream may be silent, and ends after maxStreamDuration. Nothing is retried.",
    "responseOverride": "Of Envoy's own 503 only, the check's failures among them: Envoy drops what a 5xx of it says.",
    "requestBuffer": "A body is collected here before it is passed on, so slow senders hold no connection to us.",
    "spec.lua": (
        "An MCP server that answers 401 refused what it got: the client gets our challenge, and of an upstream token "
        "the sidecar gets to know. A redirect to its own address leads to the public one. Also keeps who called for "
        "the access log: %DYNAMIC_METADATA(dcr-sidecar:user)%."
    ),
    "credentialInjection": "The check's secret, put on the request for the check alone: Lua and the route take it off.",
    "spec.path": "One reading of a path for Envoy, the check and the MCP server. The check refuses what is left.",
    "withUnderscoresAction": "To a CGI-like server x_dcr_user is x-dcr-user.",
    "earlyRequestHeaders": (
        "First of all: headers that only we may set, and headers with which other software says who the user is or "
        "what was really asked. For every route of the listener."
    ),
    "filterOrder": (
        "The check's secret must be on the request when the check is asked. Takes effect when the Gateway's "
        "spec.infrastructure.parametersRef (or its GatewayClass) names this object."
    ),
}

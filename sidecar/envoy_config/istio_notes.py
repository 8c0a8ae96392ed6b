"""What the output of `--format istio` tells its reader."""

from collections.abc import Mapping
from typing import Final

PREAMBLE: Final = """\
# Written by `dcr-sidecar envoy-config --format istio`. Change the sidecar's configuration and print it again.
#
# For a release of Istio whose proxy is Envoy 1.36.10, 1.37.6, 1.38.4, 1.39.1 or later, so 1.28 or later.
# What the mesh's owner must do once, see envoy/kubernetes/README.md:
#   - add the extension provider below to MeshConfig; an AuthorizationPolicy that names an unknown one denies all;
#   - give the gateway's container the environment variable DCR_SIDECAR_CHECK_SECRET from a Secret. Without it the check
#     refuses: 503 for all.
#
# A server with `without_pool: relay` and no pool is not printed: it keeps the route that it has.
# Before Istio 1.30 a workload has one CUSTOM provider: this one must be the gateway's only one.
#
# For MeshConfig, not for kubectl:
#
"""

PROVIDER_COMMENTS: Final[Mapping[str, str]] = {
    "numTrustedProxies": "Who is calling: what the last of so many proxies wrote into X-Forwarded-For.",
    "failOpen": (
        "Only 200 from the check lets a request through. A check that is away means 503 and not 403. Istio sets no "
        "body and no Retry-After then."
    ),
    "includeRequestHeadersInCheck": "What the check reads, besides host, method and path.",
    "includeAdditionalHeadersInCheck": "The gateway's Envoy fills these in: here are names of values, not values.",
    "headersToUpstreamOnAllow": "What an allowing answer may set on the request. The rest it lists for removal.",
    "headersToDownstreamOnDeny": "What a denial may tell the client.",
    "headersToDownstreamOnAllow": "CORS for the MCP server's answer.",
}

COMMENTS: Final[Mapping[str, str]] = {
    "rules": (
        "The check is asked about everything at these hosts but the listed paths, and the VirtualService sends just "
        "those to the sidecar's oauth listener."
    ),
    "http": "First what needs no token, as an explicit list; then the MCP servers, longest path first; else 404.",
    "set": "Over whatever the client sent: limits and the audit trail trust it.",
    "retries": "Istio retries twice unless told otherwise; a token request or a tool call is sent once.",
    "configPatches": (
        "What Istio's own kinds cannot say, for every host of these pods: identity headers stripped first of all, "
        "paths and headers refused that can be read in two ways; then, for ours, answers to an MCP server's 401 and "
        "redirects, and the end of streams, which may be silent until then."
    ),
}

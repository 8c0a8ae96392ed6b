"""Names of the headers that Envoy, the sidecar and the MCP server exchange. The one home of each name."""

PREFIX = "x-dcr-"
"""What all of ours begin with: no client may send any."""

SOURCE = "x-dcr-source"
"""The downstream address, overwritten by Envoy on every request: rate limits and the audit trail trust it."""

REFERENCE = "x-dcr-reference"
"""On every answer of ours: the reference id that pages show and the audit trail carries."""

ASSERTION = "x-dcr-assertion"
"""Where the signed assertion travels, unless the configuration says otherwise."""

REMOVE = "x-envoy-auth-headers-to-remove"
"""Envoy's: what an allowed request must lose on its way to the MCP server."""

IDENTITY = (
    "x-dcr-user",
    "x-dcr-email",
    "x-dcr-name",
    "x-dcr-groups",
    "x-dcr-client",
    "x-dcr-client-name",
    "x-dcr-scopes",
    ASSERTION,
)
"""Every identity header that we may ever set: each is set or removed on every allowed request."""

FOREIGN_IDENTITY = (
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-groups",
    "x-forwarded-access-token",
)
"""What other proxies set and MCP servers may trust: never let through from a client."""

FOREIGN_PREFIXES = (
    "x-envoy-",
    "x-user-",
    "x-auth-request-",
    "x-remote-",
    # What well-known proxies say of a user whom they have signed in, and MCP servers behind them may believe.
    "cf-access-",
    "ssl-client-",
    "tailscale-user-",
    "x-amzn-oidc-",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-credential-identifier",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-pomerium-",
    "x-ssl-client-",
    "x-token-subject",
    "x-token-user-",
    "x-userinfo",
    "x-vouch-",
    "x-webauth-",
)
"""Beginnings of headers that Envoy takes from every request, like our own."""

LOG_PREFIX = "x-dcr-log-"
LOG_FIELDS = ("client", "user", "grant", "serial", "server", "reference")
"""The check's answer carries `x-dcr-log-<field>`; Envoy makes access-log metadata of them and forwards none."""

CHECK_SECRET = "x-dcr-check-secret"  # noqa: S105 - a header's name
"""Envoy proves with it that a check is Envoy's own, when the check listener leaves the machine."""

REFUSED_PATH = "/refused"
"""On the check's listener: where Envoy reports that an MCP server answered 401 to what the check had allowed."""

"""Names of the headers that Envoy, the sidecar and the MCP server exchange. The one home of each name."""

SOURCE = "x-dcr-source"
"""The downstream address, overwritten by Envoy on every request: rate limits and the audit trail trust it."""

REFERENCE = "x-dcr-reference"
"""On every answer of ours: the reference id that pages show and the audit trail carries."""

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
    "x-dcr-assertion",
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

LOG_PREFIX = "x-dcr-log-"
LOG_FIELDS = ("client", "user", "grant", "serial", "server", "reference")
"""The check's answer carries `x-dcr-log-<field>`; Envoy makes access-log metadata of them and forwards none."""

CHECK_SECRET = "x-dcr-check-secret"  # noqa: S105 - a header's name
"""Envoy proves with it that a check is Envoy's own, when the check listener leaves the machine."""

REFUSED_PATH = "/refused"
"""On the check's listener: where Envoy reports that an MCP server answered 401 to what the check had allowed."""

"""CORS for browser-based MCP clients: which requests are preflights, and what answers may be read by which page.

Credentials are never allowed. /authorize, consent and /callback get none of this (RFC 9700 2.6).
"""

from collections.abc import Container

from aiohttp import hdrs, web

ALLOWED_METHODS = "GET, POST, PUT, DELETE, OPTIONS"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Last-Event-ID, Mcp-Method, Mcp-Name"
)
EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, x-dcr-reference"
_MCP_PARAMETER = "mcp-param-"


def is_preflight(request: web.BaseRequest) -> bool:
    """A CORS preflight as browsers send it (Fetch 4.8); any other OPTIONS is a request like all others."""
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def preflight(request: web.BaseRequest) -> web.Response:
    """204: for Envoy anything but 200 ends here, so a preflight never reaches the MCP server."""
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    parameters = [name.strip() for name in asked.split(",") if name.strip().lower().startswith(_MCP_PARAMETER)]
    allowed = ", ".join((ALLOWED_HEADERS, *(name for name in parameters if _is_token(name))))
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: ALLOWED_METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: allowed,
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


def allow_origin(response: web.StreamResponse, request: web.BaseRequest, origins: Container[str] | None) -> None:
    """Let the page read the answer. `origins` None: any page, for what needs no credentials to be read."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    if origins is None:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
    elif origin in origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    else:
        return
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED_HEADERS


def _is_token(name: str) -> bool:
    return len(name) <= 64 and name.replace("-", "").isalnum() and name.isascii()  # noqa: PLR2004

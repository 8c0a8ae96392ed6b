"""What happens to a request before it is routed on: identity headers stripped, source address set, the check asked.

Owns the header lists of the check protocol. Names live in `sidecar.headers`.
"""

import re

from sidecar import headers
from sidecar.envoy_config.clusters import CHECK, OAUTH_BODY_BYTES
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.refusal import refusal_filter
from sidecar.envoy_config.typed import (
    BUFFER,
    EXT_AUTHZ,
    HEADER_MUTATION,
    ROUTER,
    Doc,
    exactly,
    overwrite,
    seconds,
    typed,
)

CHECK_SECONDS = 5
"""Outermost of the nested timeouts: check 5 s > upstream 4 s > store 250 ms."""

TO_CHECK = (
    "authorization",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
    "x-request-id",
    "traceparent",
    headers.SOURCE,
)
"""Sent to the check besides host, method and path, which Envoy always sends; and every `mcp-*`."""

TO_CLIENT = (
    "www-authenticate",
    "content-type",
    "cache-control",
    "allow",
    "retry-after",
    "vary",
    headers.REFERENCE,
)
"""What a denial may carry to the client, besides CORS headers. Nothing else of the check's answer leaves Envoy."""

_STRIPPED_PREFIXES = (headers.PREFIX, *headers.FOREIGN_PREFIXES)
_STRIPPED = (
    *headers.FOREIGN_IDENTITY,
    "remote-user",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-forwarded-uri",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "forwarded",
)


def early_mutations(plan: EnvoyPlan) -> list[Doc]:
    """Before anything reads the request: what only we, or nobody, may say goes away, whoever sent it."""
    mutations = [
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": pattern}}}} for pattern in early_patterns(plan)
    ]
    message = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    name = "envoy.http.early_header_mutation.header_mutation"
    return [{"name": name, "typed_config": typed(message, mutations=mutations)}]


def early_patterns(plan: EnvoyPlan) -> list[str]:
    """Of the names of headers that go away first."""
    # `authorization` carries our own token in; what is ours goes by its beginning.
    injected = [name for name in plan.inject_headers if name != "authorization" and not name.startswith(headers.PREFIX)]
    patterns = [*(f"{_alias(prefix)}.*" for prefix in _STRIPPED_PREFIXES)]
    return patterns + [_alias(name) for name in dict.fromkeys((*_STRIPPED, *injected))]


def http_filters(plan: EnvoyPlan) -> list[Doc]:
    return [_source(), _buffer(), refusal_filter(plan), _ext_authz(plan), _router()]


def _alias(name: str) -> str:
    """Every spelling that a CGI-like server may fold into this name: `x.dcr.user` and `x-dcr-user` are one to it."""
    return re.sub(r"[^a-z0-9]", "[^a-z0-9]", name.lower())


def _source() -> Doc:
    """Later than the early mutations: only now has X-Forwarded-For been judged by the number of trusted hops."""
    source = {"append": overwrite(headers.SOURCE, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")}
    # Envoy has answered `100-continue` by now. What else stands there, servers refuse each in their own way.
    mutations = {"request_mutations": [source, {"remove": "expect"}]}
    message = "extensions.filters.http.header_mutation.v3.HeaderMutation"
    return {"name": HEADER_MUTATION, "typed_config": typed(message, mutations=mutations)}


def _buffer() -> Doc:
    """Off, except on the routes of the oauth listener: see `routes`. MCP bodies stream."""
    config = typed("extensions.filters.http.buffer.v3.Buffer", max_request_bytes=OAUTH_BODY_BYTES)
    return {"name": BUFFER, "disabled": True, "typed_config": config}


def _ext_authz(plan: EnvoyPlan) -> Doc:
    allowed = exactly(dict.fromkeys((*TO_CHECK, *plan.credential_headers)))
    allowed["patterns"].append({"prefix": "mcp-", "ignore_case": True})
    return {
        "name": EXT_AUTHZ,
        "typed_config": typed(
            "extensions.filters.http.ext_authz.v3.ExtAuthz",
            failure_mode_allow=False,
            status_on_error={"code": "ServiceUnavailable"},
            clear_route_cache=False,
            charge_cluster_response_stats=False,
            validate_mutations=True,
            allowed_headers=allowed,
            http_service={
                "server_uri": {"uri": f"http://{CHECK}", "cluster": CHECK, "timeout": seconds(CHECK_SECONDS)},
                "path_prefix": "/check",
                **_authorization_request(plan),
                "authorization_response": _authorization_response(plan),
            },
        ),
    }


def _authorization_request(plan: EnvoyPlan) -> Doc:
    if not plan.check_secret:
        return {}
    secret = {"key": headers.CHECK_SECRET, "value": f"%ENVIRONMENT({plan.check_secret_env})%"}
    return {"authorization_request": {"headers_to_add": [secret]}}


def _authorization_response(plan: EnvoyPlan) -> Doc:
    upstream = dict.fromkeys((*headers.IDENTITY, *plan.inject_headers))
    cors = {"prefix": "access-control-", "ignore_case": True}
    denied = exactly(TO_CLIENT)
    denied["patterns"].append(cors)
    allowed = exactly(("vary",))
    allowed["patterns"].append(cors)
    return {
        "allowed_upstream_headers": exactly(upstream),
        "allowed_client_headers": denied,
        "allowed_client_headers_on_success": allowed,
        "dynamic_metadata_from_headers": exactly(f"{headers.LOG_PREFIX}{name}" for name in headers.LOG_FIELDS),
    }


def _router() -> Doc:
    message = "extensions.filters.http.router.v3.Router"
    return {"name": ROUTER, "typed_config": typed(message, suppress_envoy_headers=True)}

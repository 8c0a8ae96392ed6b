"""Routes of `--format envoy-gateway`: Gateway API only. Owns which path goes where; `envoy_gateway` guards it."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from sidecar import headers
from sidecar.directory import Server
from sidecar.envoy_config.kubernetes import Host, Manifest, Place, manifest, service_of, slug
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.routes import CORS_RESPONSE, METHODS
from sidecar.envoy_config.typed import Doc

INJECTION = "dcr-sidecar-check-secret"
_MATCHES_OF_A_RULE = 64
_SOURCE = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"


def oauth_name(host: Host) -> str:
    return f"dcr-sidecar-oauth-{slug(host.name)}"


def server_name(server: Server) -> str:
    return f"dcr-sidecar-{slug(server.name)}"


def routes(plan: EnvoyPlan, place: Place, found: Iterable[Host]) -> Iterator[Manifest]:
    granted: dict[str, dict[str, None]] = {}
    for host in found:
        if host.public:
            yield _route(oauth_name(host), host, place, list(_oauth_rules(plan, place, host)))
        for server in host.servers:
            service = service_of(server, place)
            if service.namespace != place.namespace:
                granted.setdefault(service.namespace, {})[service.name] = None
            yield _route(server_name(server), host, place, [_mcp_rule(server, place)])
    for namespace, names in granted.items():
        yield _grant(namespace, list(names), place)


def _route(name: str, host: Host, place: Place, rules: list[Doc]) -> Manifest:
    parent = {"name": place.gateway, "namespace": place.gateway_namespace}
    if place.listener:
        parent["sectionName"] = place.listener
    spec = {"parentRefs": [parent], "hostnames": [host.name], "rules": rules}
    return manifest("gateway.networking.k8s.io/v1/HTTPRoute", name, place.namespace, spec)


def _oauth_rules(plan: EnvoyPlan, place: Place, host: Host) -> Iterator[Doc]:
    source = {"set": [{"name": headers.SOURCE, "value": _SOURCE}]}
    for start in range(0, len(host.public), _MATCHES_OF_A_RULE):
        yield {
            "matches": [{"path": _path(match)} for match in host.public[start : start + _MATCHES_OF_A_RULE]],
            "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": source}],
            "backendRefs": [{"name": place.service, "port": plan.oauth.port}],
            "timeouts": {"request": "15s"},
        }


def _path(match: Doc) -> Doc:
    if "path" in match:
        return {"type": "Exact", "value": match["path"]}
    return {"type": "PathPrefix", "value": match["prefix"].rstrip("/") or "/"}


def _mcp_rule(server: Server, place: Place) -> Doc:
    """Methods one by one: TRACE would echo the injected credential. Cookies and Origin stop here, as in `routes`."""
    path = {"type": "PathPrefix", "value": server.path or "/"}
    service = service_of(server, place)
    backend = {"name": service.name, "namespace": service.namespace, "port": service.port}
    lost = [headers.SOURCE, headers.CHECK_SECRET, "origin", "cookie"]
    injection = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": INJECTION}
    return {
        "matches": [{"path": path, "method": method} for method in METHODS],
        "filters": [
            {"type": "ExtensionRef", "extensionRef": injection},
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": lost}},
            {
                "type": "ResponseHeaderModifier",
                "responseHeaderModifier": {"remove": ["www-authenticate", "set-cookie", *CORS_RESPONSE]},
            },
            {"type": "URLRewrite", "urlRewrite": {"hostname": urlsplit(server.origin).hostname}},
        ],
        "backendRefs": [backend],
        "timeouts": {"request": "0s"},
    }


def _grant(namespace: str, services: list[str], place: Place) -> Manifest:
    spec = {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": place.namespace}],
        "to": [{"group": "", "kind": "Service", "name": name} for name in services],
    }
    return manifest("gateway.networking.k8s.io/v1beta1/ReferenceGrant", "dcr-sidecar", namespace, spec)

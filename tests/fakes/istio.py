"""What Istio makes of `--format istio`, at its ingress gateway: see `tests.fakes.gateways`."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sidecar.envoy_config import EnvoyPlan, Place, istio_yaml
from sidecar.envoy_config.plan import CHECK_SECRET_ENV
from sidecar.envoy_config.typed import Doc, overwrite, typed
from tests.fakes.gateways import SECRET, Ports, Translated

RBAC, EXT_AUTHZ = "envoy.filters.http.rbac", "envoy.filters.http.ext_authz"


def mesh_config(text: str) -> Doc:
    """What stands in the comments above the first object."""
    head = text.partition("\n---\n")[0]
    block = head[head.index("#     meshConfig:") :]
    return yaml.safe_load("\n".join(line.removeprefix("#     ") for line in block.splitlines()))["meshConfig"]


def translated(
    plan: EnvoyPlan, ports: Ports, *, without: Sequence[str] = (), secret: str = SECRET, place: Place | None = None
) -> Translated:
    """`without`: kinds that nobody applied."""
    text = istio_yaml(plan, place or Place())
    objects = [each for each in yaml.safe_load_all(text) if each["kind"] not in without]
    (provider,) = mesh_config(text)["extensionProviders"]
    clusters: dict[str, int] = {}
    patches = [patch for each in _of(objects, "EnvoyFilter") for patch in each["spec"]["configPatches"]]
    authz = _ext_authz(provider["envoyExtAuthzHttp"], clusters, ports)
    filters = [_rbac(policy, provider["name"]) for policy in _of(objects, "AuthorizationPolicy")]
    filters += [authz] if filters else []
    manager: Doc = {"normalize_path": True, "use_remote_address": True}
    for patch in patches:
        value = patch["patch"]["value"]
        if patch["applyTo"] == "NETWORK_FILTER":
            manager |= {key: said for key, said in value["typed_config"].items() if key != "@type"}
        elif patch["applyTo"] == "HTTP_FILTER":
            filters.append(value)
    routes = [
        _route(http, match, patches, clusters, ports)
        for each in _of(objects, "VirtualService")
        for http in each["spec"]["http"]
        for match in http["match"]
    ]
    domains = [host for each in _of(objects, "VirtualService") for host in each["spec"]["hosts"]]
    return Translated(manager, filters, domains, routes, clusters, environ={CHECK_SECRET_ENV: secret})


def _of(objects: Sequence[Doc], kind: str) -> list[Doc]:
    return [each for each in objects if each["kind"] == kind]


def _cluster(host: str, port: int, clusters: dict[str, int], ports: Ports) -> str:
    name = f"outbound|{port}||{host}"
    clusters[name] = ports[host.partition(".")[0], port]
    return name


def _matchers(names: Sequence[str]) -> Doc:
    patterns = [
        {"prefix": name[:-1], "ignore_case": True} if name.endswith("*") else {"exact": name, "ignore_case": True}
        for name in names
    ]
    return {"patterns": patterns}


def _ext_authz(said: Mapping[str, Any], clusters: dict[str, int], ports: Ports) -> Doc:
    cluster = _cluster(said["service"], said["port"], clusters, ports)
    added = [{"key": key, "value": value} for key, value in sorted(said["includeAdditionalHeadersInCheck"].items())]
    config = typed(
        "extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        failure_mode_allow=said["failOpen"],
        status_on_error={"code": int(said["statusOnError"])},
        allowed_headers=_matchers(said["includeRequestHeadersInCheck"]),
        filter_enabled_metadata={
            "filter": RBAC,
            "path": [{"key": "istio_ext_authz_shadow_effective_policy_id"}],
            "value": {"string_match": {"prefix": "istio-ext-authz"}},
        },
        http_service={
            "server_uri": {"uri": f"http://{said['service']}", "cluster": cluster, "timeout": said["timeout"]},
            "path_prefix": said["pathPrefix"],
            "authorization_request": {"headers_to_add": added},
            "authorization_response": {
                "allowed_upstream_headers": _matchers(said["headersToUpstreamOnAllow"]),
                "allowed_client_headers": _matchers(said["headersToDownstreamOnDeny"]),
                "allowed_client_headers_on_success": _matchers(said["headersToDownstreamOnAllow"]),
            },
        },
    )
    return {"name": EXT_AUTHZ, "typed_config": config}


def _rbac(policy: Doc, provider: str) -> Doc:
    """CUSTOM: rules that decide nothing and leave the name of the one that matched, for ext_authz."""
    assert policy["spec"]["provider"]["name"] == provider
    permissions = []
    for rule in policy["spec"]["rules"]:
        for to in rule["to"]:
            operation = to["operation"]
            hosts = [{"header": {"name": ":authority", **_string(host, fold=True)}} for host in operation["hosts"]]
            paths = [{"url_path": {"path": _string(path)["string_match"]}} for path in operation.get("notPaths", [])]
            unless = [{"not_rule": {"or_rules": {"rules": paths}}}] if paths else []
            permissions.append({"and_rules": {"rules": [{"or_rules": {"rules": hosts}}, *unless]}})
    policies = {f"istio-ext-authz-{provider}-1": {"permissions": permissions, "principals": [{"any": True}]}}
    config = typed(
        "extensions.filters.http.rbac.v3.RBAC",
        shadow_rules={"action": "DENY", "policies": policies},
        shadow_rules_stat_prefix="istio_ext_authz_",
    )
    return {"name": RBAC, "typed_config": config}


def _string(value: str, *, fold: bool = False) -> Doc:
    matcher: Doc = {"prefix": value[:-1]} if value.endswith("*") else {"exact": value}
    return {"string_match": {**matcher, **({"ignore_case": True} if fold else {})}}


def _route(http: Doc, match: Doc, patches: Sequence[Doc], clusters: dict[str, int], ports: Ports) -> Doc:
    ((kind, value),) = match["uri"].items()
    matcher: Doc = {"path": value} if kind == "exact" else {"prefix": value}
    if "method" in match:
        matcher["headers"] = [{"name": ":method", "string_match": {"safe_regex": match["method"]}}]
    (to,) = http["route"]
    destination = to["destination"]
    action = {
        "cluster": _cluster(destination["host"], destination["port"]["number"], clusters, ports),
        "timeout": http["timeout"],
        **({"host_rewrite_literal": http["rewrite"]["authority"]} if "rewrite" in http else {}),
    }
    for patch in patches:
        where = patch["match"].get("routeConfiguration", {}).get("vhost", {}).get("route", {})
        if patch["applyTo"] == "HTTP_ROUTE" and where["name"] == http["name"]:
            action |= patch["patch"]["value"]["route"]
    request, response = http["headers"].get("request", {}), http["headers"].get("response", {})
    return {
        "name": http["name"],
        "match": matcher,
        "route": action,
        "request_headers_to_add": [overwrite(name, said) for name, said in request.get("set", {}).items()],
        "request_headers_to_remove": request.get("remove", []),
        "response_headers_to_remove": response.get("remove", []),
    }

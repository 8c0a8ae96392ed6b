"""What Envoy Gateway makes of `--format envoy-gateway`: see `tests.fakes.gateways`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from sidecar.envoy_config import EnvoyPlan, Place, envoy_gateway_yaml
from sidecar.envoy_config.typed import Doc, exactly, overwrite, typed
from tests.fakes.gateways import SECRET, Ports, Translated

CORS, EXT_AUTHZ, LUA = (f"envoy.filters.http.{name}" for name in ("cors", "ext_authz", "lua"))
CUSTOM, INJECTOR = (f"envoy.filters.http.{name}" for name in ("custom_response", "credential_injector"))
_ORDER = [CUSTOM, CORS, EXT_AUTHZ, LUA, INJECTOR]
"""Of the filters that our objects bring, as Envoy Gateway orders them by itself."""

_ON = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}
_SLASHES = {"RejectRequest": "REJECT_REQUEST", "KeepUnchanged": "KEEP_UNCHANGED"}


@dataclass(frozen=True, slots=True)
class _Made:
    """What routes and policies bring besides themselves."""

    ports: Ports
    filters: Mapping[str, list[Doc]]
    secret: bool
    clusters: dict[str, int] = field(default_factory=dict)


def translated(plan: EnvoyPlan, ports: Ports, *, without: Sequence[str] = (), place: Place | None = None) -> Translated:
    """`without`: kinds that nobody applied; Secret is the check's, which is not printed."""
    documents = yaml.safe_load_all(envoy_gateway_yaml(plan, place or Place()))
    objects = [each for each in documents if each["kind"] not in without]
    (client,) = _of(objects, "ClientTrafficPolicy") or [{"spec": {}}]
    made = _Made(ports, {name: [] for name in _ORDER}, secret="Secret" not in without)
    routes = []
    for route in _of(objects, "HTTPRoute"):
        routes += _routes(route, objects, made)
    order = list(_ORDER)
    for proxy in _of(objects, "EnvoyProxy"):
        for move in proxy["spec"]["filterOrder"]:
            order.remove(move["name"])
            order.insert(order.index(move["before"]), move["name"])
    secret = {"name": "credential", "generic_secret": {"secret": {"inline_string": SECRET}}}
    return Translated(
        manager=_manager(client["spec"]),
        filters=[each for name in order for each in made.filters[name]],
        domains=sorted({host for route in _of(objects, "HTTPRoute") for host in route["spec"]["hostnames"]}),
        routes=[route for _, route in sorted(routes, key=lambda pair: pair[0])],
        clusters=made.clusters,
        secrets=(secret,),
    )


def _of(objects: Sequence[Doc], kind: str) -> list[Doc]:
    return [each for each in objects if each["kind"] == kind]


def _attached(objects: Sequence[Doc], kind: str, route: str) -> Doc | None:
    """At most one, as Envoy Gateway would take only one."""
    found = [each for each in _of(objects, kind) if route in [ref["name"] for ref in each["spec"]["targetRefs"]]]
    assert len(found) <= 1
    return found[0] if found else None


def _manager(spec: Mapping[str, Any]) -> Doc:
    path, head = spec.get("path", {}), spec.get("headers", {})
    early = [
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": each["value"]}}}}
        for each in head.get("earlyRequestHeaders", {}).get("removeOnMatch", [])
    ]
    message = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    extension = {"name": "early", "typed_config": typed(message, mutations=early)}
    action = path.get("escapedSlashesAction")
    return {
        "normalize_path": True,
        "merge_slashes": not path.get("disableMergeSlashes", False),
        "path_with_escaped_slashes_action": _SLASHES.get(action, "UNESCAPE_AND_REDIRECT"),
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "use_remote_address": True,
        **({"early_header_mutation_extensions": [extension]} if early else {}),
    }


def _routes(route: Doc, objects: Sequence[Doc], made: _Made) -> list[tuple[tuple[bool, int], Doc]]:
    name = route["metadata"]["name"]
    found = []
    for number, rule in enumerate(route["spec"]["rules"]):
        cluster = f"httproute/{route['metadata']['namespace']}/{name}/rule/{number}"
        (backend,) = rule["backendRefs"]
        made.clusters[cluster] = made.ports[backend["name"], backend["port"]]
        action = {"cluster": cluster, "timeout": rule["timeouts"]["request"]}
        more, enabled = _rule_filters(rule["filters"], action, made)
        enabled |= _policies(name, objects, action, made)
        for match in rule["matches"]:
            exact = match["path"]["type"] == "Exact"
            value = match["path"]["value"]
            matcher: Doc = {"path": value} if exact else {"path_separated_prefix": value}
            if "method" in match:
                matcher["headers"] = [{"name": ":method", "string_match": {"exact": match["method"]}}]
            entry = {"match": matcher, "route": action, **more, "typed_per_filter_config": enabled}
            if "direct_response" in entry:
                del entry["route"]
            found.append(((not exact, -len(value)), entry))
    return found


def _rule_filters(listed: Sequence[Doc], action: Doc, made: _Made) -> tuple[Doc, Doc]:
    more: Doc = {}
    enabled: Doc = {}
    for each in listed:
        match each["type"]:
            case "RequestHeaderModifier":
                change = each["requestHeaderModifier"]
                added = [overwrite(entry["name"], entry["value"]) for entry in change.get("set", [])]
                more |= {"request_headers_to_add": added, "request_headers_to_remove": change.get("remove", [])}
            case "ResponseHeaderModifier":
                more["response_headers_to_remove"] = each["responseHeaderModifier"]["remove"]
            case "URLRewrite":
                action |= {
                    "host_rewrite_literal": each["urlRewrite"]["hostname"],
                    "append_x_forwarded_host": True,
                }
            case "ExtensionRef" if not made.secret:  # the rule is answered instead of routed; policies stay
                more["direct_response"] = {"status": 500}
            case "ExtensionRef":
                enabled[INJECTOR] = _ON
                made.filters[INJECTOR][:] = [_injector()]
            case other:
                raise AssertionError(other)
    return more, enabled


def _injector() -> Doc:
    generic = typed(
        "extensions.http.injected_credentials.generic.v3.Generic",
        credential={"name": "credential"},
        header="x-dcr-check-secret",
    )
    config = typed(
        "extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    return {"name": INJECTOR, "disabled": True, "typed_config": config}


def _policies(route: str, objects: Sequence[Doc], action: Doc, made: _Made) -> Doc:
    enabled: Doc = {}
    if policy := _attached(objects, "SecurityPolicy", route):
        enabled |= _security(policy, made)
    if policy := _attached(objects, "BackendTrafficPolicy", route):
        http = policy["spec"]["timeout"]["http"]
        if "maxStreamDuration" in http:
            action["max_stream_duration"] = {"max_stream_duration": http["maxStreamDuration"]}
            action["idle_timeout"] = http["streamIdleTimeout"]
        for override in policy["spec"].get("responseOverride", []):
            made.filters[CUSTOM].append(_custom(override, name := f"{CUSTOM}/{route}"))
            enabled[name] = _ON
    if policy := _attached(objects, "EnvoyExtensionPolicy", route):
        for number, lua in enumerate(policy["spec"]["lua"]):
            config = typed("extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": lua["inline"]})
            name = f"{LUA}/{route}/{number}"
            made.filters[LUA].append({"name": name, "disabled": True, "typed_config": config})
            enabled[name] = _ON
    return enabled


def _security(policy: Doc, made: _Made) -> Doc:
    metadata, auth = policy["metadata"], policy["spec"]["extAuth"]
    (backend,) = auth["http"]["backendRefs"]
    cluster = f"securitypolicy/{metadata['namespace']}/{metadata['name']}/extauth/0".lower()
    made.clusters[cluster] = made.ports[backend["name"], backend["port"]]
    name = f"{EXT_AUTHZ}/{metadata['name']}"
    config = typed(
        "extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        failure_mode_allow=auth["failOpen"],
        status_on_error={"code": auth["statusOnError"]},
        allowed_headers=exactly(auth["headersToExtAuth"]),
        http_service={
            "server_uri": {"uri": "http://check", "cluster": cluster, "timeout": auth["timeout"]},
            "path_prefix": auth["http"]["path"],
            "authorization_response": {"allowed_upstream_headers": exactly(auth["http"]["headersToBackend"])},
        },
    )
    made.filters[EXT_AUTHZ].append({"name": name, "disabled": True, "typed_config": config})
    per_route = typed("extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", check_settings={})
    return {name: per_route, **_cors(policy["spec"].get("cors"), made)}


def _cors(said: Doc | None, made: _Made) -> Doc:
    if said is None:
        return {}
    made.filters[CORS][:] = [{"name": CORS, "typed_config": typed("extensions.filters.http.cors.v3.Cors")}]
    policy = typed(
        "extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"exact": origin} for origin in said["allowOrigins"]],
        allow_methods=", ".join(said["allowMethods"]),
        allow_headers=", ".join(said["allowHeaders"]),
        expose_headers=", ".join(said["exposeHeaders"]),
        max_age=said["maxAge"].removesuffix("s"),
        allow_credentials=False,
        forward_not_matching_preflights=False,
    )
    return {CORS: policy}


def _custom(override: Doc, name: str) -> Doc:
    response, inputs = override["response"], "type.matcher.v3"
    (status,) = override["match"]["statusCodes"]
    wanted = [(f"{inputs}.HttpResponseStatusCodeMatchInput", str(status["value"]))]
    if override["source"] == "Local":
        wanted.append((f"{inputs}.HttpResponseLocalReplyMatchInput", "true"))
    predicates = [
        {"single_predicate": {"input": {"name": kind, "typed_config": typed(kind)}, "value_match": {"exact": value}}}
        for kind, value in wanted
    ]
    said = typed(
        "extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy",
        body_format={"text_format": response["body"]["inline"]},
        response_headers_to_add=[
            overwrite("content-type", response["contentType"]),
            *(overwrite(entry["name"], entry["value"]) for entry in response["header"]["set"]),
        ],
    )
    matcher = {
        "predicate": {"and_matcher": {"predicate": predicates}},
        "on_match": {"action": {"name": "said", "typed_config": said}},
    }
    config = typed(
        "extensions.filters.http.custom_response.v3.CustomResponse",
        custom_response_matcher={"matcher_list": {"matchers": [matcher]}},
    )
    return {"name": name, "disabled": True, "typed_config": config}

"""`--format istio`: objects for an Istio ingress gateway that already runs. Reads no secret.

Owns what asks the check and what carries a request on; `istio_filters` owns what Istio's own kinds cannot say.
"""

import textwrap
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from sidecar import headers
from sidecar.directory import Server
from sidecar.envoy_config.filters import CHECK_SECONDS, TO_CHECK, TO_CLIENT
from sidecar.envoy_config.gateway_refusal import LOG_HEADERS
from sidecar.envoy_config.istio_filters import envoy_filter, route_name
from sidecar.envoy_config.istio_notes import COMMENTS, PREAMBLE, PROVIDER_COMMENTS
from sidecar.envoy_config.kubernetes import (
    CLUSTER_DOMAIN,
    Host,
    Manifest,
    Place,
    hosts,
    manifest,
    manifests_yaml,
    refuse_unreachable,
    service_of,
    slug,
)
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.routes import CORS_RESPONSE, METHODS
from sidecar.envoy_config.text import dump_yaml
from sidecar.envoy_config.typed import Doc, seconds

PROVIDER = "dcr-sidecar"
_SOURCE = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"


def istio_yaml(plan: EnvoyPlan, place: Place) -> str:
    mesh = dump_yaml({"meshConfig": mesh_config(plan, place)}, PROVIDER_COMMENTS)
    return manifests_yaml(istio(plan, place), COMMENTS, PREAMBLE + textwrap.indent(mesh, "#     "))


def istio(plan: EnvoyPlan, place: Place) -> list[Manifest]:
    """Raises ValueError for what this gateway cannot serve."""
    refuse_unreachable(plan)
    found = hosts(plan)
    return [
        _authorization(place, found),
        *(_virtual_service(plan, place, host) for host in found),
        envoy_filter(plan, place, [server for host in found for server in host.servers]),
    ]


def mesh_config(plan: EnvoyPlan, place: Place) -> Doc:
    """For the mesh's owner: no object of ours."""
    hops = {"defaultConfig": {"gatewayTopology": {"numTrustedProxies": plan.trusted_hops}}} if plan.trusted_hops else {}
    asked = (name for name in TO_CHECK if name != headers.SOURCE)
    upstream = dict.fromkeys((*headers.IDENTITY, *plan.inject_headers, *(LOG_HEADERS if place.lua else ())))
    provider = {
        "service": f"{place.service}.{place.namespace}.svc.{CLUSTER_DOMAIN}",
        "port": plan.check.port,
        "timeout": seconds(CHECK_SECONDS),
        "pathPrefix": "/check",
        "failOpen": False,
        "statusOnError": "503",
        "includeRequestHeadersInCheck": [*dict.fromkeys((*asked, *plan.credential_headers)), "mcp-*"],
        "includeAdditionalHeadersInCheck": {
            headers.SOURCE: _SOURCE,
            headers.CHECK_SECRET: f"%ENVIRONMENT({plan.check_secret_env})%",
        },
        "headersToUpstreamOnAllow": list(upstream),
        "headersToDownstreamOnDeny": [*TO_CLIENT, "access-control-*"],
        "headersToDownstreamOnAllow": ["vary", "access-control-*"],
    }
    return {**hops, "extensionProviders": [{"name": PROVIDER, "envoyExtAuthzHttp": provider}]}


def _authorization(place: Place, found: Iterable[Host]) -> Manifest:
    """Everything at our hosts is asked about, except the explicit list."""
    rules = [
        {
            "to": [
                {
                    "operation": {
                        # Envoy picks the host without regard to its port.
                        "hosts": [host.name, f"{host.name}:*"],
                        **({"notPaths": list(_not_paths(host))} if host.public else {}),
                    }
                }
            ]
        }
        for host in found
    ]
    spec = {"selector": _selector(place), "action": "CUSTOM", "provider": {"name": PROVIDER}, "rules": rules}
    return manifest("security.istio.io/v1/AuthorizationPolicy", "dcr-sidecar", place.gateway_namespace, spec)


def _not_paths(host: Host) -> Iterator[str]:
    for match in host.public:
        yield match["path"] if "path" in match else f"{match['prefix']}*"


def _virtual_service(plan: EnvoyPlan, place: Place, host: Host) -> Manifest:
    http = [_oauth(plan, place, host)] if host.public else []
    spec = {
        "hosts": [host.name],
        "gateways": [f"{place.gateway_namespace}/{place.gateway}"],
        "http": [*http, *(_mcp(server, place) for server in host.servers)],
    }
    name = f"dcr-sidecar-{slug(host.name)}"
    return manifest("networking.istio.io/v1/VirtualService", name, place.namespace, spec)


def _oauth(plan: EnvoyPlan, place: Place, host: Host) -> Doc:
    return {
        "name": "dcr-sidecar-oauth",
        "match": [
            {"uri": {"exact": match["path"]} if "path" in match else {"prefix": match["prefix"]}}
            for match in host.public
        ],
        "headers": {"request": {"set": {headers.SOURCE: _SOURCE}}},
        "timeout": "15s",
        "retries": {"attempts": 0},
        "route": [_destination(f"{place.service}.{place.namespace}.svc.{CLUSTER_DOMAIN}", plan.oauth.port)],
    }


def _mcp(server: Server, place: Place) -> Doc:
    service = service_of(server, place)
    methods = {"regex": "|".join(METHODS)}
    # A prefix means bytes to Istio: `/mcp` would be `/mcp-admin` too.
    paths = [{"exact": server.path}, {"prefix": f"{server.path}/"}] if server.path else [{"prefix": "/"}]
    lost = [headers.SOURCE, headers.CHECK_SECRET, "origin", "cookie"]
    return {
        "name": route_name(server),
        "match": [{"uri": path, "method": methods} for path in paths],
        "headers": {
            "request": {"remove": lost},
            "response": {"remove": ["www-authenticate", "set-cookie", *CORS_RESPONSE]},
        },
        "rewrite": {"authority": urlsplit(server.origin).netloc},
        "timeout": "0s",
        "retries": {"attempts": 0},
        "route": [_destination(f"{service.name}.{service.namespace}.svc.{CLUSTER_DOMAIN}", service.port)],
    }


def _destination(host: str, port: int) -> Doc:
    return {"destination": {"host": host, "port": {"number": port}}}


def _selector(place: Place) -> Doc:
    key, _, value = place.workload.partition("=")
    return {"matchLabels": {key: value}}

"""What Envoy Gateway and Istio make of our objects, as far as these use them: an Envoy bootstrap for a real Envoy.

Written after both projects' translators (Envoy Gateway 1.9 `internal/xds/translator`, Istio 1.31 `pilot`): which filter
comes in which order, which field of Envoy a field of theirs sets, and what they leave at Envoy's default. What the
objects do not use is not here. `tests.fakes.envoy_gateway` and `tests.fakes.istio` hold one each.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from aiohttp import web

from sidecar import headers
from sidecar.directory import Directory, Issuer, Server
from sidecar.envoy_config import Address, EnvoyPlan, Place
from sidecar.envoy_config.typed import ROUTER, Doc, typed
from tests.fakes.edge import HOST, INSPECTOR, Backend, Edge, check_answer, oauth_answer, origin_answer
from tests.fakes.envoy import free_port, running_envoy

SECRET = "0123456789abcdef0123456789abcdef"
PLACE = Place()
ISSUER = f"https://{HOST}"

Ports = Mapping[tuple[str, int], int]
"""Service and its port to a port of this machine."""


def gateway_plan(**more: Any) -> EnvoyPlan:
    notes = Server(
        "notes",
        f"{ISSUER}/mcp",
        "http://notes.mcp:3000",
        ISSUER,
        "corp",
        allowed_origins=frozenset({INSPECTOR}),
        base_scopes=("read",),
    )
    directory = Directory(servers=(notes,), issuers=(Issuer(ISSUER, "corp"),))
    at = {"oauth": Address("10.0.0.1", 9400), "check": Address("10.0.0.1", 9401)}
    return EnvoyPlan(**{"directory": directory, **at, "check_secret": True, **more})


@dataclass(frozen=True, slots=True)
class Translated:
    manager: Doc
    """Without stat_prefix, routes and router."""
    filters: list[Doc]
    domains: list[str]
    routes: list[Doc]
    clusters: Mapping[str, int]
    """Name to port."""
    secrets: tuple[Doc, ...] = ()
    environ: Mapping[str, str] | None = None


def bootstrap(found: Translated, port: int) -> Doc:
    log = typed(
        "extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                "status": "%RESPONSE_CODE%",
                "path": "%PATH(NQ:PATH)%",
                "user": "%DYNAMIC_METADATA(dcr-sidecar:user)%",
                "grant": "%DYNAMIC_METADATA(dcr-sidecar:grant)%",
            },
            "omit_empty_values": True,
        },
    )
    hosts = [{"name": "public", "domains": found.domains, "routes": found.routes}]
    manager = {
        "stat_prefix": "gateway",
        "access_log": [{"name": "envoy.access_loggers.stdout", "typed_config": log}],
        **found.manager,
        "route_config": {"name": "gateway", "ignore_port_in_host_matching": True, "virtual_hosts": hosts},
        "http_filters": [
            *found.filters,
            {"name": ROUTER, "typed_config": typed("extensions.filters.http.router.v3.Router")},
        ],
    }
    message = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    hcm = {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed(message, **manager)}
    listener = {"name": "public", "address": _address(port), "filter_chains": [{"filters": [hcm]}]}
    return {
        "static_resources": {
            "listeners": [listener],
            "clusters": [_cluster(name, to) for name, to in found.clusters.items()],
            "secrets": list(found.secrets),
        }
    }


def _cluster(name: str, port: int) -> Doc:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _address(port: int) -> Doc:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


async def guarded_check(request: web.BaseRequest) -> web.StreamResponse:
    """The check off this machine: without its secret nothing but 503, as the real one."""
    if request.headers.getall(headers.CHECK_SECRET, []) != [SECRET]:
        return web.json_response({"error": "temporarily_unavailable"}, status=503)
    if request.path == headers.REFUSED_PATH:
        return web.Response(status=204)
    return await check_answer(request)


Translation = Callable[[EnvoyPlan, Ports], Translated]


@contextlib.asynccontextmanager
async def running_gateway(translation: Translation, **plan: Any) -> AsyncIterator[Edge]:
    async with contextlib.AsyncExitStack() as stack:
        backends = [Backend(answer) for answer in (guarded_check, oauth_answer, origin_answer)]
        check, oauth, origin = [await stack.enter_async_context(backend.running()) for backend in backends]
        made = gateway_plan(**plan)
        ports = {("dcr-sidecar", 9401): check.port, ("dcr-sidecar", 9400): oauth.port, ("notes", 3000): origin.port}
        found = translation(made, ports)
        listen = Address("127.0.0.1", free_port())
        envoy = await stack.enter_async_context(
            running_envoy(bootstrap(found, listen.port), environ=found.environ or {})
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Edge(envoy, replace(made, listen=listen), check, oauth, origin, session)

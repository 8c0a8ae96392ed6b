"""One aiohttp application per listener, and what each serves (design 5). Owns routes; owns no endpoint."""

from collections.abc import Callable, Iterable
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from sidecar.app.admin import resources
from sidecar.app.services import Services
from sidecar.handlers.admin.guard import only_operators
from sidecar.handlers.admin.initial_access_tokens import InitialAccessTokensResource
from sidecar.handlers.admin.listener import admin_routes
from sidecar.handlers.authorize import AuthorizeEndpoint
from sidecar.handlers.callback import CallbackEndpoint
from sidecar.handlers.check import CheckEndpoint
from sidecar.handlers.guard import only_with_secret
from sidecar.handlers.jwks import JwksEndpoint
from sidecar.handlers.middleware import BODY_LIMIT, Edge, ErrorPage, allows_cors, at_issuer, preflight
from sidecar.handlers.ops import OpsEndpoint
from sidecar.handlers.pages import Pages
from sidecar.handlers.refused import RefusedEndpoint
from sidecar.handlers.register import RegisterEndpoint
from sidecar.handlers.registration import RegistrationEndpoint
from sidecar.handlers.revoke import RevokeEndpoint
from sidecar.handlers.token import TokenEndpoint
from sidecar.handlers.wellknown import WellKnown
from sidecar.pools.absence import Absence, WhyAbsent


class Endpoint(Protocol):
    def routes(self) -> list[web.RouteDef]: ...


def oauth_app(services: Services) -> web.Application:
    """What everybody may reach, through Envoy: documents, and each issuer's endpoints under its own path."""
    pages = Pages.load()
    app = _app(services, "oauth", error_page=pages.error)
    app.add_routes(WellKnown(services.discovery).routes())
    directory, why_absent = services.directory, _why_absent(services)
    routes = [route for endpoint in _issuer_endpoints(services, pages) for route in endpoint.routes()]
    routes += [
        web.options(path, preflight) for path in dict.fromkeys(route.path for route in routes) if allows_cors(path)
    ]
    for base in dict.fromkeys(issuer.path for issuer in directory.issuers):
        for route in routes:
            bound = at_issuer(directory, base, route.handler, why_absent)
            web.RouteDef(route.method, base + route.path, bound, route.kwargs).register(app.router)
    return app


def _issuer_endpoints(services: Services, pages: Pages) -> Iterable[Endpoint]:
    settings, sources, recorder, limits = services.settings, services.sources, services.recorder, services.limits
    if settings.dcr != "off":
        needed = services.initial_access if settings.dcr == "token" else None
        yield RegisterEndpoint(services.registered, limits, recorder, needed)
    # Also for those that registered before it was off.
    yield RegistrationEndpoint(services.management, limits, recorder)
    yield AuthorizeEndpoint(services.requests, services.approvals, pages, sources.entropy, settings.lifetimes)
    yield CallbackEndpoint(services.returns, pages)
    yield TokenEndpoint(services.clients, limits, services.redemption, services.rotation, sources.clock, recorder)
    yield JwksEndpoint(services.directory, services.identity_assertions)
    yield RevokeEndpoint(services.clients, limits, services.revocation, recorder)


def check_app(services: Services) -> web.Application:
    """For Envoy: decisions, every path behind the prefix being a question about that path; and its word of refusals."""
    settings = services.settings
    guards = [only_with_secret(settings.listeners.check_secret)] if settings.listeners.check_secret else []
    app = _app(services, "check", guards, records=False)
    app.add_routes(
        CheckEndpoint(
            services.directory,
            services.authorisation,
            services.recorder,
            services.sources.monotonic,
            _why_absent(services),
        ).routes()
    )
    app.add_routes(RefusedEndpoint(services.refusal).routes())
    return app


def admin_app(services: Services) -> web.Application:
    """For operators: one guard before everything. Raises ValueError when there is no admin token."""
    guard = only_operators(services.settings.admin_token, services.sources.monotonic, services.recorder)
    app = _app(services, "admin", [guard])
    operators = services.operators
    tokens = InitialAccessTokensResource(services.initial_access, operators.pools, services.settings.dcr == "token")
    app.add_routes(admin_routes([*resources(operators), tokens]))
    return app


def ops_app(services: Services, draining: Callable[[], bool]) -> web.Application:
    app = _app(services, "ops")
    app.add_routes(OpsEndpoint(services.adapters.store, services.adapters.telemetry.registry, draining).routes())
    return app


def _why_absent(services: Services) -> WhyAbsent:
    return Absence(services.pools, services.pool_registration.status).why


def _app(
    services: Services,
    listener: str,
    guards: Iterable[Middleware] = (),
    *,
    error_page: ErrorPage | None = None,
    records: bool = True,
) -> web.Application:
    sources = services.sources
    edge = Edge(listener, services.recorder, sources.entropy, sources.monotonic, error_page, records)
    return web.Application(middlewares=[edge.middleware(), *guards], client_max_size=BODY_LIMIT)

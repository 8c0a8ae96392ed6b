"""/livez, /readyz and /metrics, on a listener of their own."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from sidecar.handlers.middleware import json_response
from sidecar.store.base import Health, StoreError


@dataclass(frozen=True, slots=True)
class OpsEndpoint:
    store: Health
    registry: CollectorRegistry
    draining: Callable[[], bool]

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/livez", self.live), web.get("/readyz", self.ready), web.get("/metrics", self.metrics)]

    async def live(self, _request: web.Request) -> web.Response:
        """Whether this process answers at all; a broken store does not get better by restarting us."""
        return json_response({"status": "live"})

    async def ready(self, _request: web.Request) -> web.Response:
        if self.draining():
            return json_response({"status": "draining"}, status=503)
        try:
            await self.store.ping()
        except StoreError as error:
            return json_response({"status": "store does not answer", "detail": str(error)}, status=503)
        return json_response({"status": "ready"})

    async def metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self.registry), headers={"Content-Type": content_type})

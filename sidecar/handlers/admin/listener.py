"""All resources as the routes of one listener, and the document that describes them."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sidecar.handlers.admin.openapi import document
from sidecar.handlers.admin.operations import Operation, Resource, route
from sidecar.handlers.middleware import json_response

DOCUMENT = "/admin/openapi.json"


def operations_of(resources: Iterable[Resource]) -> tuple[Operation[Any], ...]:
    return tuple(operation for resource in resources for operation in resource.operations())


def admin_routes(resources: Iterable[Resource]) -> list[web.RouteDef]:
    operations = operations_of(resources)
    described = document(operations)

    async def openapi(_request: web.Request) -> web.Response:
        return json_response(described)

    return [web.get(DOCUMENT, openapi, allow_head=False), *(route(operation) for operation in operations)]

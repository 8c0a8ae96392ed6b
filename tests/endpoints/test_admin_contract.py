"""The admin API does what its own document says: generated calls, right and wrong, against the running listener."""

import asyncio
from dataclasses import replace

import hypothesis
import pytest
import schemathesis
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from sidecar.app import admin_app
from sidecar.app.serving import HTTP
from sidecar.events import UnexpectedError
from tests.endpoints.admin import TOKEN, operators
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, tokens_for

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
SETTINGS = hypothesis.settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def settings(settings):
    return replace(settings, admin_token=TOKEN)


def converse(document, base_url):
    """Every operation, with data that fits its schema and data that does not. Raises what does not conform."""
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        for mode in GenerationMode:
            strategy = operation.as_strategy(generation_mode=mode)

            @SETTINGS
            @hypothesis.given(case=strategy)
            def one(case):
                headers = {**(case.headers or {}), "Authorization": f"Bearer {TOKEN}"}
                case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS, timeout=20)

            one()


async def test_every_operation_conforms_to_the_document(face: Face):
    await tokens_for(face, await face.register(client_name="Editor", **PUBLIC))
    async with operators(face) as admin:
        document = await admin.get("/openapi.json")
    server = TestServer(admin_app(face.services), host="127.0.0.1")
    await server.start_server(**HTTP)
    try:
        await asyncio.to_thread(converse, document, str(server.make_url("/")).rstrip("/"))
    finally:
        await server.close()
    assert face.events_of(UnexpectedError) == []


async def test_the_document_names_every_route_and_no_other(face: Face):
    app = admin_app(face.services)
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical != "/admin/openapi.json"
    }
    async with operators(face) as admin:
        document = await admin.get("/openapi.json")
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == served
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(set(names)) == len(names)
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"token": []}]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"400", "401", "429", "503"} <= set(operation["responses"])


async def test_a_target_that_is_no_plain_path_is_refused(face: Face):
    """The router makes a path of it; what stands in the path is read from the bytes."""
    server = TestServer(admin_app(face.services), host="127.0.0.1")
    await server.start_server(**HTTP)
    try:
        for target in ("http://x/admin/clients/abc", "/admin/clients/abc#a/b"):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            writer.write(head.encode())
            assert (await reader.read()).split()[1] in {b"400", b"404"}, target
            writer.close()
            await writer.wait_closed()
    finally:
        await server.close()
    assert face.events_of(UnexpectedError) == []

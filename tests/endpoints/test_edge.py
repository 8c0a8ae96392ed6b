"""What surrounds every endpoint: whatever is raised below, what the wire and the log get to see of it."""

import json
import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from sidecar import events
from sidecar.app.serving import HTTP
from sidecar.events import RequestServed, UnexpectedError
from sidecar.handlers.middleware import Edge, json_response, new_reference, read_body
from sidecar.oauth.errors import AccessDenied, AuthorizationError, InvalidGrant, OAuthError
from sidecar.store.base import StoreError
from sidecar.upstream.base import UpstreamMalformed, UpstreamUnavailable
from tests.fakes.entropy import SeededEntropy


def page(error: OAuthError, reference: str) -> web.Response:
    return web.Response(text=f"<p>{error.code} {reference}", status=error.status, content_type="text/html")


class Bench:
    """One app whose /token, /authorize and /other raise what a test wants raised."""

    def __init__(self, *, records=True):
        self.events = []
        self.failure: Exception | None = None
        self.seen = ""
        ticks = iter(range(100))
        edge = Edge("oauth", self.events.append, SeededEntropy(), lambda: float(next(ticks)), page, records)
        self.app = web.Application(middlewares=[edge.middleware()])
        for path in ("/token", "/authorize", "/other"):
            self.app.router.add_route("*", path, self.handle)

    async def handle(self, request):
        self.seen = events.reference.get()
        if self.failure is not None:
            raise self.failure
        return json_response({"read": len(await read_body(request, "application/x-www-form-urlencoded"))})

    @asynccontextmanager
    async def client(self):
        server = TestServer(self.app, host="127.0.0.1")
        await server.start_server(**HTTP)
        async with TestClient(server) as client:
            yield client

    async def ask(self, path="/token", failure=None):
        self.failure = failure
        async with self.client() as client:
            response = await client.post(path, data={"a": "b"}, allow_redirects=False)
            await response.read()
            return response


@pytest.mark.req(128, 136)
@pytest.mark.parametrize(
    ("failure", "status", "error", "retry_after"),
    [
        pytest.param(InvalidGrant(reason="canary"), 400, "invalid_grant", None, id="oauth"),
        pytest.param(StoreError("canary"), 503, "temporarily_unavailable", "2", id="store"),
        pytest.param(UpstreamMalformed("canary"), 503, "temporarily_unavailable", "5", id="upstream"),
        pytest.param(
            UpstreamUnavailable("canary", retry_after=7), 503, "temporarily_unavailable", "7", id="upstream-says-when"
        ),
        pytest.param(web.HTTPNotFound(text="canary"), 404, "not_found", None, id="aiohttp"),
        pytest.param(web.HTTPConflict(text="canary"), 400, "invalid_request", None, id="aiohttp-other"),
        pytest.param(ValueError("canary"), 500, "server_error", None, id="defect"),
        pytest.param(RecursionError("canary"), 500, "server_error", None, id="recursion"),
        pytest.param(AuthorizationError(InvalidGrant(reason="canary")), 400, None, None, id="page"),
    ],
)
async def test_every_failure_has_one_form_and_its_text_stays_inside(failure, status, error, retry_after):
    bench = Bench()
    response = await bench.ask(failure=failure)
    assert response.status == status
    assert "canary" not in await response.text()
    assert response.headers.get("Retry-After") == retry_after
    if error:
        assert (await response.json())["error"] == error
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.req(192)
async def test_a_defect_is_reported_with_its_place_and_without_its_message():
    bench = Bench()
    await bench.ask(failure=KeyError("canary-secret"))
    (event,) = [event for event in bench.events if isinstance(event, UnexpectedError)]
    assert event.kind == "KeyError"
    assert event.frames[-1].startswith("test_edge.py:")
    assert "canary" not in repr(bench.events)


@pytest.mark.req(86)
@pytest.mark.parametrize("failure", [StoreError("canary"), ValueError("canary"), AccessDenied()])
async def test_where_people_look_an_error_is_a_page(failure):
    response = await Bench().ask("/authorize", failure)
    assert response.content_type == "text/html"
    assert response.headers["x-dcr-reference"] in await response.text()


@pytest.mark.req(111)
async def test_an_error_for_the_client_is_a_303_to_it():
    target = "https://client.example/cb?error=access_denied"
    response = await Bench().ask("/authorize", AuthorizationError(AccessDenied(), redirect_to=target))
    assert (response.status, response.headers["Location"]) == (303, target)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Length"] == "0"


async def test_page_log_and_header_carry_the_same_reference():
    bench = Bench()
    response = await bench.ask("/authorize", AccessDenied())
    assert bench.seen == response.headers["x-dcr-reference"]
    assert bench.seen in await response.text()
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{10}", bench.seen)


def test_references_differ():
    entropy = SeededEntropy()
    assert len({new_reference(entropy) for _ in range(200)}) == 200


async def test_a_handler_may_name_a_reference_that_is_known_better():
    bench = Bench()

    async def known(_request):
        events.reference.set("sign-in-1")
        return web.Response()

    async def unprintable(_request):
        events.reference.set("a\nb\udcff")
        return web.Response()

    bench.app.router.add_get("/known", known)
    bench.app.router.add_get("/unprintable", unprintable)
    async with bench.client() as client:
        assert (await client.get("/known")).headers["x-dcr-reference"] == "sign-in-1"
        assert len((await client.get("/unprintable")).headers["x-dcr-reference"]) == 10


async def test_a_request_is_one_event_with_its_route_and_not_its_path():
    bench = Bench()
    async with bench.client() as client:
        await client.post("/token?code=canary", data={"a": "b"})
        await client.get("/canary")
    assert bench.events == [
        RequestServed(listener="oauth", method="POST", route="/token", status=200, seconds=1.0),
        RequestServed(
            listener="oauth",
            method="GET",
            route="unknown",
            status=404,
            seconds=1.0,
            error="not_found",
            detail="Nothing is served here.",
        ),
    ]


async def test_a_listener_may_leave_its_requests_unrecorded():
    """The check's does: a decision is an event of its own. What failed before there was one is on record."""
    bench = Bench(records=False)
    await bench.ask()
    assert bench.events == []
    await bench.ask(failure=InvalidGrant(reason="before any decision"))
    (event,) = bench.events
    assert (event.name, event.detail) == ("request", "before any decision")


async def test_a_context_that_is_used_again_forgets_whose_sign_in_it_was_about():
    edge = Edge("oauth", [].append, SeededEntropy(), lambda: 0.0)
    seen = []

    async def handle(_request):
        seen.append(events.sign_in.get())
        events.sign_in.set("of the first request")
        return web.Response()

    for _ in range(2):
        await edge.serve(make_mocked_request("GET", "/token"), handle)
    assert seen == ["", ""]


async def test_no_answer_names_the_library_versions():
    response = await Bench().ask()
    assert response.headers["Server"] == "dcr-sidecar"
    assert json.dumps(await response.json())

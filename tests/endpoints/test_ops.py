"""/livez, /readyz and /metrics, and the life of the listeners around them."""

import asyncio
import io
import json
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from sidecar.app import Shutdown, StartError, check_app, ops_app, serve
from sidecar.app.serving import Listener, listening
from sidecar.settings.model import Bind, Listeners
from sidecar.store.base import StoreError
from tests.endpoints.conftest import Face


class DeadStore:
    SAYS = "the store cannot be reached"

    async def ping(self):
        raise StoreError(self.SAYS)


@asynccontextmanager
async def ops_of(face: Face, *, store=None, draining=False):
    adapters = replace(face.services.adapters, store=store or face.services.adapters.store)
    app = ops_app(replace(face.services, adapters=adapters), lambda: draining)
    async with TestClient(TestServer(app, host="127.0.0.1")) as client:
        yield client


@pytest.mark.parametrize(
    ("switches", "live", "ready"),
    [
        pytest.param({}, 200, 200, id="well"),
        pytest.param({"store": DeadStore()}, 200, 503, id="store-down-is-not-dead"),
        pytest.param({"draining": True}, 200, 503, id="draining"),
    ],
)
async def test_live_and_ready_are_two_questions(face: Face, switches, live, ready):
    async with ops_of(face, **switches) as ops:
        assert (await ops.get("/livez")).status == live
        answer = await ops.get("/readyz")
        assert answer.status == ready
        # The store's own words: the adapter has a fixed few, and no value stands in them.
        assert (await answer.json()).get("detail") == (DeadStore.SAYS if "store" in switches else None)


async def test_ready_recovers_with_the_store(face: Face):
    async with ops_of(face, store=DeadStore()) as ops:
        assert (await ops.get("/readyz")).status == 503
    async with ops_of(face) as ops:
        assert (await ops.get("/readyz")).status == 200


@pytest.mark.req(192)
async def test_metrics_have_our_prefix_and_labels_that_no_caller_chose(face: Face):
    """Threats AD-03: neither names nor paths nor error texts become series."""
    await face.register(client_name="canary-name")
    await face.get("/canary-path")
    await face.request("PROPFIND", "/register")
    await face.post_json("/register", {"redirect_uris": ["canary:uri"]})
    await face.post_form("/token", {"grant_type": "canary-grant"})
    async with ops_of(face) as ops:
        text = await (await ops.get("/metrics")).text()
    assert "canary" not in text.lower()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families
    assert not [name for name in families if not name.startswith("dcr_sidecar_")]
    assert 'dcr_sidecar_registrations_total{kind="sealed",outcome="registered",pool="corp"} 1.0' in text
    assert 'dcr_sidecar_registrations_total{kind="",outcome="invalid_redirect_uri",pool="corp"} 1.0' in text
    assert 'method="other",route="unknown",status="405"' in text


async def test_metrics_of_two_apps_do_not_mix(face: Face):
    await face.register()
    async with face.replica() as other, ops_of(other) as ops:
        assert 'outcome="registered"' not in await (await ops.get("/metrics")).text()


async def test_nothing_of_operations_is_on_the_public_listener(face: Face):
    for path in ("/metrics", "/livez", "/readyz", "/admin/pools", "/check", "/check/mcp"):
        assert (await face.get(path)).status == 404, path


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/metrics", "/livez", "/token", "/register", "/.well-known/oauth-authorization-server"]
)
async def test_the_check_listener_decides_and_does_nothing_else(face: Face, path, method):
    """Threats EX-11: whatever the path is called, it is a question about that path at that host."""
    async with TestClient(TestServer(check_app(face.services), host="127.0.0.1")) as check:
        for target in (path, f"/check{path}"):
            answer = await check.request(method, target, headers={"Host": "mcp.example.com"})
            assert answer.status in {401, 404}, target


async def test_a_check_needs_the_secret_where_one_is_configured(face: Face):
    """Off loopback its answers hold upstream tokens for whoever can ask (design 5)."""
    secret = "s" * 16 + "ecret" * 4
    listeners = replace(face.services.settings.listeners, check_secret=secret)
    services = replace(face.services, settings=replace(face.services.settings, listeners=listeners))
    async with TestClient(TestServer(check_app(services), host="127.0.0.1")) as check:
        host = {"Host": "mcp.example.com"}
        for headers, status in [
            ({}, 503),
            ({"x-dcr-check-secret": "wrong"}, 503),
            ({"x-dcr-check-secret": ""}, 503),
            ({"x-dcr-check-secret": secret}, 401),
        ]:
            assert (await check.get("/check/mcp", headers=host | headers)).status == status, headers


# The life of the listeners -------------------------------------------------------------------------------------------


def binds(folder) -> Listeners:
    return Listeners(*(Bind(unix=str(folder / name)) for name in ("oauth", "check", "admin", "ops")))


@asynccontextmanager
async def over(path):
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
        yield session


@asynccontextmanager
async def serving(settings, **more):
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(settings, ready=ready, stop=stop, **more))
    await asyncio.wait([task, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield stop
    finally:
        stop.set()
        await task


async def test_every_listener_serves_its_own_while_the_store_is_down(settings, tmp_path):
    """Alive, not ready, documents served; /register says 503 with Retry-After (design 11)."""
    log = io.StringIO()
    async with serving(replace(settings, listeners=binds(tmp_path)), stream=log):
        async with over(tmp_path / "ops") as ops:
            assert (await ops.get("http://x/livez")).status == 200
            assert (await ops.get("http://x/readyz")).status == 503
            assert (await ops.get("http://x/register")).status == 404
        async with over(tmp_path / "oauth") as oauth:
            host = {"Host": "mcp.example.com"}
            found = await oauth.get("http://x/.well-known/oauth-authorization-server", headers=host)
            assert found.status == 200
            body = {"redirect_uris": ["http://127.0.0.1/cb"]}
            refused = await oauth.post("http://x/register", headers=host, json=body)
            assert (refused.status, (await refused.json())["error"]) == (503, "temporarily_unavailable")
            assert int(refused.headers["Retry-After"]) > 0
            for path in ("token", "revoke"):
                fields = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x", "client_id": "x"}
                refused = await oauth.post(f"http://x/{path}", headers=host, data=fields)
                assert (refused.status, (await refused.json())["error"]) == (503, "temporarily_unavailable"), path
        async with over(tmp_path / "check") as check:
            assert (await check.get("http://x/check/mcp", headers={"Host": "mcp.example.com"})).status == 401
        assert not (tmp_path / "admin").exists()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines if line["event"] in {"starting", "listening", "stopping", "stopped"}] == [
        "starting",
        *["listening"] * 3,
        "stopping",
        "stopped",
    ]


async def test_sockets_are_closed_to_other_users(settings, tmp_path):
    async with serving(replace(settings, listeners=binds(tmp_path)), stream=io.StringIO()):
        assert (tmp_path / "check").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(settings, tmp_path, number):
    ready = asyncio.Event()
    task = asyncio.create_task(serve(replace(settings, listeners=binds(tmp_path)), ready=ready, stream=io.StringIO()))
    await ready.wait()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(10):
        await task


async def test_while_draining_it_serves_but_is_not_ready(settings, tmp_path):
    async with serving(
        replace(settings, listeners=binds(tmp_path)), shutdown=Shutdown(drain_seconds=0.5), stream=io.StringIO()
    ) as stop:
        stop.set()
        async with over(tmp_path / "ops") as ops:
            assert (await (await ops.get("http://x/readyz")).json())["status"] == "draining"
        async with over(tmp_path / "oauth") as oauth:
            answer = await oauth.get("http://x/nothing")
            assert (answer.status, answer.headers["Connection"]) == (404, "close")


async def test_a_request_under_way_is_finished_and_a_new_one_is_not_taken(tmp_path):
    """Threats PR-01."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request):
        entered.set()
        await go_on.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/slow", slow)
    path = tmp_path / "s"
    up, leave = asyncio.Event(), asyncio.Event()

    async def live():
        async with listening([Listener("oauth", Bind(unix=str(path)), app)], Shutdown(finish_seconds=10)):
            up.set()
            await leave.wait()

    life = asyncio.create_task(live())
    await up.wait()
    async with over(path) as session:
        under_way = asyncio.create_task(session.get("http://x/slow"))
        await entered.wait()
        leave.set()
        for _ in range(20):  # turns of the loop: enough to stop listening, and no request ends by itself
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_unix_connection(path)
        assert not life.done()
        go_on.set()
        assert await (await under_way).text() == "done"
    await life


async def test_a_port_that_is_taken_is_named_with_its_key(settings, tmp_path):
    taken = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        listeners = replace(binds(tmp_path), check=Bind("127.0.0.1", port))
        with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*listeners\.check"):
            await serve(replace(settings, listeners=listeners), stop=asyncio.Event(), stream=io.StringIO())
        async with over(tmp_path / "ops") as ops:
            with pytest.raises(aiohttp.ClientConnectorError):
                await ops.get("http://x/livez")


async def test_a_socket_path_that_cannot_be_is_refused(settings, tmp_path):
    listeners = replace(binds(tmp_path), oauth=Bind(unix=str(tmp_path / "none" / "s")))
    with pytest.raises(StartError, match=r"listeners\.oauth"):
        await serve(replace(settings, listeners=listeners), stop=asyncio.Event(), stream=io.StringIO())


async def test_a_socket_that_somebody_serves_is_not_taken_over(settings, tmp_path):
    mine = replace(settings, listeners=binds(tmp_path))
    async with serving(mine, stream=io.StringIO()):
        with pytest.raises(StartError, match="another process does"):
            await serve(mine, stop=asyncio.Event(), stream=io.StringIO())
        async with over(tmp_path / "ops") as ops:
            assert (await ops.get("http://x/livez")).status == 200


async def test_a_socket_left_behind_is_replaced(settings, tmp_path):
    mine = replace(settings, listeners=binds(tmp_path))
    for _ in range(2):
        async with serving(mine, stream=io.StringIO()), over(tmp_path / "ops") as ops:
            assert (await ops.get("http://x/livez")).status == 200

"""Streams pass unbuffered and end in time; HTTP/2 and TLS in front; our parts inside a foreign Envoy."""

import asyncio
import ssl
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sidecar.directory import Directory, Issuer, Server
from sidecar.envoy_config import Address, fragment
from sidecar.envoy_config.clusters import OAUTH_CONNECTIONS
from sidecar.envoy_config.typed import NO_CHECK, typed
from tests.fakes.edge import GOOD, HOST, Backend, Edge, origin_answer, running_edge
from tests.fakes.envoy import free_port, running_envoy


class _Stream:
    """An MCP server's event stream: one event at once, one when it is told to."""

    def __init__(self) -> None:
        self.more = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "x-accel-buffering": "no"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await self.more.wait()
        await response.write(b"data: second\n\n")
        await response.write_eof()
        return response


@pytest.mark.req(189)
async def test_an_event_arrives_before_the_stream_ends(edge: Edge):
    edge.origin.answer = stream = _Stream()
    async with edge.request("GET", "/mcp", headers={**GOOD, "accept": "text/event-stream"}) as answer:
        async with asyncio.timeout(5):
            assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
            stream.more.set()
            assert await answer.content.read() == b"data: second\n\n"
        assert answer.headers["x-accel-buffering"] == "no"


async def test_a_stream_ends_when_its_time_is_over():
    async with running_edge(stream_seconds=1) as edge:
        edge.origin.answer = stream = _Stream()
        async with asyncio.timeout(5), edge.request("GET", "/mcp", headers=GOOD) as answer:
            assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
        stream.more.set()


async def test_a_large_body_waits_for_the_decision_and_arrives_whole(edge: Edge):
    decided = asyncio.Event()
    allow = edge.check.answer

    async def slowly(request: web.BaseRequest) -> web.StreamResponse:
        await decided.wait()
        return await allow(request)

    async def call() -> int:
        async with edge.request("POST", "/mcp", headers=GOOD, data=large) as answer:
            return answer.status

    edge.check.answer = slowly
    large = b"x" * 1_000_000
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        calling = group.create_task(call())
        await edge.check.reached(1)
        assert edge.origin.seen == []
        decided.set()
    assert calling.result() == 200
    assert edge.origin.seen[0].body == large


def _proxy(port: int, target: int, protocol: str) -> dict[str, Any]:
    """A plain Envoy in front, which speaks `protocol` (an option of Envoy's) to ours."""
    options = typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={f"{protocol}_protocol_options": {}}
    )
    cluster = {
        "name": "ours",
        "load_assignment": {
            "cluster_name": "ours",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _local(target)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "ours"}}]}]
    return {"static_resources": {"listeners": [_listener(port, hosts, [])], "clusters": [cluster]}}


def _local(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(port: int, hosts: list[Any], filters: list[Any], **settings: Any) -> dict[str, Any]:
    router = {"name": "router", "typed_config": typed("extensions.filters.http.router.v3.Router")}
    manager = {
        "stat_prefix": "foreign",
        "route_config": {"name": "foreign", "virtual_hosts": hosts},
        "http_filters": [*filters, router],
        **settings,
    }
    message = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    chain = {"filters": [{"name": "manager", "typed_config": typed(message, **manager)}]}
    return {"name": "foreign", "address": _local(port), "filter_chains": [chain]}


@pytest.mark.parametrize("protocol", ["http", "http2"])
async def test_the_same_holds_behind_a_proxy_that_speaks_either_http(protocol):
    port = free_port()
    async with running_edge(trusted_hops=1) as edge, running_envoy(_proxy(port, edge.plan.listen.port, protocol)):
        front = replace(edge, plan=replace(edge.plan, listen=Address("127.0.0.1", port)))
        async with front.request("POST", "/mcp", headers={**GOOD, "x-dcr-user": "mallory"}, data=b"{}") as answer:
            assert answer.status == 200
        async with front.request("GET", "/mcp") as answer:
            assert (answer.status, "www-authenticate" in answer.headers) == (401, True)
        async with front.request("GET", "/mcp%2fa", headers=GOOD) as answer:
            assert answer.status == 400
        edge.origin.answer = stream = _Stream()
        async with front.request("GET", "/mcp", headers=GOOD) as answer, asyncio.timeout(5):
            assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
            stream.more.set()
            assert await answer.content.read() == b"data: second\n\n"
        assert [seen.value("x-dcr-user") for seen in edge.origin.seen] == ["alice", "alice"]
        assert (await edge.envoy.logged(status=200))["protocol"] == ("HTTP/2" if protocol == "http2" else "HTTP/1.1")


async def test_tls_is_served_with_the_given_certificate(certificate):
    trust = ssl.create_default_context(cafile=str(certificate.cert))
    async with running_edge(tls_cert=str(certificate.cert), tls_key=str(certificate.key)) as edge:
        url = edge.base.replace("http://", "https://") + "/mcp"
        asked = edge.session.get(url, headers={"host": HOST, **GOOD}, ssl=trust, server_hostname=HOST)
        async with asked as answer:
            assert answer.status == 200
        assert edge.origin.seen[0].value("x-forwarded-proto") == "https"


@pytest.mark.parametrize(
    ("name", "status"),
    [pytest.param("localhost", 200, id="named"), pytest.param("127.0.0.1", 503, id="not named in the certificate")],
)
async def test_an_https_origin_is_verified(certificate, name, status):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    async with Backend(origin_answer).running(tls=context) as origin:
        url = f"https://{HOST}"
        server = Server("notes", f"{url}/mcp", f"https://{name}:{origin.port}", url, "corp")
        changes = {"directory": Directory((server,), (Issuer(url, "corp"),)), "origin_ca_file": str(certificate.cert)}
        async with running_edge(**changes) as edge, edge.request("GET", "/mcp", headers=GOOD) as answer:
            assert answer.status == status
    assert [seen.value("host") for seen in origin.seen] == [f"localhost:{origin.port}"] * (status == 200)


async def test_the_fragment_guards_its_hosts_inside_a_foreign_envoy():
    """Merged as envoy/README.md says: a host of the foreign Envoy opts out, ours cannot be passed."""
    site = {
        "name": "site",
        "domains": ["site.example.com"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "site"}}}],
        "typed_per_filter_config": NO_CHECK,
    }
    careless = {**site, "name": "careless", "domains": ["careless.example.com"], "typed_per_filter_config": {}}
    async with running_edge() as edge:
        ours, port = fragment(edge.plan), free_port()
        listener = _listener(
            port, [site, careless, *ours["virtual_hosts"]], ours["http_filters"], **ours["http_connection_manager"]
        )
        async with running_envoy({"static_resources": {"listeners": [listener], "clusters": ours["clusters"]}}):
            foreign = replace(edge, plan=replace(edge.plan, listen=Address("127.0.0.1", port)))
            for host, headers, status in (
                ("site.example.com", {}, 200),
                ("careless.example.com", {}, 401),
                (HOST, {}, 401),
                (HOST, GOOD, 200),
                ("unknown.example.com", GOOD, 404),
            ):
                async with foreign.request("GET", "/mcp", host=host, headers=headers) as answer:
                    assert (host, answer.status) == (host, status)
        assert [seen.value("x-dcr-user") for seen in edge.origin.seen] == ["alice"]


async def test_slow_senders_hold_no_connection_to_the_oauth_listener(edge: Edge):
    """More half-sent bodies than the oauth cluster may have connections: sign-in goes on."""
    head = f"POST /token HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    writers = []
    try:
        for _ in range(OAUTH_CONNECTIONS + 50):
            _, writer = await asyncio.open_connection("127.0.0.1", edge.plan.listen.port)
            writer.write((head + "Content-Length: 1000\r\n\r\ngrant_type=").encode())
            writers.append(writer)
        await asyncio.gather(*(writer.drain() for writer in writers))
        async with asyncio.timeout(5), edge.request("GET", "/.well-known/oauth-authorization-server") as answer:
            assert answer.status == 200
        assert [seen.path for seen in edge.oauth.seen] == ["/.well-known/oauth-authorization-server"]
    finally:
        for writer in writers:
            writer.close()


async def test_a_sign_in_body_over_the_limit_is_413_and_an_mcp_body_is_not(edge: Edge):
    body = b"x" * 300_000
    async with edge.request("POST", "/token", data=body) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["error"]
    async with edge.request("POST", "/mcp", headers=GOOD, data=body) as answer:
        assert answer.status == 200
    assert len(edge.origin.seen[-1].body) == len(body)

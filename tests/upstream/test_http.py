"""One bounded call: what a far end cannot do to us, and what we say about it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.upstream.answers import Answer
from sidecar.upstream.base import (
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamRefused,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from sidecar.upstream.client import Opened
from sidecar.upstream.http import Http, Route, open_http
from sidecar.upstream.messages import Request
from tests.fakes.clock import FakeClock
from tests.fakes.idp import FakeIdp, Fault
from tests.upstream.certificates import private_tls
from tests.upstream.conftest import FakeMonotonic
from tests.upstream.driver import Driver
from tests.upstream.servers import Origin, RawServer

ROUTE = Route("oidc")


@pytest.fixture
async def http(monotonic: FakeMonotonic, events: list) -> AsyncIterator[Http]:
    async with open_http(events.append, monotonic, total_seconds=1.0) as http:
        yield http


def same(answer: Answer) -> Answer:
    return answer


async def call(http: Http, request: Request, judge=same, *, route: Route = ROUTE, limit: int = 1000, seconds=None):
    return await http.call(request, judge, route=route, operation="jwks", limit=limit, seconds=seconds)


async def test_a_call_says_little_about_us(http: Http, raw: RawServer):
    """No cookie, no accepted compression, no library version."""
    raw.answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\nContent-Type: TEXT/Plain; charset=x\r\n\r\nok"
    )
    first = await call(http, Request("GET", raw.url))
    await call(http, Request("GET", raw.url))

    assert first == Answer(200, "text/plain", b"ok")
    head = raw.received[1].lower()
    assert b"accept-encoding: identity" in head
    assert b"user-agent: dcr-sidecar\r\n" in head
    assert b"cookie" not in head


@pytest.mark.req(36)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, id="declared"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
            id="chunked",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, id="until-close"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", id="gzip"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nxx", id="brotli"),
    ],
)
async def test_bombs_are_not_read(http: Http, raw: RawServer, answer: bytes):
    """Threat MD-04, UP-04."""
    raw.answer = answer
    with pytest.raises(UpstreamMalformed):
        await call(http, Request("POST", raw.url, {}, b"a=b"))


@pytest.mark.parametrize(
    ("answer", "hold"),
    [
        pytest.param(b"", False, id="closed"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", False, id="cut-off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ndrip", True, id="too-slow"),
        pytest.param(b"", True, id="silent"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", False, id="not-http"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", False, id="huge-header"),
    ],
)
async def test_only_a_post_that_may_have_arrived_leaves_us_not_knowing(http: Http, raw: RawServer, answer, hold):
    raw.answer, raw.hold = answer, hold
    with pytest.raises(UpstreamUnknown):
        await call(http, Request("POST", raw.url, {}, b"a=b"), seconds=0.3)
    with pytest.raises(UpstreamUnavailable):
        await call(http, Request("GET", raw.url), seconds=0.3)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("http://127.0.0.1:1/", UpstreamUnavailable, id="refused"),
        pytest.param("http://no-such-host.invalid/", UpstreamUnavailable, id="no-such-host"),
        pytest.param("ftp://127.0.0.1/", UpstreamMisconfigured, id="not-http"),
        pytest.param("/relative", UpstreamMisconfigured, id="relative"),
    ],
)
async def test_what_was_never_sent_changed_nothing(http: Http, url: str, expected):
    with pytest.raises(expected):
        await call(http, Request("POST", url, {}, b"a=b"))


async def test_every_call_has_its_own_connection(http: Http, idp: FakeIdp):
    """A kept connection that the far end closes would look like a request that may have been carried out."""
    for _ in range(2):
        await call(http, Request("GET", f"{idp.url}/jwks"))
    assert [seen.headers.get("Connection") for seen in idp.seen("jwks")] == ["close", "close"]


async def test_the_environments_proxy_is_not_used(http: Http, idp: FakeIdp, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await call(http, Request("GET", f"{idp.url}/jwks"))).status == 200


async def test_a_pools_proxy_is_used_and_its_failure_means_not_reached(http: Http, idp: FakeIdp, raw: RawServer):
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    route = Route("oidc", proxy=raw.url)
    await call(http, Request("GET", f"{idp.url}/jwks"), route=route)
    assert raw.received[0].startswith(f"GET {idp.url}/jwks HTTP/1.1".encode())

    with pytest.raises(UpstreamUnavailable):
        await call(
            http, Request("POST", f"{idp.url}/token", {}, b"a=b"), route=Route("oidc", proxy="http://127.0.0.1:1")
        )
    assert "proxy" not in repr(Route("oidc", proxy="http://user:secret@proxy.example"))


async def test_a_private_ca_is_trusted_where_it_is_configured(clock: FakeClock, opened: Opened, tmp_path: Path):
    tls, ca_file = private_tls(tmp_path)
    async with FakeIdp.running(tls=tls, clock=clock) as idp:
        url = await Driver(opened.upstream).authorization_url(idp.pool(ca=ca_file.read_text()))
        assert url.startswith(f"{idp.issuer}/authorize?")

        with pytest.raises(UpstreamUnavailable):
            await opened.upstream.authorization_url(idp.pool(), redirect_uri="r", state="s", nonce="n", challenge="c")


@pytest.mark.parametrize("ca", ["not a certificate", "n\N{LATIN SMALL LETTER O WITH STROKE}t one"])
async def test_a_ca_that_is_none_is_our_misconfiguration(http: Http, ca: str):
    with pytest.raises(UpstreamMisconfigured):
        await call(http, Request("GET", "https://127.0.0.1:1/"), route=Route("oidc", ca=ca))


async def test_the_event_tells_what_the_judge_said_and_how_long_it_took(
    http: Http, idp: FakeIdp, monotonic: FakeMonotonic, calls
):
    def judge(_answer: Answer) -> None:
        monotonic.advance(1.5)
        raise UpstreamRefused("invalid_grant")

    with pytest.raises(UpstreamRefused):
        await call(http, Request("GET", f"{idp.url}/jwks"), judge)
    assert [(each.provider, each.outcome, each.detail, each.seconds) for each in calls] == [
        ("oidc", "refused", "invalid_grant", 1.5)
    ]


async def test_a_cancelled_call_is_recorded_as_unknown(http: Http, idp: FakeIdp, calls):
    release = asyncio.Event()
    idp.fail("jwks", Fault(hold=release))
    task = asyncio.create_task(call(http, Request("GET", f"{idp.url}/jwks")))
    await idp.received.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    assert [(each.outcome, each.detail) for each in calls] == [("unknown", "cancelled")]


async def test_a_url_goes_out_as_it_was_given(http: Http):
    """Discovery documents name endpoints byte for byte; nothing is decoded or normalised on the way."""
    async with Origin.running() as origin:
        await call(http, Request("GET", f"{origin.url}/a%2Fb%7E/?p=%41+b"))
    assert origin.asked == ["/a%2Fb%7E/?p=%41+b"]

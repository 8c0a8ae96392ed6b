"""What is asked, in which order, and what is never done: limits, redirects, headers, private hosts."""

import json
from itertools import count

import pytest

from sidecar.probe import Options, probe
from sidecar.probe.fetch import MAX_REQUESTS
from tests.probe.fake import OAUTH, OPENID, PAGE, PRM, Fake, Reply
from tests.upstream.certificates import private_tls
from tests.upstream.servers import RawServer

RESULT = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}


def paths(fake: Fake) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in fake.asked]


def found(report) -> set[str]:
    return {one.id for one in report.findings}


async def test_the_order_is_the_clients(fake: Fake, probed):
    fake.challenge = f'Bearer resource_metadata="{fake.url}/prm"'
    fake.routes["GET /prm"] = Reply(body=fake.prm | {"authorization_servers": [f"{fake.url}/tenant"]})
    await probed()
    assert paths(fake) == [
        "POST /mcp",
        "GET /mcp",
        "GET /prm",
        f"GET {PRM}/mcp",
        f"GET {PRM}",
        f"GET {OAUTH}/tenant",
        f"GET {OPENID}/tenant",
        f"GET /tenant{OPENID}",
    ]


async def test_without_metadata_the_origin_is_asked_as_older_clients_do(fake: Fake, probed):
    fake.challenge = ""
    for place in (f"{PRM}/mcp", PRM, OAUTH):
        del fake.routes[f"GET {place}"]
    await probed()
    assert paths(fake)[4:] == [f"GET {OAUTH}", f"GET {OPENID}", "GET /register"]


async def test_nothing_is_posted_to_registration_unless_told(fake: Fake, probed):
    await probed(browser_origin=PAGE)
    assert "POST /register" not in paths(fake)
    await probed(active=True)
    (sent,) = (asked.body for asked in fake.asked if asked.path == "/register" and asked.method == "POST")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(sent)


async def test_a_registration_is_deleted_with_its_own_token(fake: Fake, probed):
    report = await probed(register=True)
    assert paths(fake)[-3:] == ["POST /register", "POST /register", "DELETE /register/c-1"]
    assert fake.asked[-1].headers["authorization"] == "Bearer fake-management-token"
    assert report.findings == ()


async def test_the_management_token_goes_to_nobody_else(fake: Fake, probed):
    async with Fake.running() as other:
        body = {"client_id": "c-1", "redirect_uris": ["http://127.0.0.1/"]}
        body |= {"registration_client_uri": f"{other.url}/c-1", "registration_access_token": "fake-management-token"}
        fake.routes["POST /register"] = Reply(201, body)
        assert "registration-left" in found(await probed(register=True))
        assert other.asked == []


async def test_own_headers_go_to_the_servers_origin_alone(fake: Fake, probed):
    async with Fake.running() as other:
        other.server["issuer"] = other.url
        fake.prm["authorization_servers"] = [other.url]
        await probed(headers={"X-Gateway": "fake-key"})
        assert other.asked
        assert {"x-gateway" in asked.headers for asked in other.asked} == {False}
        assert {asked.headers["x-gateway"] for asked in fake.asked} == {"fake-key"}


async def test_a_redirect_to_another_origin_is_not_followed(fake: Fake, probed):
    async with Fake.running() as other:
        fake.routes[f"GET {OAUTH}"] = Reply(302, headers={"Location": f"{other.url}{OAUTH}"})
        fake.routes["POST /mcp"] = Reply(307, headers={"Location": f"{other.url}/mcp"})
        report = await probed()
        assert {"redirect-other-origin", "mcp-moved"} <= found(report)
        assert other.asked == []


async def test_a_session_that_we_made_is_ended(fake: Fake, probed):
    fake.routes["POST /mcp"] = Reply(200, RESULT, {"Mcp-Session-Id": "s-1"})
    await probed()
    assert paths(fake)[:2] == ["POST /mcp", "DELETE /mcp"]
    assert fake.asked[1].headers["mcp-session-id"] == "s-1"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"jsonrpc":"2.0"}\n\n', id="stream"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: nothing yet\n\n", id="silent-stream"
        ),
    ],
)
async def test_a_stream_that_never_ends_does_not_hold_us(answer):
    async with RawServer.running() as server:
        server.answer, server.hold = answer, True
        report = await probe(Options(server.url, seconds=5))
    assert report.mode in {"none", "broken"}


async def test_a_redirect_loop_ends(fake: Fake, probed):
    fake.routes[f"GET {OAUTH}"] = Reply(302, headers={"Location": OAUTH})
    assert (await probed()).mode == "broken"
    assert paths(fake).count(f"GET {OAUTH}") == 4


async def test_requests_are_limited(fake: Fake, probed):
    fake.prm["authorization_servers"] = [f"{fake.url}/{name}" for name in "abcd"]
    for name in "abcd":
        for place in (f"{OAUTH}/{name}", f"{OPENID}/{name}", f"/{name}{OPENID}"):
            fake.routes[f"GET {place}"] = Reply(302, headers={"Location": place})
    report = await probed(browser_origin=PAGE)
    assert len(fake.asked) == MAX_REQUESTS
    assert not [path for path in paths(fake) if path.endswith("/d")], "three authorization servers are enough"
    assert "not-finished" in found(report)


async def test_time_is_limited(fake: Fake):
    clock = count(0, 20)
    report = await probe(Options(fake.mcp, seconds=30), monotonic=lambda: next(clock))
    (fault,) = (one for one in report.findings if one.id == "not-finished")
    assert fault.text == "the time was up"
    assert report.exit_code == 1


async def test_slow_answers_are_told(fake: Fake):
    clock = count(0, 4)
    report = await probe(Options(fake.mcp, seconds=1000), monotonic=lambda: next(clock))
    assert "slow-answer" in found(report)


async def test_a_server_that_is_down(probed):
    async with Fake.running() as gone:
        url = gone.mcp
    report = await probed(url)
    assert (report.mode, report.exit_code) == ("unreachable", 2)
    assert found(report) == {"no-answer"}


async def test_a_name_that_does_not_exist(probed):
    report = await probed("http://nobody.invalid/mcp")
    assert (report.mode, report.exit_code) == ("unreachable", 2)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [pytest.param("http", "connection refused", id="down"), pytest.param("https", "is it an http://", id="no TLS")],
)
async def test_why_nobody_answers_is_said_to_people(fake: Fake, probed, scheme: str, said: str):
    async with Fake.running() as gone:
        url = gone.mcp
    report = await probed(url if scheme == "http" else fake.mcp.replace("http:", "https:"))
    (fault,) = report.findings
    assert said in fault.text


async def test_something_that_is_not_http():
    async with RawServer.running() as server:
        server.answer = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
        report = await probe(Options(server.url, seconds=5))
    assert (report.mode, found(report)) == ("unreachable", {"no-answer"})


async def test_a_certificate_that_nobody_trusts(tmp_path):
    context, ca_file = private_tls(tmp_path)
    async with Fake.running(context) as fake:
        report = await probe(Options(fake.mcp))
        assert (report.mode, report.exit_code) == ("broken", 1)
        (fault,) = report.findings
        assert fault.id == "certificate"
        assert "self" in fault.text or "issuer" in fault.text
        trusting = await probe(Options(fake.mcp, ca_file=str(ca_file)))
        assert (trusting.mode, trusting.findings) == ("oauth-dcr", ())


async def test_http_in_the_metadata_of_an_https_server(tmp_path):
    context, ca_file = private_tls(tmp_path)
    async with Fake.running(context) as fake:
        fake.prm["resource"] = fake.mcp.replace("https:", "http:")
        fake.server["token_endpoint"] = fake.server["token_endpoint"].replace("https:", "http:")
        report = await probe(Options(fake.mcp, ca_file=str(ca_file)))
    assert {one.id for one in report.findings if one.level == "error"} == {"http-behind-https"}
    assert sum(one.id == "http-behind-https" for one in report.findings) == 3
    assert report.mode == "broken"


async def test_a_hostile_document_makes_no_endless_report(fake: Fake, probed):
    fake.server |= {f"{number}_supported": "x" * 1000 for number in range(100)}
    report = await probed()
    assert len(report.findings) == 10
    assert all(len(one.text) <= 400 for one in report.findings)


@pytest.mark.parametrize("body", [b"[" * 200_000, b"\xff\xfe", b'"text"', b"null"])
async def test_a_body_that_is_no_object_is_told(fake: Fake, probed, body):
    fake.routes[f"GET {OAUTH}"] = Reply(200, body, {}, "application/json")
    assert {"metadata-not-json", "as-missing"} <= found(await probed())

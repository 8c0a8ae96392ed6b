"""What only a public server can get wrong. Nothing is asked over the network: answers are made by hand."""

import json
from dataclasses import dataclass, field

import pytest

from sidecar.probe.exchange import Exchange, Purpose
from sidecar.probe.fetch import Fetcher
from sidecar.probe.report import Report
from sidecar.probe.seen import ResourceMetadata, Seen, ServerMetadata

URL = "https://mcp.example.com/mcp"
PRM = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"


def seen(url: str = URL, **prm) -> Seen:
    document = {"resource": url, "authorization_servers": ["https://login.example.com"], **prm}
    answer = Exchange(Purpose.RESOURCE, "GET", PRM, status=200, body=json.dumps(document).encode())
    server = ServerMetadata("https://login.example.com")
    return Seen(
        url, Exchange(Purpose.CALL, "POST", url, status=401), resource=ResourceMetadata((answer,)), servers=(server,)
    )


def ids(report: Report) -> set[str]:
    return {one.id for one in report.findings if one.level == "error"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost:9000",
        "127.0.0.1",
        "10.0.0.7",
        "192.168.1.2:8080",
        "[::1]",
        "[fd00::1]",
        "mcp",
        "auth.internal",
        "169.254.1.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "169.254.43518",
        "[64:ff9b::7f00:1]",
        "168.63.129.16",
    ],
)
def test_metadata_that_names_a_private_host(host):
    report = Report.of(seen(authorization_servers=[f"https://{host}"]))
    assert "private-host" in ids(report)
    assert report.mode == "broken"


@pytest.mark.parametrize("host", ["login.example.org", "8.8.8.8", "localhost.example.org"])
def test_public_hosts_are_no_finding(host):
    assert "private-host" not in ids(Report.of(seen(authorization_servers=[f"https://{host}"])))


def test_plain_http_in_public():
    assert "plain-http" in ids(Report.of(seen("http://mcp.example.com/mcp")))


def test_loopback_may_be_plain_http():
    assert "plain-http" not in ids(Report.of(seen("http://127.0.0.1:8080/mcp")))


@dataclass
class NoSession:
    """Stands where the network would be."""

    asked: list[str] = field(default_factory=list)

    def request(self, _method, url, **_options):
        self.asked.append(str(url))
        raise OSError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.7/x", "http://metadata.internal/x"]
)
async def test_a_public_server_sends_us_to_no_private_host(url):
    session = NoSession()
    fetcher = Fetcher(session, URL, {}, lambda: 0.0, 30.0)
    answer = await fetcher.get(Purpose.SERVER, url)
    assert (answer.failure, session.asked) == ("withheld", [])
    assert (await fetcher.get(Purpose.SERVER, "https://login.example.com/x")).failure == "connection"
    assert session.asked == ["https://login.example.com/x"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/", "//example.com/x", "https://", "https://a b/"]
)
async def test_only_web_addresses_are_asked(url):
    session = NoSession()
    answer = await Fetcher(session, URL, {}, lambda: 0.0, 30.0).get(Purpose.SERVER, url)
    assert (answer.failure, session.asked) == ("withheld", [])

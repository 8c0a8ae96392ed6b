"""`dcr-sidecar probe`, as people and CI run it."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from sidecar.cli import app
from tests.probe.fake import DROP, Fake


@pytest.fixture
def run(fake: Fake):
    async def run(*arguments: str):
        """The command has a loop of its own, so it gets a thread of its own."""
        return await asyncio.to_thread(CliRunner().invoke, app, ["probe", *arguments], env={"COLUMNS": "80"})

    return run


async def test_people_read_what_is_wrong_and_how_to_mend_it(fake: Fake, run):
    fake.server |= {"registration_endpoint": DROP, "issuer": f"{fake.url}"}
    done = await run(fake.mcp)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == [fake.mcp, "OAuth with a client that somebody registers by hand"]
    assert "error   no-registration" in lines
    assert "Would dcr-sidecar help?" in lines
    assert "servers:" in lines
    shown = lines[: lines.index("servers:")]
    assert max(map(len, shown)) <= 80


async def test_machines_read_json_of_a_stable_shape(fake: Fake, run):
    done = await run(fake.mcp, "--json", "--register")
    found = json.loads(done.stdout)
    assert done.exit_code == found["exit_code"] == 0
    assert [*found] == [
        "version",
        "url",
        "mode",
        "summary",
        "exit_code",
        "resource_metadata",
        "issuer",
        "server_metadata",
        "requests",
        "findings",
        "sidecar",
    ]
    assert (found["version"], found["mode"], found["findings"]) == (1, "oauth-dcr", [])
    assert [*found["requests"][0]] == [
        "purpose",
        "method",
        "url",
        "status",
        "content_type",
        "bytes",
        "milliseconds",
        "redirect",
        "failure",
    ]
    assert found["sidecar"] == {"helps": False, "why": "Not needed: clients sign in by themselves.", "config": None}
    assert "fake-management-token" not in done.stdout


async def test_findings_have_one_shape_too(fake: Fake, run):
    fake.challenge = ""
    found = json.loads((await run(fake.mcp, "--json")).stdout)
    assert [[*one] for one in found["findings"]] == [["id", "level", "where", "text", "mend"]]


async def test_what_the_server_says_moves_no_cursor(fake: Fake, run):
    fake.challenge = "\x9b2J\u202eBasic [red]x".encode().decode("latin-1")
    fake.prm["scopes_supported"] = ["\x1b[2J [bold]x\u202e"]
    done = await run(fake.mcp)
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "[bold]" in done.stdout


async def test_nobody_there_is_exit_2(run):
    async with Fake.running() as gone:
        url = gone.mcp
    assert (await run(url)).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("mcp.example.com/mcp",),
        ("ftp://mcp.example.com/",),
        ("https://user:fake@mcp.example.com/",),
        ("http://127.0.0.1:9/mcp", "--header", "nonsense"),
        ("http://127.0.0.1:9/mcp", "--header", "X: a\r\nY: b"),
        ("http://127.0.0.1:9/mcp", "--browser-origin", "https://app.example.com/"),
        ("http://127.0.0.1:9/mcp", "--ca-file", "/nowhere/ca.pem"),
        ("http://127.0.0.1:9/mcp", "--timeout", "0"),
    ],
)
async def test_wrong_usage_is_exit_2_and_says_so(run, arguments):
    done = await run(*arguments)
    assert done.exit_code == 2
    assert "Invalid value" in done.stderr


async def test_a_header_is_sent(fake: Fake, run):
    await run(fake.mcp, "--header", "X-Gateway: fake-key")
    assert {asked.headers.get("x-gateway") for asked in fake.asked} == {"fake-key"}

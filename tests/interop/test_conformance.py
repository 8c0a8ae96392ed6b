"""The official suites: the authorization server passes, and the MCP server behind us behaves as it does without us."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sidecar.demo.ports import listen, port_of
from tests.fakes.browser import Browser
from tests.flows.person import Person
from tests.flows.running import free_port, running
from tests.interop import installed
from tests.interop.clients import Desk, ran
from tests.interop.everything import everything
from tests.interop.table import cell

SUITE = "Official conformance suite"
VERSION = installed.npm_version("@modelcontextprotocol/conformance")
# With how many checks the server must pass at least, so that it is not by failing everywhere that both are alike.
REVISIONS = [pytest.param(*each, id=each[0]) for each in (("2025-11-25", 80), ("2026-07-28", 160))]
EXTENSION = "server-tasks-"
"""Scenarios of an extension that the SDK does not have."""
# Foreign Host and Origin headers, which Envoy and the check judge first: a page that nobody named is refused.
BASELINE = {"server-dns-rebinding-protection"}


def command(*arguments: str) -> list[str]:
    return [installed.node(), installed.program("@modelcontextprotocol/conformance", "dist/index.js"), *arguments]


def checks_in(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Scenario to checks, from the reports that the suite wrote."""
    found = sorted(folder.rglob("checks.json"))
    return {_scenario(path): json.loads(path.read_text()) for path in found}


def _scenario(path: Path) -> str:
    return re.sub(r"-\d{4}-\d{2}-\d{2}T.*$", "", path.parent.name)


@cell("`authorization`", SUITE)
@pytest.mark.req(197)
async def test_the_authorization_suite_passes(tmp_path: Path, record_property: Any) -> None:
    """It signs in by the address that it prints, with a public client that was registered before: beside `none` in the
    metadata it sends no secret."""
    port, results = free_port(), tmp_path / "results"
    async with running(tmp_path / "demo") as demo:
        callback = f"http://127.0.0.1:{port}/callback"
        body = {"redirect_uris": [callback], "token_endpoint_auth_method": "none"}
        client = (await demo.request("POST", f"{demo.origin}/register", json=body)).json
        said = await signed_in(
            *("--url", demo.origin, "--client-id", client["client_id"], "--resource", demo.url),
            *("-p", str(port), "-o", str(results)),
        )
        checks = [check for each in checks_in(results).values() for check in each]
        assert checks, said
        assert [check for check in checks if check["status"] not in {"SUCCESS", "INFO"}] == [], said
        record_property("version", VERSION)
        record_property("note", f"all {len(checks)} checks pass")


async def signed_in(*arguments: str) -> str:
    """What the suite printed, with a person who opens what it asks to open."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command("authorization", *arguments), stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said: list[str] = []
    try:
        async with asyncio.timeout(90):
            assert process.stdout is not None
            async for line in process.stdout:
                said.append(line.decode())
                if "/authorize?" in said[-1] and said[-1].startswith("http"):
                    async with Browser() as browser:
                        idp = await browser.press(await browser.open(said[-1].strip()), "continue")
                        await browser.press(idp, "alice")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, "".join(said)
    return "".join(said)


@cell("`server`, through Envoy as without it", SUITE)
@pytest.mark.req(190, 198)
@pytest.mark.parametrize(("revision", "least"), REVISIONS)
async def test_the_mcp_server_behaves_as_it_does_without_us(
    tmp_path: Path, revision: str, least: int, record_property: Any
) -> None:
    """Every verdict and every message of every check is the same; what fails is what the SDK does not have."""
    async with (
        everything(tmp_path / "everything.log") as origin,
        running(tmp_path / "demo", server={"origin": origin}) as demo,
    ):
        alice = Person("alice")
        async with alice.client(demo.url) as client:
            await client.list_tools()
        assert alice.storage.tokens is not None
        direct = await verdicts(tmp_path / "direct", revision, f"{origin}/mcp")
        through = await verdicts(tmp_path / "through", revision, demo.url, alice.storage.tokens.access_token)
    assert direct.keys() == through.keys()
    assert {name: through[name] for name in through if name not in BASELINE} == {
        name: direct[name] for name in direct if name not in BASELINE
    }
    statuses = [(name, status) for name, found in direct.items() for _, status, _ in found]
    passed = [name for name, status in statuses if status == "SUCCESS"]
    assert len(passed) >= least
    assert {name for name, status in statuses if status == "FAILURE" and not name.startswith(EXTENSION)} == set()
    record_property("version", VERSION)
    record_property("note", f"{revision}: the same {len(statuses)} verdicts, {len(passed)} of them passes")


async def verdicts(folder: Path, revision: str, url: str, token: str = "") -> dict[str, list[tuple[str, str, str]]]:
    desk = Desk.at(folder)
    async with adding_token(url, token) as (address, port):
        options = ["--url", address, "--requirements", revision, "-o", str(folder / "results")]
        said = await ran(command("server", *options), desk, statuses=(0, 1))
        found = checks_in(folder / "results")
        assert found, said
    return {name: sorted(_verdict(check, url, port) for check in checks) for name, checks in found.items()}


def _verdict(check: dict[str, Any], url: str, port: int) -> tuple[str, str, str]:
    """Without what differs from run to run: addresses, sessions and times."""
    message = str(check.get("errorMessage", ""))
    for text in (url, url.rpartition("/")[0], f"http://127.0.0.1:{port}", f"127.0.0.1:{port}", f":{port}"):
        message = message.replace(text, "HERE")
    return str(check["id"]), str(check["status"]), re.sub(r"[0-9a-f-]{32,}|\d{10,}", "…", message)


@asynccontextmanager
async def adding_token(url: str, token: str) -> AsyncIterator[tuple[str, int]]:
    """A forwarder that adds the token, which the suite cannot send, and changes nothing else. Its own URL and port."""
    origin, _, _ = url.rpartition("/")
    host = origin.partition("//")[2]
    with listen() as listener:
        port = port_of(listener)

        async def forward(request: web.Request) -> web.StreamResponse:
            headers = request.headers.copy()
            if token:
                headers["Authorization"] = f"Bearer {token}"
            if headers.get("Host") in {f"127.0.0.1:{port}", f"localhost:{port}"}:
                headers["Host"] = host
            body = await request.read()
            async with session.request(
                request.method, origin + request.raw_path, headers=headers, data=body or None, allow_redirects=False
            ) as answer:
                response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(60)) as session:
            await runner.setup()
            try:
                await web.SockSite(runner, listener).start()
                yield f"http://127.0.0.1:{port}/mcp", port
            finally:
                await runner.cleanup()


def _end_to_end(headers: Any) -> Any:
    kept = headers.copy()
    for name in ("Connection", "Transfer-Encoding", "Keep-Alive"):
        kept.popall(name, None)
    return kept

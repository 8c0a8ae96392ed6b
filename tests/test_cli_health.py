"""`health` and `drain`: what containers run beside the sidecar."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.fakes.envoy import free_port

_CONFIG = {
    "servers": [{"name": "notes", "resource": "https://mcp.example.com/mcp", "origin": "http://127.0.0.1:3000"}],
    "store": {"url": "redis://127.0.0.1:1"},
}


@contextlib.asynccontextmanager
async def answering(handler, bind: str) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    host, _, port = bind.rpartition(":")
    unix = bind.removeprefix("unix:")
    await (web.UnixSite(runner, unix) if bind.startswith("unix:") else web.TCPSite(runner, host, int(port))).start()
    try:
        yield
    finally:
        await runner.cleanup()


def configured(folder: Path, **more) -> str:
    (folder / "sidecar.yaml").write_text(yaml.safe_dump({**_CONFIG, **more}))
    return str(folder / "sidecar.yaml")


async def command(*arguments: str) -> tuple[int, str]:

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidecar", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, said.decode()


@pytest.mark.parametrize(
    ("status", "word", "code"), [pytest.param(200, "ready", 0, id="well"), pytest.param(503, "draining", 1, id="not")]
)
async def test_health_asks_the_ops_listener_of_the_configuration(tmp_path, status, word, code):
    asked = []

    async def answer(request):
        asked.append(request.path)
        return web.json_response({"status": word}, status=status)

    port = free_port()
    config = configured(tmp_path, listeners={"ops": f"0.0.0.0:{port}"})
    async with answering(answer, f"127.0.0.1:{port}"):
        found, said = await command("health", "--ready", "--config", config)
    assert (found, asked) == (code, ["/readyz"])
    assert word in said


async def test_health_asks_over_a_socket_too(tmp_path):
    async def answer(_request):
        return web.json_response({"status": "live"})

    bind = f"unix:{tmp_path}/ops"
    async with answering(answer, bind):
        assert (await command("health", "--config", configured(tmp_path, listeners={"ops": bind})))[0] == 0


async def test_health_says_that_nothing_answers(tmp_path):
    config = configured(tmp_path, listeners={"ops": f"127.0.0.1:{free_port()}"})
    code, said = await command("health", "--config", config)
    assert code == 1
    assert "nothing answers" in said


async def test_drain_asks_envoy_to_end_connections_but_not_to_close_its_doors(tmp_path):
    asked = []

    async def answer(request):
        asked.append((request.method, request.path_qs))
        return web.Response(text="OK\n")

    bind = f"unix:{tmp_path}/envoy"
    async with answering(answer, bind):
        config = configured(tmp_path, envoy={"admin": bind})
        code, said = await command("drain", "--seconds", "0", "--config", config)
    assert (code, asked) == (0, [("POST", "/drain_listeners?graceful&skip_exit")])
    assert "Envoy drains" in said


async def test_drain_without_an_envoy_waits_only(tmp_path):
    config = configured(tmp_path, envoy={"admin": f"unix:{tmp_path}/nobody"})
    code, said = await command("drain", "--seconds", "0", "--config", config)
    assert code == 0
    assert "waiting only" in said

"""`health` and `drain`: what containers run beside the sidecar."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from sidecar import cli
from sidecar.cli import COMMANDS, LateCommand
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


@pytest.mark.parametrize("asked", [pytest.param("health"), pytest.param("drain")])
async def test_what_pods_run_again_and_again_imports_little(tmp_path, asked):
    config = configured(tmp_path, listeners={"ops": f"127.0.0.1:{free_port()}"}, envoy={"admin": f"unix:{tmp_path}/no"})
    waiting = ("--seconds", "0") if asked == "drain" else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "sidecar", asked, *waiting, "--config", config),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    imported = {
        line.rpartition("|")[2].strip() for line in said.decode().splitlines() if line.startswith("import time")
    }

    assert "sidecar.cli.sockets" in imported
    heavy = {
        "aiohttp",
        "asyncio",
        "redis",
        "cryptography",
        "joserfc",
        "rich.console",
        "sidecar.settings.schema",
        "sidecar.records",
    }
    assert imported & heavy == set()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        pytest.param({"listeners": {"ops": "9403"}}, "listeners.ops", id="no host"),
        pytest.param({"listeners": {"ops": {"port": 9403}}}, "listeners.ops", id="no text"),
        pytest.param({"listeners": {"ops": "not a host:9403"}}, "listeners.ops", id="no name"),
    ],
)
async def test_health_says_which_address_is_none(tmp_path, more, key):
    code, said = await command("health", "--config", configured(tmp_path, **more))
    assert code == 2
    assert key in said


async def test_health_asks_whatever_else_is_wrong(tmp_path):
    """A running sidecar is well, also when its file has been spoilt since it was read."""

    async def answer(_request):
        return web.json_response({"status": "live"})

    bind = f"unix:{tmp_path}/ops"
    async with answering(answer, bind):
        config = configured(tmp_path, listeners={"ops": bind, "check": "nowhere"}, servers=[])
        assert (await command("health", "--config", config))[0] == 0


async def test_health_takes_the_address_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DCR_SIDECAR_LISTENERS__OPS", f"127.0.0.1:{(port := free_port())}")
    code, said = await command("health", "--config", configured(tmp_path))
    assert code == 1
    assert f"127.0.0.1:{port}" in said


async def test_health_does_not_wait_for_one_who_says_nothing(tmp_path):
    async def silent(_reader, writer):
        try:
            await asyncio.sleep(60)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(silent, f"{tmp_path}/ops")
    async with server:
        config = configured(tmp_path, listeners={"ops": f"unix:{tmp_path}/ops"})
        code, said = await command("health", "--config", config)
    assert code == 1
    assert "nothing answers" in said


def test_the_list_of_commands_says_what_they_say_themselves():
    for name, (where, summary) in COMMANDS.items():
        loaded = LateCommand(name, where, summary).loaded()
        assert loaded.name == name
        assert (loaded.help or "").strip().partition("\n")[0] == summary


async def test_help_names_every_command_and_loads_none():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "sidecar", "--help"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, imports = await asyncio.wait_for(process.communicate(), 60)
    modules = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert {where.partition(":")[0] for where, _ in COMMANDS.values()} <= modules
    assert all(f" {name} " in said.decode() for name in COMMANDS)
    assert "sidecar.cli.configuration" not in imports.decode()  # which all of them import

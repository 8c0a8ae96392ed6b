"""`dcr-sidecar drain` with a real Envoy: connections end politely, the door stays open."""

import asyncio
import sys

import aiohttp
import yaml

from tests.fakes.envoy import free_port, running_envoy


async def _command(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidecar", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, said
    return said.decode()


async def test_connections_end_with_their_answer_and_new_ones_are_taken(tmp_path):
    port = free_port()
    server = {"name": "notes", "resource": "https://mcp.example.com/mcp", "origin": "http://127.0.0.1:3000"}
    sockets = {name: f"unix:{tmp_path}/{name}.sock" for name in ("oauth", "check", "admin")}
    document = {
        "servers": [server],
        "store": {"url": "redis://127.0.0.1:1"},
        "listeners": sockets,
        "envoy": {"listen": f"127.0.0.1:{port}", "admin": f"unix:{tmp_path}/envoy.sock"},
    }
    config = tmp_path / "sidecar.yaml"
    config.write_text(yaml.safe_dump(document))
    bootstrap = await _command("envoy-config", "--config", str(config))

    async def connection_header(session: aiohttp.ClientSession) -> str:
        async with session.get(f"http://127.0.0.1:{port}/nowhere", headers={"Host": "other.example.com"}) as answer:
            assert answer.status == 404
            return answer.headers.get("Connection", "")

    # As the chart starts it; else answers say it by chance, more and more often as time goes by.
    at_once = ("--drain-strategy", "immediate", "--drain-time-s", "60")
    async with running_envoy(bootstrap, options=at_once), aiohttp.ClientSession() as before:
        assert await connection_header(before) == ""
        assert "Envoy drains" in await _command("drain", "--seconds", "0", "--config", str(config))
        assert await connection_header(before) == "close"
        async with aiohttp.ClientSession() as after:
            assert await connection_header(after) == "close"

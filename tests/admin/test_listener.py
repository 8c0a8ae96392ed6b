"""The admin listener opens with a token, and off the machine it is told what that means."""

import asyncio
import io
import json
from dataclasses import replace

import pytest
from aiohttp import ClientSession, UnixConnector

from sidecar.app import serve
from sidecar.directory import Directory
from sidecar.settings.model import Bind, Listeners
from tests.endpoints.conftest import settings_for
from tests.settings.conftest import *  # noqa: F403

TOKEN = "fake-admin-token-0123456789-abcdefghij"


@pytest.mark.parametrize("token", [TOKEN, ""], ids=["token", "no-token"])
async def test_the_listener_opens_with_a_token_only(tmp_path, keyring, token):
    binds = Listeners(*(Bind(unix=str(tmp_path / name)) for name in ("oauth", "check", "admin", "ops")))
    settings = replace(settings_for(Directory((), ()), keyring), listeners=binds, admin_token=token)
    ready, stop, log = asyncio.Event(), asyncio.Event(), io.StringIO()
    serving = asyncio.create_task(serve(settings, ready=ready, stop=stop, stream=log))
    await asyncio.wait_for(ready.wait(), 20)
    assert (tmp_path / "admin").exists() is bool(token)
    if token:
        async with ClientSession(connector=UnixConnector(str(tmp_path / "admin"))) as session:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get("http://localhost/admin/openapi.json", headers=headers) as response:
                assert response.status == 200
    stop.set()
    await serving
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    opened = {line["listener"] for line in lines if line["event"] == "listening"}
    assert opened == {"oauth", "check", "ops"} | ({"admin"} if token else set())
    assert TOKEN not in log.getvalue()


@pytest.mark.parametrize(
    ("address", "warned"),
    [("127.0.0.1:9402", False), ("unix:admin.sock", False), ("10.0.0.5:9402", True)],
)
def test_off_the_machine_the_operator_is_warned(world, address, warned):
    world.tree["admin"] = {"token": TOKEN}
    world.tree["listeners"] = {"admin": address}
    warnings = world.load().warnings
    assert any("listeners.admin: it speaks plain HTTP" in text for text in warnings) is warned

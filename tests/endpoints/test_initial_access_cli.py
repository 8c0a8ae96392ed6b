"""`dcr-sidecar initial-access-token`, against the admin API of a sidecar that runs."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sidecar import cli, keyfile
from sidecar.app import admin_app
from tests.endpoints.conftest import Face
from tests.store.servers import free_port

ADMIN = "fake-admin-token-of-the-tests-0123456789"

Run = Callable[..., Awaitable[tuple[Any, str, str]]]
Config = Callable[..., Path]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*arguments: object) -> tuple[Any, str, str]:
        """Exit code, stdout and stderr of the command, which has an event loop of its own."""
        with pytest.raises(SystemExit) as left:
            await asyncio.to_thread(cli.main, ["initial-access-token", *map(str, arguments)])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


@pytest.fixture
def config(tmp_path: Path, face: Face) -> Config:
    keyfile.generate(tmp_path / "keys.json", entropy=face.services.sources.entropy, clock=face.clock)

    def write(address: str, token: str = ADMIN) -> Path:
        path = tmp_path / "sidecar.yaml"
        path.write_text(
            "servers: [{name: notes, resource: https://mcp.example.com/mcp, origin: 'http://127.0.0.1:9',"
            " pool: corp}]\n"
            "pools: [{name: corp, id: corp-1, provider: oidc, issuer: https://login.example.com, client_id: c,"
            " client_secret: s}]\n"
            "store: {url: 'redis://127.0.0.1:1/0'}\n"
            f"listeners: {{admin: '{address}'}}\n" + (f"admin: {{token: {token}}}\n" if token else "")
        )
        return path

    return write


@pytest.fixture
async def closed(face: Face) -> AsyncIterator[Face]:
    async with face.with_settings(dcr="token", admin_token=ADMIN) as opened:
        yield opened


@pytest.fixture
async def served(closed: Face, config: Config) -> AsyncIterator[Path]:
    """The configuration of a sidecar whose admin API answers."""
    async with TestServer(admin_app(closed.services), host="127.0.0.1") as server:
        yield config(f"127.0.0.1:{server.port}")


async def register(face: Face, token: str) -> int:
    body, headers = {"redirect_uris": ["http://127.0.0.1/cb"]}, {"Authorization": f"Bearer {token}"}
    return (await face.post_json("/register", body, headers=headers)).status


@pytest.mark.req(64)
async def test_a_token_is_made_used_listed_and_revoked(
    closed: Face, served: Path, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    made = ("create", "--pool", "corp", "--label", "Ada's [red]laptop", "--uses", 3, "--expires", "2h")
    code, token, told = await run(*made, "--config", served)
    assert code == 0
    assert "lets 3 clients register in corp until" in told
    assert "warning" not in told
    assert await register(closed, token.strip()) == 201
    code, table, _ = await run("list", "--config", served)
    (row,) = table.splitlines()[1:]
    identifier = row.split()[0]
    assert (code, len(identifier)) == (0, 32)
    assert "Ada's [red]laptop" in row
    assert "2 of 3" in row
    assert token.strip() not in table
    assert (await run("revoke", identifier, "--config", served))[0] == 0
    assert await register(closed, token.strip()) == 401
    code, _, told = await run("revoke", identifier, "--config", served)
    assert (code, told) == (1, "error: There is no initial access token of this id, or no longer. (404)\n")


async def test_on_a_narrow_terminal_an_id_is_whole(served: Path, run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = await run("create", "--pool", "corp", "--label", "a long label " * 7, "--json", "--config", served)
    _, table, _ = await run("list", "--config", served)
    assert json.loads(out)["id"] in table


async def test_machines_get_json(closed: Face, served: Path, run: Run):
    _, out, _ = await run("create", "--pool", "corp", "--json", "--config", served)
    made = json.loads(out)
    assert (made["uses"], made["expires_at"] - made["created_at"]) == (1, 7 * 86400)
    assert await register(closed, made["token"]) == 201
    _, out, _ = await run("list", "--pool", "corp", "--json", "--config", served)
    assert [(row["id"], row["left"]) for row in json.loads(out)["tokens"]] == [(made["id"], 0)]
    _, out, _ = await run("revoke", made["id"], "--json", "--config", served)
    assert json.loads(out) == {"revoked": made["id"]}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("create", "--pool", "no-such"), 1, "There is no pool of this name.", id="pool"),
        pytest.param(("create", "--pool", "corp", "--uses", 0), 1, "uses: ", id="uses"),
        pytest.param(("create", "--pool", "corp", "--expires", "400d"), 1, "expires_in: ", id="too-long"),
        pytest.param(("create", "--pool", "corp", "--expires", "soon"), 2, "must be seconds", id="duration"),
        pytest.param(("create",), 2, "--pool", id="no-pool"),
        pytest.param(("revoke", "../keys"), 1, "no longer", id="another-path"),
    ],
)
async def test_what_is_refused_is_told(served: Path, run: Run, arguments: tuple[object, ...], code: int, said: str):
    left, out, told = await run(*arguments, "--config", served)
    assert (left, out) == (code, "")
    assert said in told
    assert "Traceback" not in told


async def test_where_it_makes_no_difference_it_is_told(face: Face, config: Config, run: Run):
    async with (
        face.with_settings(admin_token=ADMIN) as opened,
        TestServer(admin_app(opened.services), host="127.0.0.1") as server,
    ):
        _, _, told = await run("create", "--pool", "corp", "--config", config(f"127.0.0.1:{server.port}"))
    assert "warning: `registration.dcr` is not `token`" in told


async def test_a_unix_socket_will_do(closed: Face, config: Config, run: Run):
    with tempfile.TemporaryDirectory(prefix="dcr-test-") as folder:
        runner = web.AppRunner(admin_app(closed.services))
        await runner.setup()
        await web.UnixSite(runner, f"{folder}/admin").start()
        code, out, _ = await run("create", "--pool", "corp", "--config", config(f"unix:{folder}/admin"))
        await runner.cleanup()
    assert (code, await register(closed, out.strip())) == (0, 201)


async def test_without_an_admin_api_it_is_told_what_to_do(config: Config, run: Run):
    code, _, told = await run("list", "--config", config("127.0.0.1:9402", ""))
    assert code == 2
    assert "error: admin.token_file: is not set" in told


async def test_a_sidecar_that_does_not_run_is_told(config: Config, run: Run):
    port = free_port()
    code, _, told = await run("list", "--config", config(f"127.0.0.1:{port}"))
    assert code == 1
    assert told.startswith(f"error: the admin API at 127.0.0.1:{port} does not answer: is the sidecar running")


async def test_the_wrong_admin_token_is_told_and_not_shown(closed: Face, config: Config, run: Run):
    wrong = "another-fake-token-0123456789-0123456789"
    async with TestServer(admin_app(closed.services), host="127.0.0.1") as server:
        code, _, told = await run("list", "--config", config(f"127.0.0.1:{server.port}", wrong))
    assert code == 1
    assert told.startswith("error: The admin token is missing or wrong. (401): ")
    assert wrong not in told


@asynccontextmanager
async def something_else(body: str, status: int) -> AsyncIterator[int]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port is not None
        yield server.port


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param("<html>", 200, id="page"),
        pytest.param("<html>", 502, id="proxy"),
        pytest.param("[1]", 200, id="list"),
        pytest.param("[]", 404, id="refusing-list"),
        pytest.param('{"detail": "x"}', 404, id="other-json"),
    ],
)
async def test_something_else_at_the_address_is_told(config: Config, run: Run, body: str, status: int):
    async with something_else(body, status) as port:
        code, _, told = await run("list", "--config", config(f"127.0.0.1:{port}"))
    assert (code, told) == (1, f"error: what answers at 127.0.0.1:{port} is not the admin API ({status})\n")

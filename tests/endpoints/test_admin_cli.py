"""`dcr-sidecar client | grant | user`, against the admin API of a sidecar that runs."""

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestServer

from sidecar import cli
from sidecar.app import admin_app
from sidecar.app.serving import HTTP
from tests.endpoints.admin import TOKEN
from tests.endpoints.conftest import Face
from tests.endpoints.signed_in import PUBLIC, tokens_for
from tests.store.servers import free_port


@pytest.fixture
def settings(settings):
    return replace(settings, admin_token=TOKEN)


@pytest.fixture
async def run(face: Face, capsys, monkeypatch, tmp_path):
    """Exit code, stdout and stderr of a command, which has an event loop of its own."""
    server = TestServer(admin_app(face.services), host="127.0.0.1")
    await server.start_server(**HTTP)
    (tmp_path / "token").write_text(TOKEN + "\n")
    monkeypatch.setenv("DCR_SIDECAR_ADMIN_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("DCR_SIDECAR_ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    async def run(*arguments):
        with pytest.raises(SystemExit) as left:
            await asyncio.to_thread(cli.main, list(arguments))
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    yield run
    await server.close()


async def test_clients_are_listed_alike_as_one_row_and_as_json(run, face):
    for port in (3000, 4000):
        last = await face.register(client_name="[red]Editor\u00e9", redirect_uris=[f"http://127.0.0.1:{port}/cb"])
    code, out, _ = await run("client", "list")
    assert code == 0
    head, row = out.splitlines()
    assert head.split()[:4] == ["client", "name", "pool", "kind"]
    assert "[red]Editor\u00e9" in row
    assert row.split()[4] == "2"
    _, out, _ = await run("client", "list", "--json", "--single", "--pool", "corp")
    rows = json.loads(out)["clients"]
    assert len(rows) == 2
    assert last["client_id"] in {row["client"] for row in rows}
    _, out, told = await run("client", "list", "--single", "--most", "1")
    assert len(out.splitlines()) == 2
    assert "and 1 more row" in told


async def test_a_client_is_shown_and_ended_after_a_yes(run, face):
    made = await face.register(client_name="Editor", **PUBLIC)
    await tokens_for(face, made)
    identifier = made["client_id"]
    code, out, _ = await run("client", "show", identifier)
    assert code == 0
    assert {"Editor", "good", "alice@example.com"} & set(out.split()) == {"Editor", "good"}
    code, out, told = await run("client", "delete", identifier, "--dry-run")
    assert (code, out) == (0, "")
    assert "would end 1 grant of 1 user; nothing was changed" in told
    code, _, told = await run("client", "delete", identifier)  # nobody to ask: no
    assert code == 1
    assert "good" in (await run("client", "show", identifier))[1]
    code, out, told = await run("client", "delete", identifier, "--yes", "--json")
    assert (code, json.loads(out)["grants"]) == (0, 1)
    assert "ended" in (await run("client", "show", identifier))[1]
    assert (await run("client", "delete", identifier, "--yes"))[0] == 1
    code, _, told = await run("client", "readmit", identifier)
    assert code == 1
    assert "registers again" in told


async def test_a_grant_is_listed_and_ended(run, face):
    await tokens_for(face)
    code, out, _ = await run("grant", "list", "--pool", "corp", "--user", "alice", "--json")
    (row,) = json.loads(out)["grants"]
    _, out, _ = await run("grant", "list", "--pool", "corp")
    assert out.splitlines()[1].split()[0] == row["grant"]
    code, _, _ = await run("grant", "end", row["grant"], "--yes")
    assert code == 0
    assert "no grant" in (await run("grant", "list", "--client", row["client"]))[2]
    assert (await run("grant", "list"))[0] == 2


async def test_a_person_is_offboarded_by_email_address(run, face):
    await tokens_for(face)
    assert "alice@example.com" in (await run("user", "list", "--pool", "corp", "--find", "ALICE"))[1]
    code, _, told = await run("user", "offboard", "--pool", "corp", "Alice@example.com", "--dry-run")
    assert (code, "would end 1 grant of alice in corp" in told) == (0, True)
    code, out, told = await run("user", "offboard", "--pool", "corp", "Alice@example.com", "--bar", "--yes", "--json")
    assert (code, json.loads(out)["user"], json.loads(out)["grants"]) == (0, "alice", 1)
    assert "what remains: The account at the provider" in told
    assert "signing in is refused" in (await run("user", "show", "--pool", "corp", "alice"))[1]
    assert "may sign in again" in (await run("user", "readmit", "--pool", "corp", "alice"))[2]
    assert "was not denied" in (await run("user", "readmit", "--pool", "corp", "alice"))[2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("--admin", "http://127.0.0.1:{closed}"), 1, "started with `admin.token_file`", id="closed"),
        pytest.param(("--token-file", "other"), 1, "admin.token_file", id="wrong-token"),
        pytest.param(("--token-file", "missing"), 2, "cannot be read", id="no-token-file"),
        pytest.param(("--token-file", "empty"), 2, "holds no token", id="empty-token-file"),
        pytest.param(("--admin", "ftp://x"), 2, "--admin", id="scheme"),
        pytest.param(("--admin", "http://[::1"), 2, "--admin", id="no-url"),
        pytest.param(("--admin", "http://127.0.0.1:1/admin"), 2, "--admin", id="path"),
        pytest.param(("--admin", "", "--config", "missing.yaml"), 2, "cannot be read", id="no-config"),
    ],
)
async def test_what_stands_in_the_way_is_told(run, tmp_path, arguments, code, said):
    (tmp_path / "other").write_text("another-fake-token-0123456789-0123456789")
    (tmp_path / "empty").write_text("\n")
    left, out, told = await run("client", "list", *(each.format(closed=free_port()) for each in arguments))
    assert (left, out) == (code, "")
    assert said in told
    assert "Traceback" not in told
    assert "another-fake" not in told


async def test_whose_words_are_shown_does_not_matter_to_the_terminal(run, face):
    await face.register(client_name="Editor")
    store = face.services.adapters.store
    (entry,) = (await store.clients_of("corp-1")).items
    await store.register(replace(entry, metadata={**entry.metadata, "client_name": "a\x1b[2J\u202eb"}), 3600)
    _, out, _ = await run("client", "list")
    assert "\x1b[2J" not in out
    assert "\u202e" not in out

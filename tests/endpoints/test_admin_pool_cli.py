"""`dcr-sidecar pool`, against the admin API of a sidecar that runs."""

import json
import re

import pytest

from tests.endpoints.conftest import GONE, Face
from tests.endpoints.test_admin_cli import run, settings
from tests.upstream.certificates import private_tls

__all__ = ["run", "settings"]

SECRET = "fake-upstream-secret-1"


async def create(run, face: Face, tmp_path, *more):
    (tmp_path / "secret").write_text(SECRET + "\n")
    pool = face.idp.pool()
    named = ("--provider", pool.provider, "--issuer", pool.issuer, "--client-id", "client-1", "--scopes", "openid a")
    return await run("pool", "create", "gone", *named, "--client-secret-file", "secret", *more)


async def test_a_pool_is_made_and_what_to_enter_at_the_provider_is_printed(run, face, tmp_path):
    code, out, told = await create(run, face, tmp_path, "--param", "hd=example.com")
    assert (code, told) == (0, "ok: pool gone is there\n")
    assert f"https://{GONE}/callback" in out
    assert "hd=example.com" in out
    assert SECRET not in out
    assert face.services.pools["gone"].client_secret == SECRET
    assert re.fullmatch(r"gone-[0-9a-f]{6}", face.services.pools["gone"].id)
    assert face.services.pools["gone"].scopes == ("openid", "a")
    _, out, _ = await run("pool", "show", "gone", "--json")
    assert json.loads(out)["callback_urls"] == [f"https://{GONE}/callback"]


async def test_pools_are_listed_with_where_they_live(run, face, tmp_path):
    await create(run, face, tmp_path)
    code, out, _ = await run("pool", "list")
    assert code == 0
    rows = {line.split()[0]: line.split()[2:4] for line in out.splitlines()[1:]}
    assert (rows["corp"], rows["gone"]) == (["configuration", "live"], ["store", "live"])


async def test_a_change_names_what_changes_and_nothing_else(run, face, tmp_path):
    await create(run, face, tmp_path)
    (tmp_path / "new").write_text("fake-2")
    code, out, told = await run("pool", "update", "gone", "--client-secret-file", "new", "--overlap-days", "1")
    assert (code, told) == (0, "ok: pool gone is changed\n")
    pool = face.services.pools["gone"]
    assert (pool.client_secret, pool.client_id, pool.scopes) == ("fake-2", "client-1", ("openid", "a"))
    assert pool.former[0].until == face.clock() + 86400
    assert "fake-2" not in out
    assert "was like that before" in (await run("pool", "update", "gone", "--scopes", "openid a"))[2]
    assert (await run("pool", "update", "gone"))[0] == 1


async def test_wrong_options_and_what_the_api_refuses_are_told(run, face, tmp_path):
    (tmp_path / "empty").write_text("\n")
    for options in (("--param", "x"), ("--endpoint", "nowhere=https://a"), ("--client-secret-file", "empty")):
        assert (await create(run, face, tmp_path, *options))[0] == 2, options
    code, _, told = await run("pool", "update", "corp", "--scopes", "a")
    assert (code, told.startswith("error: It is declared in the configuration, as pools[corp]")) == (1, True)
    assert (await run("pool", "show", "nowhere"))[0] == 1
    proxy = await create(run, face, tmp_path, "--proxy", "http://user:fake-password@proxy:1")
    assert (proxy[0], "--proxy-file" in proxy[2], "fake-password" in proxy[2]) == (2, True, False)
    (tmp_path / "large").write_text("x" * 50_000)
    for option, file, what in (("--ca-file", "large", "larger than 48 KiB"), ("--ca-file", "none", "No such file")):
        code, _, told = await create(run, face, tmp_path, option, file)
        assert (code, told.startswith(f"error: {option}: {file} "), what in told) == (2, True, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(("--ca-file", "secret"), "--ca-file: holds no PEM certificate", id="ca"),
        pytest.param(("--proxy", "proxy:3128"), "--proxy: must be like http://", id="proxy"),
        pytest.param(("--endpoint", "token=x"), "--endpoint token=URL: must be an absolute URL", id="endpoint"),
        pytest.param(("--id", "corp-1"), "A pool of the configuration has the id corp-1", id="id"),
        pytest.param(("--token-auth", "none", "--client-id", ""), "--client-id: is required with", id="client-id"),
        pytest.param(("--scopes", 'a "b'), "--scopes.1: a scope is printable", id="scope"),
    ],
)
async def test_what_the_api_refuses_is_said_of_the_options(run, face, tmp_path, options, told):
    code, _, said = await create(run, face, tmp_path, *options)
    assert (code, said.startswith(f"error: {told}")) == (1, True), said


async def test_a_ca_and_a_proxy_are_read_from_files_and_taken_away_by_nothing(run, face, tmp_path):
    _, ca = private_tls(tmp_path)
    (tmp_path / "proxy").write_text("http://user:fake-password@proxy:1\n")
    code, out, told = await create(run, face, tmp_path, "--ca-file", str(ca), "--proxy-file", "proxy")
    pool = face.services.pools["gone"]
    assert (code, pool.ca, pool.proxy) == (0, ca.read_text(), "http://user:fake-password@proxy:1")
    assert ("CN=test CA until" in out, "http://proxy:1" in out, "fake-password" in out + told) == (True, True, False)
    assert (await run("pool", "update", "gone", "--ca-file", "", "--proxy", ""))[0] == 0
    pool = face.services.pools["gone"]
    assert (pool.ca, pool.proxy) == ("", "")


async def test_former_clients_and_secrets_are_told_apart(run, face, tmp_path):
    await create(run, face, tmp_path)
    for file in ("second", "third"):
        (tmp_path / file).write_text(f"fake-{file}")
    await run("pool", "update", "gone", "--client-secret-file", "second")
    _, out, _ = await run("pool", "update", "gone", "--client-id", "client-2", "--client-secret-file", "third")
    (line,) = [line for line in out.splitlines() if line.startswith("goes on, too")]
    assert line.split("  ", 1)[1].strip().startswith("client-1 until ")
    assert ", a former secret of client-1 until " in line


async def test_a_pool_ends_after_it_was_told_and_confirmed(run, face, tmp_path):
    await create(run, face, tmp_path, "--id", "gone-1")
    code, _, told = await run("pool", "delete", "gone", "--dry-run")
    assert code == 0
    assert "would end 0 clients, and 0 live grants of 0 users" in told
    assert "would lose registration and sign-in: gone" in told
    assert "nothing was changed" in told
    assert (await run("pool", "delete", "gone"))[0] == 1  # nobody to ask: no
    assert "gone" in face.services.pools
    code, out, _ = await run("pool", "delete", "gone", "--yes", "--json")
    assert (code, json.loads(out)["complete"]) == (0, True)
    assert "gone" not in face.services.pools
    assert "Choose another" in (await create(run, face, tmp_path, "--id", "gone-1"))[2]
    assert (await create(run, face, tmp_path))[0] == 0

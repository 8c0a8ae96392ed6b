"""`dcr-sidecar pool`, against the admin API of a sidecar that runs."""

import json

from tests.endpoints.conftest import GONE, Face
from tests.endpoints.test_admin_cli import run, settings

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
    assert face.services.pools["gone"].id == "gone-1"
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
    assert (await run("pool", "update", "corp", "--scopes", "a"))[::2] == (
        1,
        "error: It is declared in the configuration, as pools[corp]; change it there and restart. (409)\n",
    )
    assert (await run("pool", "show", "nowhere"))[0] == 1


async def test_a_pool_ends_after_it_was_told_and_confirmed(run, face, tmp_path):
    await create(run, face, tmp_path)
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
    assert "Choose another" in (await create(run, face, tmp_path))[2]

"""`dcr-sidecar doctor` as operators run it: on the whole demo, real in every part; and with nothing that loads."""

import asyncio
import json
import stat
import sys
from hashlib import sha256

import pytest
from redis.asyncio import Redis

from tests.flows.running import eventually, running

ROOT_KEYS = ("version", "config", "exit_code", "counts", "findings")


async def doctor(*arguments):
    """Its exit code, and what it wrote to stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sidecar", "doctor", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def ids(out):
    return [one["id"] for one in json.loads(out)["findings"] if one["level"] != "ok"]


async def test_the_demo_is_right_in_every_part_and_stays_as_it_is(tmp_path):
    async with running(tmp_path / "data") as demo:
        folder = demo.stack.plan.folder
        before = sha256(folder.keys.read_bytes()).digest()
        async with Redis(unix_socket_path=str(folder.store / "valkey.sock")) as store:
            code, out, err = await doctor("-c", folder.settings, "--json", "--timeout", 60)
            assert (code, ids(out)) == (0, [])
            assert {one["group"] for one in json.loads(out)["findings"]} == {
                *("config", "keys", "store", "idp", "envoy", "listeners")
            }
            assert await store.dbsize() == 0
        assert sha256(folder.keys.read_bytes()).digest() == before
        secret = folder.secret.read_text().strip()
        keys = [key["secret"] for key in json.loads(folder.keys.read_bytes())["keys"]]
        assert not [one for one in (secret, *keys) if one in out + err]
        assert tuple(json.loads(out)) == ROOT_KEYS


async def test_what_breaks_in_the_demo_is_told(tmp_path):
    async with running(tmp_path / "data") as demo:
        folder = demo.stack.plan.folder
        folder.secret.write_text("another-secret-than-the-idp-knows")
        folder.keys.chmod(stat.S_IRUSR | stat.S_IROTH)
        await demo.stop_store()

        async def gone():
            return (await demo.request("GET", f"{demo.stack.ops}/readyz")).status == 503

        await eventually(gone)
        code, out, _ = await doctor("-c", folder.settings, "--json", "--timeout", 60)
        assert code == 1
        assert ids(out) == ["keys-exposed", "store-down", "idp-credentials", "sidecar-not-ready"]
        code, out, _ = await doctor("-c", folder.settings, "--json", "--only", "envoy", "--only", "keys")
        assert (code, ids(out)) == (0, ["keys-exposed"])
        code, out, _ = await doctor("-c", folder.settings, "--only", "idp", "--no-idp-post")
        assert code == 0
        assert "idp-credentials-untried" in out


BROKEN = "servers: [{name: x, resource: 'http://far.example/mcp', origin: 'http://127.0.0.1:1'}]\n"


async def test_a_configuration_that_does_not_load_is_all_findings_and_exit_code_two(tmp_path):
    file = tmp_path / "sidecar.yaml"
    file.write_text(BROKEN)
    code, out, _ = await doctor("-c", file, "--json")
    assert code == 2
    assert set(ids(out)) == {"config-broken"}
    assert "servers[x].resource" in [one["where"] for one in json.loads(out)["findings"]]
    code, out, _ = await doctor("-c", file)
    assert code == 2
    assert "config-broken" in out


@pytest.mark.parametrize("arguments", [("--only", "weather"), ("--envoy-admin", "localhost:9901"), ("--timeout", "0")])
async def test_wrong_usage_is_exit_code_two(arguments):
    code, out, err = await doctor(*arguments)
    assert (code, out) == (2, "")
    assert arguments[0] in err

"""The other checks, all of them at once, and what comes of it for machines and for people."""

import asyncio
import io
import json
import socket
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from rich.console import Console

from sidecar.doctor import GROUPS, KINDS, KeyFact, Options, Report, examine, found, print_report
from sidecar.doctor.checks import CHECKS
from tests.doctor import test_envoy, test_idp, test_pools, test_store
from tests.doctor.deployed import deployment, directory, examined, wrong

DAY = 86400
NOW = int(time.time())
ACTIVE = KeyFact(1, "active", NOW)


def opened(*numbers):
    return tuple(KeyFact(number, "open", NOW) for number in numbers)


@asynccontextmanager
async def ops(answer):
    """A sidecar's ops listener that answers like this."""
    app = web.Application()
    app.router.add_get("/readyz", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ready(_request):
    return web.json_response({"status": "ready"})


async def draining(_request):
    return web.json_response({"status": "draining"}, status=503)


def nobody() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


KEYS = [
    pytest.param((ACTIVE,), 0o600, [], id="right"),
    pytest.param((ACTIVE,), 0o604, ["keys-exposed"], id="exposed"),
    pytest.param((ACTIVE, KeyFact(2, "pending", NOW - 8 * DAY)), 0o600, ["keys-pending"], id="pending"),
    pytest.param((ACTIVE, KeyFact(2, "pending", NOW - DAY)), 0o600, [], id="just-added"),
    pytest.param((ACTIVE, *opened(2, 3, 4)), 0o600, ["keys-open"], id="open"),
    pytest.param((ACTIVE, *opened(2, 3)), 0o600, [], id="two-open"),
    pytest.param((KeyFact(1, "active", NOW - 500 * DAY),), 0o600, ["keys-old"], id="old"),
    pytest.param((KeyFact(1, "active", 0),), 0o600, [], id="of-unknown-age"),
]


@pytest.mark.parametrize(("keys", "mode", "ids"), KEYS)
async def test_keys_that_were_left_half_way_are_found(tmp_path, keys, mode, ids):
    file = tmp_path / "keys.json"
    file.write_text("{}")
    file.chmod(mode)
    assert wrong(await examined("keys", deployment(keys=keys, keys_file=str(file)))) == ids


OTHERS = [
    pytest.param("config", {}, [], id="config"),
    pytest.param("config", {"warnings": ("servers[x].allow: is empty",)}, ["config-warning"], id="warned"),
    pytest.param("config", {"warnings": ("keys.file: every user of this machine",)}, [], id="told-by-keys"),
    pytest.param("listeners", {"ops": ready, "directory": "up"}, [], id="up"),
    pytest.param("listeners", {"ops": draining, "directory": "up"}, ["sidecar-not-ready"], id="draining"),
    pytest.param("listeners", {"directory": "up"}, ["sidecar-down"], id="down"),
    pytest.param("listeners", {"ops": ready, "directory": "down"}, ["origin-down"], id="origin"),
    pytest.param("egress", {}, [], id="not-asked"),
    pytest.param("egress", {"egress": "down"}, ["egress-blocked"], id="egress"),
    pytest.param("egress", {"egress": "up"}, [], id="way-out"),
    pytest.param("keys", {"keys": None}, ["check-broken"], id="broken"),
]


@pytest.mark.parametrize(("group", "changes", "ids"), OTHERS)
async def test_each_other_fault_is_found_and_nothing_else(group, changes, ids):
    async with ops(changes.get("ops", ready)) as url:
        port = int(url.rpartition(":")[2])
        made = {}
        for name, value in changes.items():
            where = {"up": port, "down": nobody()}.get(value) if isinstance(value, str) else None
            made[name] = {
                "ops": url,
                "directory": directory(f"http://127.0.0.1:{where}") if where else value,
                "egress": (("127.0.0.1", where),),
                "warnings": value,
                "keys": value,
            }[name]
        assert wrong(await examined(group, deployment(**made))) == ids


async def test_a_check_that_gets_no_answer_ends_in_time_and_the_others_are_told():
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(_request):
        asked.set()
        await over.wait()
        return web.Response()

    async with ops(silent) as url:
        made = deployment(ops=url, directory=directory(url))
        found = await examined("listeners", made, seconds=0.5)
        assert asked.is_set()
        over.set()
    assert wrong(found) == LATE
    assert [one.level for one in found if one.group == "listeners"] == ["ok"]


LATE = ["check-late"]


async def test_a_broken_check_does_not_show_what_it_was_given():
    found = await examined("keys", deployment(keys=None))
    assert [one.text.partition(" at ")[0] for one in found] == ["internal error: TypeError"]


async def test_all_checks_together_take_no_longer_than_they_may():
    names = []
    started = time.monotonic()
    told = await examine(deployment(), Options(seconds=5), told=names.append)
    assert time.monotonic() - started < 10
    assert sorted(names) == sorted(check.name for check in CHECKS)
    assert {"store-down", "sidecar-down", "envoy-unseen"} <= set(wrong(told))


def test_every_kind_of_finding_is_provoked_by_a_test():
    tables = (test_store.CASES, test_pools.CASES, test_idp.CASES, test_idp.CLOCKS, test_envoy.CASES, KEYS, OTHERS)
    provoked = {id_ for table in tables for case in table for id_ in case.values[-1]}
    provoked |= {case.values[-1] for case in test_envoy.INFO_CASES}
    elsewhere = {"envoy-unseen", "config-broken", "idp-former", *LATE}  # test_envoy, test_cli_doctor, test_idp, here
    assert provoked | elsewhere == {id_ for id_, kind in KINDS.items() if kind.level != "ok"}
    assert provoked.isdisjoint(elsewhere)


def test_every_kind_says_what_to_do_and_belongs_to_a_group_of_a_check():
    for id_, kind in KINDS.items():
        assert kind.level == "ok" or kind.fix.endswith("."), id_
        assert id_.replace("-", "").isalnum()
    assert {check.group for check in CHECKS} == set(GROUPS)


REPORT = Report.of(
    "sidecar.yaml",
    [
        found("store-down", "store.url", "no answer"),
        found("store-down", "store.url", "no answer"),
        found("store-slow", "store.url", "slow \x1b[31m"),
        found("config-ok", "", "loads"),
    ],
)


def test_the_json_form_is_as_documented():
    assert json.loads(json.dumps(REPORT.as_json())) == {
        "version": 1,
        "config": "sidecar.yaml",
        "exit_code": 1,
        "counts": {"error": 1, "warning": 1, "note": 0, "ok": 1},
        "findings": [
            {
                "group": "store",
                "id": "store-down",
                "level": "error",
                "where": "store.url",
                "text": "no answer",
                "fix": KINDS["store-down"].fix,
            },
            {
                "group": "store",
                "id": "store-slow",
                "level": "warning",
                "where": "store.url",
                "text": "slow ?[31m",
                "fix": KINDS["store-slow"].fix,
            },
            {"group": "config", "id": "config-ok", "level": "ok", "where": None, "text": "loads", "fix": None},
        ],
    }


def test_people_read_the_worst_first_with_its_fix_in_eighty_columns():
    out = io.StringIO()
    print_report(REPORT, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert lines[0] == "Configuration"
    assert max(map(len, lines)) <= 80
    text = out.getvalue()
    assert text.index("store-down") < text.index("store-slow")
    assert "-> Start it, or mend `store.url`" in text
    assert lines[-1] == "1 error, 1 warning"


@pytest.mark.parametrize(("id_", "code"), [("store-ok", 0), ("store-slow", 0), ("store-down", 1), ("config-broken", 2)])
def test_only_errors_fail(id_, code):
    assert Report.of("", [found(id_, "", "x")]).exit_code == code

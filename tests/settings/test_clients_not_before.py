"""`pools[].clients_not_before`: an operator writes a time, once, on a bad day."""

import json

import pytest

from sidecar import settings


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        pytest.param("2026-11-22T10:00:00Z", 1795341600, id="UTC"),
        pytest.param("2026-11-22T10:00:00+01:00", 1795338000, id="another zone"),
        pytest.param("2026-11-22 10:00:00 +01:00", 1795338000, id="as YAML writes it"),
        pytest.param('"2026-11-22T10:00:00Z"', 1795341600, id="in quotes"),
        pytest.param("2026-11-22T10:00:00.25Z", 1795341601, id="a fraction is the next second"),
        pytest.param("1795341600", 1795341600, id="Unix seconds"),
        pytest.param("'1795341600'", 1795341600, id="Unix seconds in quotes"),
        pytest.param("0", 0, id="never"),
    ],
)
def test_a_time_is_read(world, written, seconds):
    world.pool["clients_not_before"] = "WRITTEN"
    file = world.base / "sidecar.yaml"
    file.write_text(json.dumps(world.tree).replace('"WRITTEN"', written))
    assert settings.load(file, {}).directory.pools["corp"].clients_not_before == seconds


def test_it_may_come_from_the_environment(world):
    file = world.base / "sidecar.yaml"
    file.write_text(json.dumps(world.tree))
    found = settings.load(file, {"DCR_SIDECAR_POOLS__CORP__CLIENTS_NOT_BEFORE": "2026-11-22T10:00:00Z"})
    assert found.directory.pools["corp"].clients_not_before == 1795341600


def test_without_it_nobody_is_cut_off(world):
    assert world.load().directory.pools["corp"].clients_not_before == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param("2026-11-22T10:00:00", "a time with its zone", id="no zone"),
        pytest.param("2026-11-22", "a time with its zone", id="a day"),
        pytest.param("yesterday", "a time with its zone", id="a word"),
        pytest.param("", "a time with its zone", id="empty"),
        pytest.param(None, "a time with its zone", id="null"),
        pytest.param(True, "a time with its zone", id="a switch"),
        pytest.param(1.5, "a time with its zone", id="a fraction"),
        pytest.param(-1, "greater than or equal to 0", id="before 1970"),
        pytest.param(1795341600000, "less than or equal to 4294967295", id="milliseconds"),
    ],
)
def test_what_is_no_time_is_refused(world, value, message):
    world.pool["clients_not_before"] = value
    with pytest.raises(settings.SettingsError, match=rf"pools\[corp\]\.clients_not_before: .*{message}"):
        world.load()


def test_the_schema_takes_both_forms():
    pool = settings.json_schema()["$defs"]["PoolSection"]["properties"]["clients_not_before"]
    assert {kind["type"] for kind in pool["anyOf"]} == {"integer", "string"}

"""What the README says of each provider is what the settings take, refuse and ask for."""

import re
from pathlib import Path

import pytest
import yaml

from sidecar import cli
from sidecar.upstream.quirks import PRESETS, preset

_README = (Path(__file__).parent.parent.parent / "README.md").read_text()
_TABLE = _README.split("## Identity providers\n")[1].split("\n## ")[0]
_ROWS = {
    cells[1].strip().strip("`"): [cell.strip() for cell in cells[2:-1]]
    for cells in (line.split("|") for line in _TABLE.splitlines() if line.startswith("| `"))
}
NAMES = sorted(_ROWS)


def _example(name: str) -> dict[str, object]:
    """The minimal pool of the table, its placeholders filled in."""
    pool: dict[str, object] = {"provider": name}
    for code in re.findall(r"`([^`]+)`", _ROWS[name][0]):
        pool |= yaml.safe_load(re.sub(r"<[^>]+>", "x1", code))
    return pool


def _put(world, name: str) -> None:
    for key in ("issuer", "scopes"):
        del world.pool[key]
    world.pool.update(_example(name))


def test_the_table_has_every_preset_and_no_other():
    assert set(_ROWS) == set(PRESETS)


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_example_is_a_configuration_that_checks(world, name, capsys):
    _put(world, name)
    path = world.base / "sidecar.yaml"
    path.write_text(yaml.safe_dump(world.tree))
    with pytest.raises(SystemExit) as left:
        cli.main(["config", "check", str(path)])
    assert left.value.code == 0, capsys.readouterr().err
    assert f"pool corp ({name})" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_allow_is_demanded_where_the_table_says_so(world, name):
    _put(world, name)
    del world.server["allow"]
    refused = _ROWS[name][1] == "yes"
    found = world.refusals() if refused else [world.load()]
    assert not refused or found[0].startswith("servers[notes].allow: is required")


@pytest.mark.parametrize("name", NAMES)
def test_the_table_tells_refresh_and_revocation_as_they_are(name):
    _, _, refresh, revoked, _ = _ROWS[name]
    quirks = preset(name)
    assert revoked == ("yes" if quirks.revocation_scope == "token" else "no")
    if refresh != "never":
        assert refresh == ("once" if quirks.single_use_refresh == "yes" else "again")


@pytest.mark.parametrize("name", NAMES)
def test_the_issuers_form_is_the_tables(name):
    form = preset(name).issuer_form
    assert not form or f"issuer: {form}`" in _ROWS[name][0]


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name in NAMES for key in _example(name) if key not in {"provider", "endpoints"}]
)
def test_what_the_example_has_is_asked_for_with_the_same_example(world, name, key):
    """Take one line away, and the message names it and says what it looks like."""
    _put(world, name)
    del world.pool[key]
    (text,) = world.refusals()
    assert text.startswith(f"pools[corp].{key}")
    assert f"is required for {name}" in text
    if name != "oidc":
        shown = text.partition("such as ")[2]
        assert shown
        assert shown in _ROWS[name][0]


@pytest.mark.parametrize(
    ("pool", "key", "message"),
    [
        pytest.param({"provider": "goggle"}, "provider", "did you mean `google`?", id="typo"),
        pytest.param({"provider": "slak"}, "provider", "did you mean `slack`?", id="another typo"),
        pytest.param({"provider": "zzz"}, "provider", f"is not known; there is: {NAMES[0]}, ", id="nothing like it"),
        pytest.param(
            {"provider": "keycloak", "issuer": "https://id.example.com/"}, "issuer", "https://<host>/realms/", id="host"
        ),
        pytest.param(
            {"provider": "okta", "issuer": "https://a.okta.com/"}, "issuer", "byte for byte", id="slash too many"
        ),
        pytest.param(
            {"provider": "auth0", "issuer": "https://a.auth0.com", "authorize_params": {"audience": "a"}},
            "issuer",
            "https://<tenant>.auth0.com/",
            id="slash missing",
        ),
        pytest.param({"provider": "github-app", "scopes": ["repo"]}, "scopes", "permissions", id="github-app scopes"),
        pytest.param({"provider": "notion", "scopes": ["read"]}, "scopes", "remove them", id="notion scopes"),
        pytest.param({"provider": "oauth2"}, "endpoints.authorize", "is required for oauth2", id="endpoints"),
    ],
)
def test_what_would_end_in_failing_sign_ins_is_said(world, pool, key, message):
    for default in ("issuer", "scopes"):
        del world.pool[default]
    world.pool.update(pool)
    text = world.refusals()[0]
    assert text.startswith(f"pools[corp].{key}: ")
    assert message in text

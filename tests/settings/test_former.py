"""`pools[].former`: what a pool had at its IdP before."""

import pytest

from sidecar.records import UpstreamCredentials


def test_a_former_secret_is_of_the_present_client_unless_another_is_named(world):
    (world.base / "old.secret").write_text("older\n")
    world.pool["former"] = [
        {"client_secret": "old"},
        {"client_id": "before", "client_secret_file": "old.secret", "until": "2026-11-22T10:00:00Z"},
    ]
    assert world.load().directory.pools["corp"].former == (
        UpstreamCredentials("dcr", "old"),
        UpstreamCredentials("before", "older", 1795341600),
    )


def test_a_former_public_client_has_no_secret(world):
    world.pool.pop("client_secret")
    world.pool.update({"token_auth": "none", "former": [{"client_id": "before"}]})
    assert world.load().directory.pools["corp"].former == (UpstreamCredentials("before", ""),)


def test_its_secrets_are_not_shown(world):
    world.pool["former"] = [{"client_secret": "canary"}]
    assert "canary" not in repr(world.load())


@pytest.mark.parametrize(
    ("former", "text"),
    [
        pytest.param({}, "pools[corp].former[0].client_secret_file: is required", id="nothing"),
        pytest.param({"client_id": "x"}, "pools[corp].former[0].client_secret_file: is required", id="no-secret"),
        pytest.param({"client_secret": ""}, "pools[corp].former[0].client_secret: is empty", id="empty"),
        pytest.param(
            {"client_secret_file": "nowhere"}, "pools[corp].former[0].client_secret_file: ", id="no-such-file"
        ),
        pytest.param({"client_secret": "a", "until": "soon"}, "until: must be a time", id="no-time"),
        pytest.param({"client_secret": "a", "scopes": ["x"]}, "scopes", id="unknown-key"),
    ],
)
def test_what_cannot_be_meant_is_refused(world, former, text):
    world.pool["former"] = [former]
    assert any(text in problem for problem in world.refusals())


def test_the_admin_token_may_not_be_a_former_secret(world):
    secret = "0123456789abcdef" * 4
    world.tree["admin"] = {"token": secret}
    world.pool["former"] = [{"client_secret": secret}]
    assert any("admin.token" in problem and "used twice" in problem for problem in world.refusals())

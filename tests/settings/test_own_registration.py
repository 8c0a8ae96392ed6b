"""Pools without a client id: where they may register by themselves, and what cannot be meant."""

import pytest

from sidecar.records import SelfRegistration
from sidecar.settings.pool_sections import PoolSection
from sidecar.settings.pools import resolve_pools
from sidecar.settings.secret_files import Secrets

LOGIN = "https://login.example.com"


def resolved(tmp_path, **keys):
    problems = []
    section = PoolSection(name="corp", id="corp-1", **({"provider": "oidc"} | keys))
    found = resolve_pools((section,), Secrets(tmp_path, problems))
    return found["corp"], [each.key for each in problems]


def test_an_issuer_is_all_that_it_needs(tmp_path):
    pool, problems = resolved(tmp_path, issuer=LOGIN)
    assert problems == []
    assert (pool.client_id, pool.client_secret, pool.registration) == ("", "", None)


def test_servers_that_it_may_find_by_itself_are_named_and_the_token_comes_from_a_file(tmp_path):
    (tmp_path / "iat").write_text("fake-initial\n")
    wanted = {"allowed_issuers": [LOGIN], "initial_access_token_file": "iat"}
    pool, problems = resolved(tmp_path, registration=wanted)
    assert problems == []
    assert pool.registration == SelfRegistration((LOGIN,), "fake-initial")
    assert "fake-initial" not in repr(pool)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        pytest.param({}, "pools[corp].issuer", id="nowhere-to-go"),
        pytest.param({"issuer": LOGIN, "client_secret": "fake"}, "pools[corp].client_id", id="a-secret-of-whom"),
        pytest.param({"provider": "github"}, "pools[corp].client_id", id="a-provider-without-metadata"),
        pytest.param({"issuer": LOGIN, "former": [{"client_secret": "f"}]}, "pools[corp].former", id="former-of-whom"),
        pytest.param(
            {"issuer": LOGIN, "registration": {"initial_access_token_file": "none"}},
            "pools[corp].registration.initial_access_token_file",
            id="no-such-file",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, keys, key):
    assert key in resolved(tmp_path, **keys)[1]

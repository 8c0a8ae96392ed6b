"""What a pool keeps of its former credentials, and for how long."""

from dataclasses import replace

import pytest

from sidecar.pools.rotation import rotated
from sidecar.records import Pool, UpstreamCredentials

NOW, OVERLAP, LIFE = 1000, 70, 900
POOL = Pool("corp", "corp-1", "oidc", "client", "first", ())


def turned(before, **changes):
    return rotated(before, replace(before, **changes), now=NOW, overlap=OVERLAP, grant_life=LIFE)


@pytest.mark.parametrize(
    ("changes", "former"),
    [
        pytest.param({"scopes": ("a",)}, (), id="neither"),
        pytest.param({"client_secret": "new"}, (("client", "first", NOW + OVERLAP),), id="secret"),
        pytest.param({"client_id": "next", "client_secret": "new"}, (("client", "first", NOW + LIFE),), id="client"),
    ],
)
def test_what_was_changed_goes_on_for_as_long_as_somebody_needs_it(changes, former):
    assert turned(POOL, **changes).former == tuple(UpstreamCredentials(*each) for each in former)


def test_without_an_overlap_a_former_secret_is_gone():
    after = rotated(POOL, replace(POOL, client_secret="new"), now=NOW, overlap=0, grant_life=LIFE)
    assert after.former == ()


def test_what_is_over_is_forgotten_and_what_is_used_again_is_not_former():
    over = UpstreamCredentials("client", "older", NOW)
    endless = UpstreamCredentials("client", "oldest", 0)
    back = UpstreamCredentials("client", "second", NOW + 1)
    before = replace(POOL, former=(back, over, endless))
    after = turned(before, client_secret="second")
    assert after.former == (UpstreamCredentials("client", "first", NOW + OVERLAP), endless)


def test_their_number_is_bounded_and_the_oldest_goes_first():
    pool = POOL
    for number in range(20):
        pool = turned(pool, client_secret=f"secret-{number}")
    assert [each.client_secret for each in pool.former] == [f"secret-{number}" for number in range(18, 10, -1)]

"""What every test may ask for: a clock that stands still, reproducible randomness, a keyring."""

import hypothesis
import pytest

from sidecar.sealing import Key, Keyring, KeyState
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy

# Here, for other suites than the store's own build with it: what is imported before cannot be rewritten any more.
pytest.register_assert_rewrite("tests.store.on_servers", "tests.store.build")

# Two cores run several suites at once, so how long an example takes says nothing.
hypothesis.settings.register_profile("everyday", deadline=None)
hypothesis.settings.load_profile("everyday")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def entropy() -> SeededEntropy:
    return SeededEntropy()


@pytest.fixture
def keyring() -> Keyring:
    """Two usable keys: 1 is active, 0 still opens."""
    draw = SeededEntropy(seed=7)
    return Keyring((Key(0, KeyState.OPEN, draw(32)), Key(1, KeyState.ACTIVE, draw(32))))

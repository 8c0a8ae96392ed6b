"""What must hold in whatever order things happen; `make test-deep` tries more of it."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder

ALWAYS_THE_SAME = settings(
    max_examples=50,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate,),  # shrinking takes minutes; the deep test does it
    suppress_health_check=list(HealthCheck),
)


def test_only_good_tokens_open_and_good_tokens_do():
    run_state_machine_as_test(AnyOrder, settings=ALWAYS_THE_SAME)

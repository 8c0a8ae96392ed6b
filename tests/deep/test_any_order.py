"""The state machine of tests/any_order, longer and never twice the same; what fails is made small and printed."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder

LONG = settings(max_examples=150, stateful_step_count=100, deadline=None, suppress_health_check=list(HealthCheck))


def test_only_good_tokens_open_and_good_tokens_do_however_long_it_goes_on():
    run_state_machine_as_test(AnyOrder, settings=LONG)

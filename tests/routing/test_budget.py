from hypothesis import given
from hypothesis import strategies as st

from waypost.routing.budget import HELD_SECONDS, RetryBudget


class Load:
    def __init__(self, in_flight: int = 0) -> None:
        self.in_flight = in_flight
        self.now = 0.0
        self.budget = RetryBudget(lambda: self.in_flight, lambda: self.now)

    def take(self, most: int = 1000) -> int:
        taken = 0
        while taken < most and self.budget.may_retry():
            self.budget.retried()
            taken += 1
        return taken


def test_three_further_tries_are_allowed_when_nothing_else_is_in_flight() -> None:
    assert Load().take() == 3


def test_a_fifth_of_the_calls_in_flight_may_be_further_tries() -> None:
    assert Load(in_flight=100).take() == 20


def test_places_come_back_by_themselves_after_a_while() -> None:
    load = Load()
    load.take()
    load.now += HELD_SECONDS - 0.1
    assert load.take() == 0
    load.now += 0.2
    assert load.take() == 3


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 500)), min_size=1, max_size=60))
def test_never_more_are_out_than_the_share_allows(steps) -> None:
    load = Load()
    out: list[float] = []
    for passed, in_flight in steps:
        load.now += passed
        load.in_flight = in_flight
        out = [at for at in out if at + HELD_SECONDS > load.now]
        taken = load.take()
        out += [load.now] * taken
        assert taken == 0 or len(out) <= max(3, in_flight // 5)
        assert len(out) >= 3 or taken == 0

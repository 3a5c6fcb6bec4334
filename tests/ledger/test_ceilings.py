from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.crossroads import ask, endpoint, provider, usd

from waypost.domain.chat import Usage
from waypost.domain.endpoints import Deadlines
from waypost.domain.money import CHARGE_NANO_USD_MAX, Price, cost_nano_usd
from waypost.domain.plans import Candidate, Plan
from waypost.ledger.ceilings import OUTPUT_TOKENS_LEAST, OUTPUT_TOKENS_MAX, cap_of, ceilings, dearest, longest_within

CHEAP, DEAR = usd(0.10, 0.30), usd(1.00, 4.00)
prices = st.builds(
    Price,
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
    st.integers(0, 10**12),
)


def plan(*endpoints, own_key=None):
    order = tuple(Candidate(each, provider(each.provider), "", own_key) for each in endpoints)
    return Plan("acme/one", "fastest", order, (), Deadlines())


def test_the_dearest_planned_endpoint_sets_the_ceiling():
    found = ceilings(plan(endpoint("cheap", price=CHEAP), endpoint("dear", price=DEAR)), ask(input_tokens_max=1000))
    assert dearest(found, 100) == 1000 * 1_000 + 100 * 4_000


def test_choices_multiply_the_answer_and_not_the_prompt():
    found = ceilings(plan(endpoint("dear", price=DEAR)), ask(input_tokens_max=1000)._replace(choices=3))
    assert dearest(found, 100) == 1000 * 1_000 + 3 * 100 * 4_000


def test_an_image_counts_as_its_endpoint_bounds_it():
    found = ceilings(plan(endpoint("dear", price=DEAR, image_tokens_max=700)), ask(input_tokens_max=10, images=2))
    assert dearest(found, 0) == (10 + 2 * 700) * 1_000


def test_a_prompt_is_never_longer_than_the_context():
    found = ceilings(plan(endpoint("dear", price=DEAR, context_length=100)), ask(input_tokens_max=5000))
    assert dearest(found, 0) == 100 * 1_000


def test_whatever_is_dearest_of_a_class_counts_for_all_of_it():
    odd = Price(input=1_000_000, output=2_000_000, cached_input=3_000_000, reasoning=5_000_000)
    found = ceilings(plan(endpoint("odd", price=odd)), ask(input_tokens_max=10))
    assert dearest(found, 10) == 10 * 3 + 10 * 5


def test_no_credits_are_asked_for_where_nobody_would_be_paid_with_them():
    assert ceilings(plan(endpoint("unpriced")), ask()) == []
    assert ceilings(plan(endpoint("dear", price=DEAR), own_key="mine"), ask()) == []


def test_one_refusable_endpoint_is_enough_for_a_hold():
    assert len(ceilings(plan(endpoint("unpriced"), endpoint("dear", price=DEAR)), ask())) == 1


def test_an_answer_without_a_cap_is_as_long_as_anybody_can_write_and_at_most_our_own_maximum():
    rich = 10**15
    able = ceilings(plan(endpoint("short", price=DEAR, output_tokens_max=900)), ask())
    assert cap_of(able, rich) == 900
    both = ceilings(plan(endpoint("a", price=DEAR, output_tokens_max=900), endpoint("b", price=CHEAP)), ask())
    assert cap_of(both, rich) == OUTPUT_TOKENS_MAX


def test_one_call_takes_at_most_a_quarter_of_the_free_credits():
    found = ceilings(plan(endpoint("dear", price=DEAR)), ask(input_tokens_max=0))
    cap = cap_of(found, 40_000_000)
    assert dearest(found, cap) <= 10_000_000 < dearest(found, cap + 1)


def test_nobody_is_cut_shorter_than_the_least_answer():
    found = ceilings(plan(endpoint("dear", price=DEAR)), ask())
    assert cap_of(found, 0) == OUTPUT_TOKENS_LEAST


def test_a_ceiling_is_never_above_the_most_that_is_charged():
    found = ceilings(plan(endpoint("mad", price=Price(10**15, 10**15))), ask(input_tokens_max=10**9))
    assert dearest(found, 10**9) == CHARGE_NANO_USD_MAX


@given(prices, st.integers(0, 200_000), st.integers(0, 20_000), st.integers(1, 8), st.data())
def test_no_usage_within_the_bounds_costs_more_than_the_ceiling(price, prompt, answer, choices, data):
    found = ceilings(plan(endpoint("any", price=price)), ask(input_tokens_max=prompt)._replace(choices=choices))
    read = data.draw(st.integers(0, prompt))
    cached = data.draw(st.integers(0, read))
    written = data.draw(st.integers(0, answer * choices))
    reasoning = data.draw(st.integers(0, written))
    usage = Usage(read - cached, cached, written - reasoning, reasoning)
    assert cost_nano_usd(price, usage) <= dearest(found, answer)


@given(prices, st.integers(0, 100_000), st.integers(0, 10**13))
def test_the_longest_answer_that_fits_fits_and_one_token_more_does_not(price, prompt, free):
    found = ceilings(plan(endpoint("any", price=price, output_tokens_max=50_000)), ask(input_tokens_max=prompt))
    longest = longest_within(found, free)
    if longest < 0:
        assert dearest(found, 0) > free or dearest(found, 0) == CHARGE_NANO_USD_MAX
    elif longest < 50_000:
        assert dearest(found, longest) <= free
        assert dearest(found, longest + 1) > free or dearest(found, longest + 1) == CHARGE_NANO_USD_MAX
    else:
        assert dearest(found, 50_000) <= free


@pytest.mark.parametrize("tokens", [0, 1, 999])
def test_the_ceiling_rounds_up_once(tokens):
    found = ceilings(plan(endpoint("tiny", price=Price(1, 1, request=1))), ask(input_tokens_max=tokens))
    assert dearest(found, tokens) == 1

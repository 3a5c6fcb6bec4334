from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.purses import Purses, payer

from waypost.domain.chat import Usage
from waypost.domain.ledger import VOID, HoldState
from waypost.domain.money import Price
from waypost.ledger.book import Hold, came_to
from waypost.ledger.settlement import Ended, settlement
from waypost.store.books import STANDING, Counter

PRICE = Price(1_000_000, 2_000_000)  # a nano-USD a token read, two a token written
COUNTED, DELIVERED = Usage(100, 0, 50, 0), Usage(90, 0, 40, 0, estimated=True)
counts = st.integers(0, 10**6)
usages = st.builds(Usage, counts, counts, counts, counts)


@pytest.mark.parametrize(
    ("ended", "counted", "state", "charge"),
    [
        (Ended.DONE, COUNTED, HoldState.SETTLED, 200),
        (Ended.DONE, None, HoldState.SETTLED, 170),
        (Ended.BROKEN, COUNTED, HoldState.SETTLED, 200),
        (Ended.BROKEN, None, HoldState.VOIDED, 0),
        (Ended.GONE, COUNTED, HoldState.SETTLED, 200),
        (Ended.GONE, None, HoldState.SETTLED, 170),
        (Ended.UNSERVED, COUNTED, HoldState.VOIDED, 0),
        (Ended.UNSERVED, None, HoldState.VOIDED, 0),
    ],
)
def test_every_row_of_the_table(ended, counted, state, charge):
    came = settlement(ended, 1000, PRICE, counted, DELIVERED)
    assert (came.state, came.charge, came.overrun) == (state, charge, 0)


def test_what_the_provider_counts_above_the_hold_is_the_operators():
    assert settlement(Ended.DONE, 120, PRICE, COUNTED, DELIVERED)[2:] == (120, 80)


def test_our_own_estimate_is_never_above_the_hold_and_no_overrun():
    assert settlement(Ended.DONE, 120, PRICE, None, DELIVERED)[2:] == (120, 0)


def test_an_explicit_nothing_is_nothing():
    assert settlement(Ended.DONE, 120, PRICE, Usage(0, 0, 0, 0), DELIVERED).charge == 0


@given(st.sampled_from(list(Ended)), st.integers(0, 10**9), st.none() | usages, usages)
def test_no_charge_is_negative_or_above_its_hold(ended, hold, counted, delivered):
    came = settlement(ended, hold, PRICE, counted, delivered)
    assert 0 <= came.charge <= hold
    assert came.overrun >= 0
    assert came.state is HoldState.SETTLED or came.charge == came.overrun == 0


def held(amount):
    purses = Purses(credits__user__1=1000, spend__user__1__202611=500)
    counters = (Counter("spend:user:1:202611", 500, STANDING), Counter("credits:user:1", 0, STANDING))
    hold = Hold(purses, payer(), 202611, counters)
    for counter in counters:
        purses.try_take(counter, amount)
    hold.amount = hold.taken = amount
    return purses, hold


def test_a_hold_gives_back_all_but_its_charge_to_every_counter():
    purses, hold = held(300)
    hold.end(settlement(Ended.DONE, 300, PRICE, COUNTED, DELIVERED))
    assert purses.left == {"credits:user:1": 800, "spend:user:1:202611": 300}
    assert hold.state is HoldState.SETTLED


def test_ending_a_hold_twice_is_ending_it_once():
    purses, hold = held(300)
    for _ in range(2):
        hold.end(settlement(Ended.DONE, 300, PRICE, COUNTED, DELIVERED))
    assert purses.left["credits:user:1"] == 800


def test_a_settlement_that_could_not_be_written_never_was():
    purses, hold = held(300)
    hold.end(settlement(Ended.DONE, 300, PRICE, COUNTED, DELIVERED))
    hold.void()
    hold.void()
    assert purses.left["credits:user:1"] == 1000
    assert hold.state is HoldState.VOIDED


def test_who_served_without_a_price_is_not_paid_with_credits():
    _, hold = held(300)
    assert came_to(hold, Ended.DONE, None, COUNTED, DELIVERED) == VOID

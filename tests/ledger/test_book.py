from __future__ import annotations

import asyncio

import pytest
from tests.support.crossroads import START_MS, ask, endpoint, provider, usd
from tests.support.purses import Purses, payer

from waypost.domain.endpoints import Deadlines
from waypost.domain.ledger import period_range
from waypost.domain.payers import SpendingLimit
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Refusal
from waypost.ledger.book import Book

ONE = Plan(
    "acme/one", "fastest", (Candidate(endpoint("alpha", price=usd(1, 1)), provider("alpha"), ""),), (), Deadlines()
)  # a thousand nano-USD a token
CREDITS, LIMIT = "credits:user:1", "spend:user:1:202609"
LIMITED = payer(limits=(SpendingLimit("user:1", 1_000_000, "user ada"),))


def hold(purses, who=None, plan=ONE, **asked):
    """What the book says, asked or not."""
    found = Book(purses).hold(plan, ask(**{"input_tokens_max": 100, **asked}), who or payer(), START_MS)
    return asyncio.run(found) if asyncio.iscoroutine(found) else found


def test_a_hold_is_taken_from_the_credits_at_once():
    purses = Purses(credits__user__1=10_000_000)
    held = hold(purses, output_tokens_max=50)
    assert held.amount == held.taken == 150_000
    assert purses.left[CREDITS] == 9_850_000
    assert held.cap is None


def test_nothing_is_held_where_nobody_asks_for_credits():
    unpriced = ONE._replace(order=(Candidate(endpoint("local"), provider("local"), ""),))
    assert hold(Purses(), plan=unpriced) is None


def test_who_names_no_cap_gets_one_from_what_is_free():
    held = hold(Purses(credits__user__1=4_400_000))
    assert held.cap == 1000
    assert held.amount == 1_100_000


def test_the_tightest_counter_caps_the_answer():
    held = hold(Purses(credits__user__1=10**12, spend__user__1__202609=4_400_000), LIMITED)
    assert held.cap == 1000


def test_too_few_credits_are_a_402_that_says_what_would_fit():
    purses = Purses(credits__user__1=130_000)
    with pytest.raises(Refusal) as refused:
        hold(purses, output_tokens_max=50)
    problem = refused.value
    assert (problem.code, problem.status) == ("credits_exhausted", 402)
    assert problem.extra == {
        "payer": {"type": "user", "name": "ada"},
        "needed_nano_usd": 150_000,
        "free_nano_usd": 130_000,
        "max_tokens_affordable": 30,
    }
    assert "max_tokens of at most 30" in problem.fix
    assert purses.left[CREDITS] == 130_000


def test_nothing_at_all_is_a_402_too():
    with pytest.raises(Refusal, match=r"\$0\.00 of free credits") as refused:
        hold(Purses(credits__user__1=0))
    assert refused.value.extra["max_tokens_affordable"] == 0


def test_a_limit_that_is_used_up_is_named_and_nothing_stays_held():
    purses = Purses(credits__user__1=10**9, spend__user__1__202609=100_000)
    with pytest.raises(Refusal) as refused:
        hold(purses, LIMITED, output_tokens_max=50)
    assert refused.value.code == "spending_limit_reached"
    assert refused.value.extra["limit"] == {"of": "user ada", "nano_usd": 1_000_000, "until": "2026-10-01T00:00:00Z"}
    assert purses.left == {CREDITS: 10**9, LIMIT: 100_000}


def test_a_refusal_by_the_last_counter_gives_back_what_those_before_gave():
    purses = Purses(credits__user__1=100_000, spend__user__1__202609=10**9)
    with pytest.raises(Refusal, match="free credits"):
        hold(purses, LIMITED, output_tokens_max=50)
    assert purses.left == {CREDITS: 100_000, LIMIT: 10**9}


def test_who_cannot_tell_asks():
    purses = Purses(elsewhere=(CREDITS,), credits__user__1=10**9)
    assert hold(purses, output_tokens_max=50).amount == 150_000
    assert purses.asked == [150_000]


def test_an_answer_whose_length_was_not_asked_for_is_cut_down_to_what_turns_out_to_be_left():
    purses = Purses(elsewhere=(CREDITS,), credits__user__1=4_400_000)
    held = hold(purses)
    assert held.cap == 1000
    assert purses.left[CREDITS] == 4_400_000 - held.amount
    assert len(purses.asked) == 2


def test_a_length_that_was_asked_for_is_never_cut():
    purses = Purses(elsewhere=(CREDITS,), credits__user__1=130_000)
    with pytest.raises(Refusal, match="free credits"):
        hold(purses, output_tokens_max=50)
    assert purses.left[CREDITS] == 130_000


def test_a_low_balance_is_warned_of():
    purses = Purses(credits__user__1=1_000_000_000)
    book = Book(purses, low_nano_usd=10**9)
    held = book.hold(ONE, ask(input_tokens_max=100, output_tokens_max=50), payer(), START_MS)
    assert held.warning == "credits; User ada has $0.99985 of credits left."


def test_a_month_that_turns_begins_anew_and_calls_belong_to_the_month_of_their_number():
    purses = Purses(credits__user__1=10**9, spend__user__1__202609=10**9, spend__user__1__202610=0)
    book = Book(purses)
    asked = ask(input_tokens_max=100, output_tokens_max=50)
    october = period_range(202610)[0]
    with pytest.raises(Refusal, match="monthly spending limit"):
        asyncio.run(book.hold(ONE, asked, LIMITED, october))
    late = book.hold(ONE, asked, LIMITED, october - 1)
    assert (late.period, purses.left["spend:user:1:202609"]) == (202609, 10**9 - late.amount), "though October began"
    with pytest.raises(Refusal, match="monthly spending limit"):
        asyncio.run(book.hold(ONE, asked, LIMITED, october))


def test_the_length_that_is_said_to_fit_fits_once_it_is_asked_for():
    purses = Purses(credits__user__1=300_000)
    with pytest.raises(Refusal) as refused:
        hold(purses)
    fits = refused.value.extra["max_tokens_affordable"]
    assert fits > 0
    assert hold(purses, input_tokens_max=100 + len('"max_tokens": 12345, '), output_tokens_max=fits).amount <= 300_000

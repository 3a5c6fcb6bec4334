from __future__ import annotations

import pytest
from tests.support.crossroads import endpoint, provider, usd

from waypost.domain.endpoints import Deadlines
from waypost.domain.plans import Candidate, Plan
from waypost.domain.problems import Refusal
from waypost.ledger.unpaid import unpaid

EMPTY = Refusal("credits_exhausted", "User ada has $0.00.", fix="Have credits added.")
PAID = Candidate(endpoint("paid", price=usd(1, 1)), provider("paid"), "why")
OWN = Candidate(endpoint("own", price=usd(1, 1)), provider("own"), "why", "mine")
LOCAL = Candidate(endpoint("local"), provider("local"), "why")


def plan(*order):
    return Plan("acme/one", "fastest", order, (), Deadlines())


def test_own_keys_and_endpoints_without_a_price_serve_who_cannot_pay():
    left = unpaid(plan(PAID, OWN, LOCAL), EMPTY)
    assert left.order == (OWN, LOCAL)
    assert [(each.provider, each.reason, each.fix) for each in left.excluded] == [
        ("paid", "credits_exhausted", "Have credits added.")
    ]


def test_where_nobody_is_left_the_refusal_stands():
    with pytest.raises(Refusal) as refused:
        unpaid(plan(PAID), EMPTY)
    assert refused.value is EMPTY


def test_only_a_lack_of_money_leaves_the_rest_of_a_plan():
    broken = Refusal("ledger_unavailable", "The disk is full.")
    with pytest.raises(Refusal, match="disk"):
        unpaid(plan(PAID, OWN), broken)

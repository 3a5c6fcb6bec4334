from __future__ import annotations

from tests.support.purses import payer

from waypost.domain.payers import SpendingLimit
from waypost.ledger.unaffordable import credits_exhausted, low_balance, spending_limit_reached


def test_who_pays_for_others_is_not_told_to_bill_another_organisation():
    acme = payer(type="organisation", name="acme", account="org:3")
    assert "X-HF-Bill-To" not in credits_exhausted(acme, 10, 5, -1).fix
    assert "X-HF-Bill-To" in credits_exhausted(payer(), 10, 5, -1).fix


def test_a_limit_says_whose_it_is_and_until_when():
    said = spending_limit_reached(payer(), SpendingLimit("token:9", 10**9, "token 'ci'"), 10, 5, 202612, 3)
    assert "token 'ci'" in said.message
    assert "2027-01-01" in said.why
    assert ("at most 3," in said.fix, said.extra["max_tokens_affordable"]) == (True, 3)


def test_a_warning_has_a_topic_that_hugging_faces_clients_show_once():
    assert low_balance(payer(), 10**8).partition("; ")[0] == "credits"

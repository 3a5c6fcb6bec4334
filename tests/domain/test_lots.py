from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.lots import Lot, used, within

LOTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=6).map(
    lambda rows: [Lot(number, remaining, expires_at) for number, (remaining, expires_at) in enumerate(rows)]
)


def after(lots: list[Lot], left: dict[int, int]) -> list[int]:
    return [left.get(lot.id, lot.remaining) for lot in lots]


def test_what_ends_first_is_used_first():
    lots = [Lot(1, 10, 300), Lot(2, 10, 100), Lot(3, 10, 200)]
    assert used(lots, 15) == {2: 0, 3: 5}
    assert used(lots, 40) == {1: 0, 2: 0, 3: 0}


def test_of_two_that_end_together_the_older_is_used_first():
    assert used([Lot(9, 10, 100), Lot(4, 10, 100)], 10) == {4: 0}


def test_empty_lots_and_charges_of_nothing_change_nothing():
    assert used([Lot(1, 0, 100), Lot(2, 5, 200)], 0) == {}
    assert used([Lot(1, 0, 100), Lot(2, 5, 200)], 2) == {2: 3}


def test_lots_are_cut_only_when_they_are_more_than_the_balance():
    lots = [Lot(1, 10, 100), Lot(2, 10, 200)]
    assert within(lots, 20) == {}
    assert within(lots, 25) == {}
    assert within(lots, 13) == {1: 3}
    assert within(lots, -5) == {1: 0, 2: 0}


@given(LOTS, st.integers(0, 400))
def test_a_charge_uses_exactly_its_amount_or_all_there_is(lots, amount):
    left = after(lots, used(lots, amount))
    before = sum(lot.remaining for lot in lots)
    assert sum(left) == max(0, before - amount)
    assert all(0 <= now <= lot.remaining for now, lot in zip(left, lots, strict=True))


@given(LOTS, st.lists(st.integers(0, 60), max_size=8))
def test_charges_netted_in_one_commit_leave_what_they_leave_one_by_one(lots, charges):
    one_by_one = lots
    for charge in charges:
        left = used(one_by_one, charge)
        one_by_one = [lot._replace(remaining=left.get(lot.id, lot.remaining)) for lot in one_by_one]
    assert after(lots, used(lots, sum(charges))) == [lot.remaining for lot in one_by_one]


@given(LOTS, st.integers(-50, 400))
def test_lots_never_stay_above_the_balance(lots, balance):
    assert sum(after(lots, within(lots, balance))) <= max(balance, 0)

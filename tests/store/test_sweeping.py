import pytest
from paid_calls import CREDITS, bill_of
from purses import Purses, payer

from waypost.domain.payers import SpendingLimit
from waypost.ledger.book import Hold
from waypost.store.batch import Batch
from waypost.store.openings import Opening
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sweeping import begin_epoch


@pytest.fixture
def scribe(connection):
    return Scribe(connection, lambda: 5)


def opened(scribe, bills, epoch=1):
    hold = Hold(Purses(), payer(limits=(SpendingLimit("token:9", 9, "t"),)), 202611, (CREDITS,))
    hold.amount = hold.taken = 100
    bill = bill_of(bills, hold)
    batch = Batch([], [], [], [], [Opening(bill)])
    batch.epoch = epoch
    scribe.prepare(batch)
    scribe.write(batch)
    return bill.id


def states(scribe):
    return dict(scribe.sql.rows("SELECT id, state FROM calls"))


def test_only_the_calls_of_the_life_that_is_over_are_ended(scribe, bills):
    dead, alive = opened(scribe, bills), opened(scribe, bills, epoch=2)
    assert scribe.sweep(1).ids == [dead]
    assert states(scribe) == {dead: 3, alive: 0}
    assert scribe.sweep(None).ids == [alive]
    assert scribe.sweep(None) == ([], [])


def test_a_marked_call_says_by_how_much_counters_move(scribe, bills):
    number = opened(scribe, bills)
    scribe.sql.run("UPDATE calls SET output = 5")
    assert scribe.sweep(1) == ([number], [("credits:user:1", -35), ("spend:token:9:202611", -35)])


def test_the_cost_of_a_lost_prompt_is_the_operators(scribe, bills):
    number = opened(scribe, bills)
    scribe.sweep(1)
    assert scribe.sql.rows("SELECT kind, amount, call FROM transfers") == [("loss", 25, number)]


def test_a_call_that_has_ended_is_not_voided(scribe, bills):
    first, second = opened(scribe, bills), opened(scribe, bills)
    scribe.sweep(None)
    third = opened(scribe, bills)
    scribe.void([first, third, 99])
    assert states(scribe) == {first: 3, second: 3, third: 2}
    assert scribe.segments.calls == 3


def test_lives_have_growing_numbers(sql):
    assert [begin_epoch(sql, 1), begin_epoch(sql, 1), begin_epoch(sql, 1, 9), begin_epoch(sql, 1)] == [1, 2, 9, 10]

from money_rows import COST, write_call
from sample_bills import START_MS

from waypost.domain.requests import request_id
from waypost.store.reconcile import EXAMPLES, Example, reconcile


def test_without_reported_costs_there_is_nothing_to_compare(sql):
    write_call(sql, START_MS)
    assert reconcile(sql) == []


def test_differences_are_listed_by_provider_and_model_the_largest_first(sql):
    for n in range(3):
        write_call(sql, START_MS + n, reported_nano_usd=COST)
    more = write_call(sql, START_MS + 5, reported_nano_usd=COST + 100, overrun_nano_usd=40)
    less = write_call(sql, START_MS + 6, reported_nano_usd=COST - 500, provider="beta", model="acme/two")
    worst, other = reconcile(sql)
    assert (worst.provider, worst.model, worst.calls, worst.different) == ("beta", "acme/two", 1, 1)
    assert worst.difference_nano_usd == -500
    assert worst.examples == [Example(request_id(less), COST - 500, COST, 1)]
    assert (other.provider, other.calls, other.different, other.difference_nano_usd) == ("alpha", 4, 1, 60)
    assert other.examples == [Example(request_id(more), COST + 100, COST + 40, 1)]


def test_what_providers_want_for_calls_that_nobody_paid_is_a_difference(sql):
    voided = write_call(sql, START_MS, reported_nano_usd=70, state=2, charge_nano_usd=0)
    own = write_call(sql, START_MS + 1, reported_nano_usd=90, state=None, charge_nano_usd=0)
    write_call(sql, START_MS + 2, reported_nano_usd=90, state=0)
    (one,) = reconcile(sql)
    assert one.examples == [Example(request_id(own), 90, 0, None), Example(request_id(voided), 70, 0, 2)]
    assert one.difference_nano_usd == 160


def test_only_calls_of_the_time_are_compared_and_only_the_worst_are_examples(sql):
    for n in range(EXAMPLES + 3):
        write_call(sql, START_MS + n, reported_nano_usd=COST + n)
    (one,) = reconcile(sql, START_MS + 1)
    assert (one.calls, one.different, len(one.examples)) == (EXAMPLES + 2, EXAMPLES + 2, EXAMPLES)
    assert [example.reported_nano_usd - COST for example in one.examples] == [7, 6, 5, 4, 3]
    assert reconcile(sql, START_MS, START_MS + 2)[0].calls == 2

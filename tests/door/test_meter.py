"""Counters: true after any calls, and next to free."""

import time

from crossroads import ask

from waypost.domain.chat import Usage
from waypost.domain.waybill import Attempt, Outcome, Waybill
from waypost.door.meter import Histogram, Meter


def bill(outcome=Outcome.DELIVERED, served_by="alpha", **more):
    shown = Waybill(1, 1, "req_1", request=ask(), outcome=outcome, served_by=served_by)
    for name, value in more.items():
        setattr(shown, name, value)
    return shown


def samples(meter, name):
    return dict(next(family.samples for family in meter.families() if family.name == name))


def test_calls_are_counted_by_outcome_code_and_provider():
    meter = Meter()
    for _ in range(3):
        meter.ended(bill())
    meter.ended(bill(Outcome.REFUSED, None, code="token_unknown"))
    assert samples(meter, "waypost_requests_total") == {
        (("outcome", "delivered"), ("code", ""), ("provider", "alpha")): 3,
        (("outcome", "refused"), ("code", "token_unknown"), ("provider", "")): 1,
    }


def test_every_attempt_counts_for_the_provider_that_made_it():
    meter = Meter()
    meter.ended(bill(attempts=[Attempt("beta", "x", 500, "provider_failed"), Attempt("alpha", "x", 200)]))
    assert samples(meter, "waypost_attempts_total") == {
        (("provider", "beta"), ("code", "provider_failed")): 1,
        (("provider", "alpha"), ("code", "")): 1,
    }


def test_tokens_and_charges_add_up_by_provider_and_class():
    meter = Meter()
    meter.ended(bill(usage=Usage(10, 5, 20, 7), charge_nano_usd=1_000))
    meter.ended(bill(usage=Usage(1, 0, 2, 0), charge_nano_usd=1))
    meter.ended(bill(usage=None))
    tokens = samples(meter, "waypost_tokens_total")
    assert {key[1][1]: count for key, count in tokens.items()} == {
        "input": 11, "cached_input": 5, "output": 22, "reasoning": 7,
    }  # fmt: skip
    assert samples(meter, "waypost_charge_nano_usd_total") == {(("provider", "alpha"),): 1_001}


def test_times_fall_into_the_bucket_that_holds_them():
    meter = Meter()
    for first_word_ms in (25.0, 26.0, 500_000.0):
        meter.ended(bill(first_word_ms=first_word_ms, ms=first_word_ms))
    histogram = samples(meter, "waypost_first_word_seconds")[(("provider", "alpha"),)]
    assert isinstance(histogram, Histogram)
    assert histogram.counts[0] == 1, "a bucket holds its own bound"
    assert histogram.counts[1] == 1
    assert histogram.counts[-1] == 1
    assert histogram.sum == 500.051
    assert sum(samples(meter, "waypost_request_seconds")[(("provider", "alpha"),)].counts) == 3


def test_a_call_that_went_out_tells_what_the_gateway_itself_took():
    meter = Meter()
    meter.ended(bill(Outcome.REFUSED, None, gateway_ms=5.0))
    meter.ended(bill(attempts=[Attempt("alpha", "x")], gateway_ms=0.15))
    assert sum(samples(meter, "waypost_gateway_seconds")[()].counts) == 1


def test_whoever_else_listens_is_told_of_every_call():
    told = []
    meter = Meter(told.append)
    one = bill()
    meter.ended(one)
    assert told == [one]


def test_counting_a_call_costs_about_a_microsecond():
    meter = Meter()
    one = bill(attempts=[Attempt("alpha", "x", 200)], usage=Usage(1, 2, 3, 4), first_word_ms=1.0, ms=2.0)
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1_000):
            meter.ended(one)
        best = min(best, time.perf_counter() - began)
    assert best / 1_000 < 5e-6  # 0.8 µs when the machine is quiet

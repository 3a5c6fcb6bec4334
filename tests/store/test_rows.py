import zlib

import msgspec
import pytest
from sample_bills import SECRET, Bills, sample_payer, sample_plan, sample_request

from waypost.domain.chat import Usage
from waypost.domain.waybill import Attempt, Outcome
from waypost.store.rows import COLUMNS, DELIVERY_UNKNOWN, ESTIMATED, OWN_KEY, PLANS_KEPT_MAX, SERVED, STREAM, RowMaker

bills = Bills()


def row_of(bill):
    return dict(zip(COLUMNS, RowMaker().row(bill), strict=False))


def test_a_delivered_call_becomes_one_row():
    row = row_of(bills.bill())
    trail = row.pop("trail")
    assert row == {
        "id": row["id"],
        "user_id": 1,
        "token_id": 1,
        "payer": "user ada",
        "model": "acme/one",
        "policy": "fastest",
        "provider": "alpha",
        "code": None,
        "session": None,
        "price_version": "2026-11-20",
        "account": "user:1",
        "provider_account": None,
        "outcome": 1,
        "status": 200,
        "flags": STREAM | SERVED,
        "input": 120,
        "cached_input": 30,
        "output": 200,
        "reasoning": 40,
        "hold_nano_usd": 0,
        "charge_nano_usd": 12_345,
        "overrun_nano_usd": 0,
        "reported_nano_usd": None,
        "state": None,
        "epoch": None,
        "period": None,
        "gateway_us": 350,
        "first_word_us": 120_500,
        "total_us": 620_500,
    }
    assert isinstance(trail, bytes)


def test_a_call_that_came_to_nothing_is_a_row_too():
    row = row_of(bills.bare(outcome=Outcome.REFUSED, status=400, code="invalid_request"))
    assert (row["user_id"], row["model"], row["provider"], row["input"]) == (None, None, None, None)
    assert (row["outcome"], row["flags"]) == (2, 0)


def test_a_failed_call_stands_under_the_provider_that_was_tried_last():
    bill = bills.bill(outcome=Outcome.FAILED, served_by=None)
    bill.attempts.append(Attempt("beta", "one", 502, "provider_failed"))
    row = row_of(bill)
    assert row["provider"] == "beta"
    assert not row["flags"] & SERVED


def test_what_was_guessed_or_unsure_is_marked():
    row = row_of(bills.bill(usage=Usage(1, 0, 1, 0, estimated=True), delivery_unknown=True))
    assert row["flags"] & ESTIMATED
    assert row["flags"] & DELIVERY_UNKNOWN


def test_who_pays_is_written_with_what_it_is():
    assert row_of(bills.bill(payer=sample_payer("acme", "organisation")))["payer"] == "organisation acme"


def test_long_words_from_outside_are_cut():
    row = row_of(bills.bill(request=sample_request(model="m" * 5000, session_tag="s" * 5000)))
    assert (len(row["model"]), len(row["session"])) == (256, 256)


def test_a_providers_key_is_never_in_a_row():
    assert SECRET.encode() not in msgspec.msgpack.encode(RowMaker().row(bills.bill()))


def test_plans_that_repeat_are_packed_once_and_only_so_many_are_kept():
    maker, plan = RowMaker(), sample_plan()
    assert maker.row(bills.bill(plan=plan))[-1] == maker.row(bills.bill(plan=plan))[-1]
    for number in range(PLANS_KEPT_MAX * 2):
        maker.row(bills.bill(plan=sample_plan(f"acme/{number}")))
    assert len(maker._plans) <= PLANS_KEPT_MAX


def test_long_plans_and_bodies_are_kept_small():
    plan = sample_plan("acme/one", *[f"provider-{number}" for number in range(200)])
    body = b'{"messages": []}' * 1000
    trail = row_of(bills.bill(plan=plan, request_body=body, reply_body=b"short"))["trail"]
    assert len(trail) < 4_000
    zipped, packed = msgspec.msgpack.decode(trail)[5]
    assert zipped
    assert zlib.decompress(packed) == body


def test_the_columns_of_the_row_are_those_of_the_table(connection):
    found = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('calls')")}
    assert found == set(COLUMNS)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_number(outcome):
    assert 1 <= row_of(bills.bill(outcome=outcome))["outcome"] <= 4


def test_a_call_with_the_payers_own_key_says_so():
    bill = Bills().bill(own_key="mine")
    flags = RowMaker().row(bill)[COLUMNS.index("flags")]
    assert flags & OWN_KEY
    assert not RowMaker().row(Bills().bill())[COLUMNS.index("flags")] & OWN_KEY

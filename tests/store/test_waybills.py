import json

import msgspec
from sample_bills import Bills, sample_payer

from waypost.domain.waybill import Attempt, Outcome
from waypost.store.rows import COLUMNS, RowMaker, stranger_row
from waypost.store.waybills import iso, stranger_json, waybill_json

bills = Bills()


def json_of(bill):
    row = dict(zip(COLUMNS, RowMaker().row(bill), strict=False))
    found = waybill_json(row | {"user": "ada", "token": "laptop"})
    json.dumps(found)  # nothing in it that JSON cannot say
    return found


def test_times_are_iso_with_milliseconds_in_utc():
    assert iso(1_790_000_000_007) == "2026-09-21T14:13:20.007Z"


def test_a_waybill_reads_as_the_design_draws_it():
    bill = bills.bill()
    assert json_of(bill) == {
        "id": bill.request_id,
        "at": iso(bill.at_ms),
        "caller": {"user": "ada", "token": "laptop", "session_tag": None},
        "payer": {"type": "user", "name": "ada"},
        "bill_to": None,
        "model": "acme/one",
        "asked": "acme/one:fastest",
        "policy": "fastest",
        "stream": True,
        "outcome": "delivered",
        "status": 200,
        "code": None,
        "why": "",
        "fix": "",
        "plan": {
            "order": ["alpha", "beta"],
            "why": {"alpha": "212 tokens/s", "beta": "212 tokens/s"},
            "excluded": [
                {
                    "provider": "gamma",
                    "reason": "no_tools",
                    "why": "It offers no tools.",
                    "until": None,
                    "fix": "Ask without tools.",
                }
            ],
            "explored": False,
        },
        "attempts": [
            {
                "provider": "alpha",
                "endpoint_model": "one-at-alpha",
                "status": 200,
                "code": None,
                "connect_ms": 1.5,
                "first_word_ms": 120.25,
                "ms": 620.0,
                "upstream_request_id": "up-1",
                "why": "",
                "repeats": 0,
            }
        ],
        "served_by": "alpha",
        "usage": {"input": 120, "cached_input": 30, "output": 200, "reasoning": 40, "estimated": False},
        "hold_nano_usd": 0,
        "charge_nano_usd": 12_345,
        "overrun_nano_usd": 0,
        "reported_nano_usd": None,
        "own_key": False,
        "price_version": "2026-11-20",
        "timing": {"gateway_ms": 0.35, "first_word_ms": 120.5, "ms": 620.5, "output_tokens_per_s": 480.0},
        "delivery_unknown": False,
    }


def test_a_refused_call_says_why_and_what_helps():
    bill = bills.bare(outcome=Outcome.REFUSED, status=400, code="invalid_request", why="no model", fix="name one")
    found = json_of(bill)
    assert (found["outcome"], found["code"], found["why"], found["fix"]) == (
        "refused",
        "invalid_request",
        "no model",
        "name one",
    )
    assert found["plan"] is found["usage"] is found["payer"] is found["served_by"] is None
    assert found["timing"]["output_tokens_per_s"] is None


def test_a_failed_call_was_served_by_nobody():
    bill = bills.bill(outcome=Outcome.FAILED, served_by=None)
    bill.attempts.append(Attempt("beta", "one", 502, "provider_failed", why="boom"))
    found = json_of(bill)
    assert found["served_by"] is None
    assert [attempt["provider"] for attempt in found["attempts"]] == ["alpha", "beta"]


def test_times_are_told_to_the_microsecond():
    bill = bills.bill()
    bill.attempts.append(Attempt("beta", "one", 200, None, connect_ms=0.5108730001666117, ms=1085.6573139999455))
    told = json_of(bill)["attempts"][-1]
    assert (told["connect_ms"], told["first_word_ms"], told["ms"]) == (0.511, None, 1085.657)


def test_who_pays_is_told():
    found = json_of(bills.bill(payer=sample_payer("acme", "organisation")))
    assert (found["payer"], found["bill_to"]) == ({"type": "organisation", "name": "acme"}, "acme")


def test_kept_bodies_come_back_as_text_long_or_short():
    long = json.dumps({"text": "é" * 3000}).encode()
    found = json_of(bills.bill(request_body=long, reply_body=b"\xff ok"))
    assert found["request_body"] == long.decode()
    assert found["reply_body"] == "\N{REPLACEMENT CHARACTER} ok"
    assert "request_body" not in json_of(bills.bill())


def test_a_trail_of_an_older_version_can_still_be_read():
    row = dict(zip(COLUMNS, RowMaker().row(bills.bill()), strict=False))
    asked, plan, attempts, why, fix, *_ = msgspec.msgpack.decode(row["trail"])
    row["trail"] = msgspec.msgpack.encode([asked, plan, [attempts[0][:8]], why, fix])
    found = waybill_json(row | {"user": "ada", "token": "laptop"})
    assert (found["attempts"][0]["upstream_request_id"], found["attempts"][0]["repeats"]) == ("up-1", None)
    assert "request_body" not in found


def test_an_unknown_caller_is_described_without_its_credential():
    bill = bills.bare(stranger="hf_…, 37 characters", status=401, code="token_unknown", ms=0.25)
    assert stranger_json(*stranger_row(bill)) == {
        "id": bill.request_id,
        "at": iso(bill.at_ms),
        "stranger": "hf_…, 37 characters",
        "asked": "",
        "outcome": "refused",
        "status": 401,
        "code": "token_unknown",
        "why": "",
        "fix": "",
        "timing": {"ms": 0.25},
    }

"""Payments that are told from outside: each counts once, and only where it is signed."""

from __future__ import annotations

import json

import httpx
import pytest
from money_server import BILLING, SECRET, WEBHOOK, balance, code_of, now_seconds, pay

from waypost.door.signatures import HEADER, signature


def test_a_signed_payment_counts_once_however_often_and_late_it_comes(server, acme) -> None:
    first = {"id": f"{acme} 1", "payer": acme, "amount_usd": "12.50"}
    second = {"id": f"{acme} 2", "payer": acme, "amount_nano_usd": 1}
    told = [pay(server, payment) for payment in (second, first, second, first, first)]
    assert [one.status_code for one in told] == [201, 201, 200, 200, 200]
    assert [one.json()["again"] for one in told] == [False, False, True, True, True]
    assert balance(server, acme) == 12_500_000_001


def test_the_same_payment_of_another_amount_moves_nothing(server, acme) -> None:
    pay(server, {"id": f"{acme} 1", "payer": acme, "amount_usd": "1"})
    assert code_of(pay(server, {"id": f"{acme} 1", "payer": acme, "amount_usd": "2"})) == "invalid_request"
    assert balance(server, acme) == 10**9


def test_what_is_not_signed_now_with_our_secret_for_this_body_moves_nothing(server, acme) -> None:
    body = json.dumps({"id": f"{acme} 1", "payer": acme, "amount_usd": "5"}).encode()
    now = now_seconds()
    good = signature(SECRET, now, body)
    other = json.dumps({"id": f"{acme} 1", "payer": acme, "amount_usd": "6"}).encode()
    old, early = signature(SECRET, now - 301, body), signature(SECRET, now + 330, body)
    for said in (None, "", "t=1", f"v1={'0' * 64}", good[:-1], good.upper(), f"t={now},t={now},{good.split(',')[1]}",
                 f"t={now + 1},{good.split(',')[1]}", signature(b"another secret of ours!", now, body), old, early,
                 signature(SECRET, now, other), "t=²,v1=" + "0" * 64):  # fmt: skip
        headers = {} if said is None else {HEADER: said.encode("latin-1", "replace")}
        reply = httpx.post(server.address + WEBHOOK, content=body, headers=headers, timeout=30)
        assert (reply.status_code, code_of(reply)) == (403, "signature_invalid"), said
        assert SECRET.decode() not in reply.text
    assert balance(server, acme) == 0
    while_it_is_changed = f"{good},v1={'0' * 64}"
    assert httpx.post(server.address + WEBHOOK, content=body, headers={HEADER: while_it_is_changed}).status_code == 201


@pytest.mark.parametrize(
    ("payment", "code"),
    [
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        ({"payer": "x", "amount_usd": "1"}, "invalid_request"),
        ({"id": "", "payer": "ME", "amount_usd": "1"}, "invalid_request"),
        ({"id": "p", "payer": "nobody", "amount_usd": "1"}, "not_found"),
        ({"id": "p", "payer": "ME"}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_usd": "1", "amount_nano_usd": 1}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_usd": "-1"}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_usd": "0.0000000001"}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_nano_usd": 0}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_nano_usd": 1.5}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_nano_usd": True}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_nano_usd": 2**63}, "invalid_request"),
        ({"id": "p" * 256, "payer": "ME", "amount_usd": "1"}, "invalid_request"),
        ({"id": "included:202611:user:1", "payer": "ME", "amount_usd": "1"}, "invalid_request"),
        ({"id": "p", "payer": "ME", "amount_usd": "1", "odd": 1}, "invalid_request"),
    ],
)
def test_a_signed_message_that_says_nothing_sensible_moves_nothing(server, payment, code) -> None:
    if isinstance(payment, dict) and payment.get("payer") == "ME":
        payment = payment | {"payer": server.running.user}
    before = server.ask("GET", f"{BILLING}/credits").json()["balance_nano_usd"]
    assert code_of(pay(server, payment)) == code
    assert server.ask("GET", f"{BILLING}/credits").json()["balance_nano_usd"] == before

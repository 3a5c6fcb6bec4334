"""Money over HTTP, against a running server: payments that are signed, credits, usage to the nano-USD, exports."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from waypost_process import Waypost, waypost

from waypost.door.signatures import HEADER, signature
from waypost.store.visitor import visit

SECRET = b"a secret of thirty-two characters"
SETTINGS = '[credits]\nwebhook_secret_env = "TOP_UP_SECRET"\n'
BILLING = "/api/settings/billing"
WEBHOOK = "/api/webhooks/top-up"
names = itertools.count(1)


@pytest.fixture(scope="module", params=["1", "2"], ids=["one process", "two workers"])
def server(request, tmp_path_factory) -> Iterator[Waypost]:
    folder = tmp_path_factory.mktemp("money")
    environment = {"TOP_UP_SECRET": SECRET.decode()}
    with waypost(folder, SETTINGS, "--workers", request.param, environment=environment) as running:
        yield running


@pytest.fixture
def acme(server) -> str:
    """A fresh organisation whose admin is the first user."""
    name = f"acme-{next(names)}"
    made = server.ask("POST", "/api/organizations", json={"name": name, "admin": server.running.user})
    assert made.status_code == 201, made.text
    return name


def now_seconds() -> int:
    return int(datetime.now(UTC).timestamp())


def pay(server: Waypost, payment: dict | bytes, secret: bytes = SECRET) -> httpx.Response:
    body = payment if isinstance(payment, bytes) else json.dumps(payment).encode()
    signed = signature(secret, now_seconds(), body)
    return httpx.post(server.address + WEBHOOK, content=body, headers={HEADER: signed}, timeout=30)


def balance(server: Waypost, name: str) -> int:
    return server.ask("GET", f"/api/organizations/{name}/billing/credits").json()["balance_nano_usd"]


def chat(server: Waypost, **headers: str) -> dict:
    body = {"model": "practice/sage", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
    reply = server.ask("POST", "/v1/chat/completions", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return server.waybill(reply.headers["x-request-id"])


def code_of(reply: httpx.Response) -> str:
    return reply.headers.get("x-error-code", "")


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


def test_operators_give_credits_once_for_each_outside_id(server, acme) -> None:
    form = {"amount_nano_usd": 5, "outside_id": f"{acme} gift", "note": "welcome", "expires_at": "2999-01-01T00:00:00Z"}
    first, again = (server.ask("POST", f"/api/organizations/{acme}/credits", json=form) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()["again"]) == (201, 200, True)
    shown = server.ask("GET", f"/api/organizations/{acme}/billing/credits").json()
    assert (shown["balance_nano_usd"], shown["lots"][0]["remaining_nano_usd"]) == (5, 5)
    [transfer] = shown["transfers"]["data"]
    assert (transfer["kind"], transfer["note"], transfer["outside_id"]) == ("grant", "welcome", f"{acme} gift")
    topup = {"amount_nano_usd": 5, "kind": "topup"}
    assert code_of(server.ask("POST", f"/api/organizations/{acme}/credits", json=topup)) == "invalid_request"
    assert code_of(server.ask("POST", "/api/users/nobody-here/credits", json=form)) == "not_found"
    assert code_of(server.ask("POST", f"/api/users/{acme}/credits", json=form)) == "not_found"


def test_transfers_come_page_by_page(server, acme) -> None:
    for number in range(5):
        form = {"amount_nano_usd": number + 1, "outside_id": f"{acme} {number}"}
        server.ask("POST", f"/api/organizations/{acme}/credits", json=form)
    seen, before = [], None
    while True:
        query = f"?limit=2{f'&before={before}' if before else ''}"
        page = server.ask("GET", f"/api/organizations/{acme}/billing/credits{query}").json()["transfers"]
        seen += [one["amount_nano_usd"] for one in page["data"]]
        before = page.get("next")
        if not page["has_more"]:
            break
    assert seen == [5, 4, 3, 2, 1]


def test_usage_is_what_the_calls_came_to_in_both_shapes_and_by_every_group(server, acme) -> None:
    path = f"/api/organizations/{acme}/billing/usage-v2"
    server.ask("POST", f"/api/organizations/{acme}/credits", json={"amount_nano_usd": 10**10})
    bills = [chat(server, **{"x-hf-bill-to": acme, "x-hf-session-id": f"s{n % 2}"}) for n in range(4)]
    charge = sum(bill["charge_nano_usd"] for bill in bills)
    assert charge > 0
    theirs = server.ask("GET", path).json()["usage"]["inferenceProviders"]
    assert (theirs["usedNanoUsd"], theirs["numRequests"], theirs["includedNanoUsd"]) == (charge, 4, 0)
    assert theirs["periodStart"] < bills[0]["at"] < theirs["periodEnd"]
    for by in ("day", "model", "provider", "token", "member", "session", "day,model", "session,member"):
        shown = server.ask("GET", path, params={"by": by}).json()
        assert shown["by"] == by.split(",")
        assert sum(group["charge_nano_usd"] for group in shown["groups"]) == shown["total"]["charge_nano_usd"] == charge
    [member] = server.ask("GET", path, params={"by": "member"}).json()["groups"]
    assert member["member_name"] == server.running.user
    assert balance(server, acme) == 10**10 - charge


def test_sessions_are_told_in_hugging_faces_shape(server, acme) -> None:
    server.ask("POST", f"/api/organizations/{acme}/credits", json={"amount_nano_usd": 10**10})
    bills = [chat(server, **{"x-hf-bill-to": acme, "x-hf-session-id": "job 1"}) for _ in range(3)]
    path = f"/api/organizations/{acme}/billing/usage-by-inference-session"
    told = server.ask("GET", path, params={"startDate": "2026-01-01T00:00:00Z"}).json()
    assert told["currency"] == "USD"
    [session] = [one for period in told["periods"] for one in period["sessions"]]
    charge = sum(bill["charge_nano_usd"] for bill in bills)
    assert session == {"id": "job 1", "costCents": charge / 10**7, "costNanoUsd": charge, "requestCount": 3}
    assert [period["periodStart"][8:10] for period in told["periods"]] == ["01"] * len(told["periods"])


def test_exports_are_complete_and_harmless_in_a_spreadsheet(server, acme) -> None:
    server.ask("POST", f"/api/organizations/{acme}/credits", json={"amount_nano_usd": 10**10})
    bills = [chat(server, **{"x-hf-bill-to": acme, "x-hf-session-id": "=1+1"}) for _ in range(2)]
    path = f"/api/organizations/{acme}/billing/usage-v2"
    reply = server.ask("GET", path, params={"by": "request", "format": "csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    assert "attachment" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["id"] for row in rows] == [bill["id"] for bill in bills]
    assert [int(row["charge_nano_usd"]) for row in rows] == [bill["charge_nano_usd"] for bill in bills]
    assert {row["session"] for row in rows} == {"'=1+1"}
    listed = server.ask("GET", path, params={"by": "request"}).json()["data"]
    assert [row["id"] for row in listed] == [bill["id"] for bill in bills]
    by_accept = server.ask("GET", path, params={"by": "session"}, headers={"accept": "text/csv"}).text
    assert by_accept.splitlines()[1].startswith("'=1+1,2,")
    by_day = server.ask("GET", path, headers={"accept": "text/csv"}).text
    assert by_day.startswith("day,requests,")


@pytest.mark.parametrize(
    "query",
    [
        "by=colour", "by=session,model", "by=day,day", "by=request,day", "format=xml", "startDate=soon", "color=1",
        "startDate=2026-02-01&endDate=2026-01-01", "startDate=253402300799", "endDate=0", "startDate=99999999999999",
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_told_so(server, query) -> None:
    reply = server.ask("GET", f"{BILLING}/usage-v2?{query}")
    assert (reply.status_code, code_of(reply)) == (400, "invalid_request"), reply.text


def test_times_are_unix_seconds_or_iso_and_may_be_far_away(server) -> None:
    for query in ("startDate=1&endDate=1795238543", "startDate=2026-01-01&endDate=9999-12-31", "startDate=0"):
        assert server.ask("GET", f"{BILLING}/usage-v2?{query}").status_code == 200, query
    assert server.ask("GET", f"{BILLING}/usage-by-inference-session?startDate=0").status_code == 400


def test_an_organisation_is_changed_field_by_field_and_told_to_every_worker(server, acme) -> None:
    path = f"/api/organizations/{acme}"
    server.ask("PATCH", path, json={"spending_limit_nano_usd": 7, "rules": {"billers": "admin"}})
    changed = server.ask("PATCH", path, json={"fullname": "Acme", "rules": {"providers": ["practice-swift"]}}).json()
    assert (changed["spending_limit_nano_usd"], changed["fullname"]) == (7, "Acme")
    assert (changed["rules"]["billers"], changed["rules"]["providers"]) == ("admin", ["practice-swift"])
    server.ask("PATCH", path, json={"spending_limit_nano_usd": None, "rules": {"providers": None}})
    for _ in range(8):  # whichever worker answers
        shown = server.ask("GET", path).json()
        assert (shown["spending_limit_nano_usd"], shown["rules"]["providers"]) == (None, None)
    for wrong in ({"spending_limit_nano_usd": -1}, {"rules": {"billers": "owner"}}, {"name": "other"}, {"odd": 1}):
        assert code_of(server.ask("PATCH", path, json=wrong)) == "invalid_request", wrong


def test_members_come_change_and_go(server, acme) -> None:
    user = f"{acme}-bob"
    with visit(server.running.data) as run:
        run("user.create", {"name": user})
    path = f"/api/organizations/{acme}/members/{user}"
    assert server.ask("PUT", path, json={"spending_limit_nano_usd": 5}).json()["role"] == "read"
    assert server.ask("PUT", path, json={"role": "write"}).json()["spending_limit_nano_usd"] == 5
    assert user in {one["user"] for one in server.ask("GET", f"/api/organizations/{acme}").json()["members"]}
    assert server.ask("DELETE", path).status_code == 200
    assert code_of(server.ask("DELETE", path)) == "not_found"
    assert code_of(server.ask("PUT", path, json={"role": "boss"})) == "invalid_request"
    assert code_of(server.ask("PUT", f"{path}-nobody", json={})) == "invalid_request"

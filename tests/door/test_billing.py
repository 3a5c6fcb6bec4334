"""Usage over HTTP: to the nano-USD, in Hugging Face's shapes and by every group, and as files."""

from __future__ import annotations

import csv
import io

import pytest
from money_server import BILLING, balance, chat, code_of


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

"""Credits over HTTP: what there is, what moved it, and what operators give."""

from __future__ import annotations

from money_server import code_of


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

"""Organisations over HTTP: changed field by field, and told to every worker."""

from __future__ import annotations

from money_server import code_of

from waypost.store.visitor import visit


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

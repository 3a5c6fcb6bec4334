"""Every route × every kind of caller, against a running server: each cell of the permission table, and others' things.

The table is read from the page that people read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tidiness import ROOT
from waypost_process import Waypost, waypost

from waypost.cli.people import make_token
from waypost.domain.callers import SCOPES
from waypost.door.permissions import KINDS, YES, Kind
from waypost.door.routes import ROUTES, Route, Whose
from waypost.store.visitor import Run, visit

SECRET = {"TOP_UP_SECRET": "a secret of thirty-two characters"}
SETTINGS = '[credits]\nwebhook_secret_env = "TOP_UP_SECRET"\n'
GATE = {
    "token_missing", "token_unknown", "scope_missing", "operator_only", "organisation_forbids", "signature_invalid",
}  # fmt: skip
"""Codes that no handler here answers with, for what these tests send."""
NOT_YOURS = "you are in no organisation of this name or id"
CHAT = {"model": "practice/sage", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}
BODIES: dict[str, Any] = {
    "chat": CHAT,
    "chat_pinned": CHAT,
    "explain": CHAT,
    "put_preferences": {},
    "create_token": {"name": "", "permissions": []},
    "create_organisation": {"name": "Not A Name"},
    "change_organisation": {"fullname": "Acme"},
    "put_organisation_preferences": {},
    "put_member": {"role": "read"},
    "give_organisation_credits": {"amount_nano_usd": 1},
    "give_user_credits": {"amount_nano_usd": 1},
    "put_provider_key": {},
    "put_organisation_provider_key": {},
    "top_up": {"id": "p1", "payer": "sam", "amount_nano_usd": 1},
}
"""What is sent to routes that take a body; what passes the gate may still be no good."""
WITHOUT_BODY = {
    "list_models", "get_model", "list_requests", "get_request", "whoami", "hub_models", "hub_model", "hub_tasks",
    "get_preferences", "get_organisation_preferences", "list_tokens", "revoke_token", "list_provider_keys",
    "get_provider_key", "remove_provider_key", "usage", "usage_by_session", "credits", "list_organisations",
    "get_organisation", "remove_member", "organisation_usage", "organisation_usage_by_session",
    "organisation_credits", "list_organisation_provider_keys", "get_organisation_provider_key",
    "remove_organisation_provider_key", "live", "ready", "metrics", "openapi",
}  # fmt: skip
HOLES = {
    "{model:path}": "practice/sage", "{id}": "99999999", "{provider}": "practice-swift", "{name}": "acme",
    "{user}": "tom",
}  # fmt: skip


class Place(NamedTuple):
    """A running server with an organisation, its people, and tokens of every kind."""

    waypost: Waypost
    secrets: dict[tuple[str, str], str]
    """User and what the token may do (`read`, `write`, a scope, `here` and a scope) → its secret."""
    run: Run

    def token(self, kind: Kind, scope: str | None) -> str | None:
        if kind.token is None:
            return None
        user = "olga" if kind.operator else kind.role or "sam"
        if kind.token in {"read", "write"}:
            return self.secrets[user, kind.token]
        if kind.token == "with":
            return self.secrets[user, scope or SCOPES[0]]
        if kind.token == "here":
            return self.secrets[user, f"here {scope or SCOPES[0]}"]
        return self.secrets[user, next(one for one in SCOPES if one != scope)]

    def ask(self, method: str, path: str, token: str | None, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | ({} if token is None else {"authorization": f"Bearer {token}"})
        return httpx.request(method, self.waypost.address + path, headers=headers, timeout=30, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("permissions")
    with waypost(folder, SETTINGS, environment=SECRET) as running, visit(folder / "data") as run:
        for user in ("olga", "sam", "read", "write", "admin", "tom"):
            run("user.create", {"name": user, "operator": user == "olga"})
        run("org.create", {"name": "acme"})
        for role in ("read", "write", "admin"):
            run("member.set", {"organisation": "acme", "user": role, "role": role})
        yield Place(running, dict(tokens(run, folder / "data")), run)


def tokens(run: Run, data: Path) -> Iterator[tuple[tuple[str, str], str]]:
    for user in ("olga", "sam", "read", "write", "admin"):
        wanted: dict[str, dict[str, Any]] = {"read": {"kind": "read"}, "write": {"kind": "write"}}
        for scope in SCOPES:
            wanted[scope] = {"kind": "fineGrained", "permissions": [scope]}
            grant = {"entity_type": "org", "entity_name": "acme", "permissions": [scope]}
            wanted[f"here {scope}"] = {"kind": "fineGrained", "grants": [grant]}
        for what, rights in wanted.items():
            yield (user, what), make_token(run, data, "wp_", {"user": user, "name": what, **rights})[0]


def page() -> dict[str, dict[str, str]]:
    """Route → kind of caller → what the page says."""
    text = (ROOT / "docs" / "reference" / "permissions.md").read_text()
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def path_of(route: Route) -> str:
    path = route.template
    for hole, value in HOLES.items():
        path = path.replace(hole, value)
    return path


def refused_with(answer: httpx.Response) -> str:
    """The gate's code, or `yes` where the request came to its handler, whatever that made of it."""
    assert answer.status_code < 500, answer.text
    code = answer.headers.get("x-error-code", "")
    if code in GATE:
        return code
    if answer.status_code == 404 and answer.json().get("error", {}).get("why") == NOT_YOURS:
        return "not_found"
    return YES


def test_every_row_has_a_sample_and_a_line_on_the_page() -> None:
    assert {route.name for route in ROUTES} == BODIES.keys() | WITHOUT_BODY
    assert list(page()) == [f"{route.method} {route.template}" for route in ROUTES]
    assert {kind.title for kind in KINDS} <= next(iter(page().values())).keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_kind_of_caller_meets_what_the_page_says(place, route: Route) -> None:
    row = page()[f"{route.method} {route.template}"]
    more = {"json": BODIES[route.name]} if route.name in BODIES else {}
    told = {}
    for kind in KINDS:
        if route.name == "remove_member":
            place.run("member.set", {"organisation": "acme", "user": "tom", "role": "read"})
        answer = place.ask(route.method, path_of(route), place.token(kind, route.scope), **more)
        told[kind.title] = refused_with(answer)
    assert told == {kind.title: row[kind.title] for kind in KINDS}


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.access.whose is Whose.ORGANISATION], ids=lambda route: route.name
)
def test_an_organisation_of_others_is_as_unknown_as_one_that_never_was(place, route: Route) -> None:
    said = []
    for name in ("acme", "1", "zzzz"):
        path = path_of(route).replace("acme", name)
        answer = place.ask(route.method, path, place.secrets["sam", "write"], json=BODIES.get(route.name))
        error = answer.json()["error"]
        said.append((answer.status_code, error["message"].replace(name, "N"), error["why"], error["fix"]))
    assert said == [said[0]] * 3


def test_anothers_waybill_and_token_are_as_unknown_as_what_never_was(place) -> None:
    mine, others = place.secrets["sam", "write"], place.secrets["write", "write"]
    number = place.ask("POST", "/v1/chat/completions", mine, json=CHAT).headers["x-request-id"]
    [token] = [one for one in place.ask("GET", "/api/settings/tokens", mine).json()["data"] if one["name"] == "read"]
    for method, path, never in (
        ("GET", f"/v1/requests/{number}", "/v1/requests/req_0000000000000"),
        ("DELETE", f"/api/settings/tokens/{token['id']}", "/api/settings/tokens/99999999"),
    ):
        there, nowhere = place.ask(method, path, others), place.ask(method, never, others)
        assert there.status_code == nowhere.status_code == 404
        word = re.compile(r"'[^']*'")
        messages = [word.sub("", answer.json()["error"]["message"]) for answer in (there, nowhere)]
        assert messages[0] == messages[1]
    assert place.ask("GET", f"/v1/requests/{number}", place.secrets["olga", "write"]).status_code == 200
    assert place.ask("GET", "/api/settings/tokens", mine).status_code == 200


def test_an_admin_sees_what_its_organisation_paid_for_and_nothing_else_of_its_members(place) -> None:
    place.run("credits.grant", {"account": "org:1", "amount": 10**9})
    priced = CHAT | {"model": "practice/sage:practice-swift"}
    member = place.secrets["write", "write"]
    paid = place.ask("POST", "/v1/chat/completions", member, json=priced, headers={"x-hf-bill-to": "acme"})
    assert paid.headers["x-waypost-payer"] == "acme"
    own = place.ask("POST", "/v1/chat/completions", member, json=priced)

    def status(answer: httpx.Response, user: str, token: str = "write") -> int:
        path = f"/v1/requests/{answer.headers['x-request-id']}"
        return place.ask("GET", path, place.secrets[user, token]).status_code

    assert status(paid, "admin") == status(paid, "admin", "here org.billing.read") == 200
    assert status(paid, "admin", "inference.serverless.write") == 404
    assert [status(paid, user) for user in ("read", "sam")] == [404, 404]
    assert [status(own, user) for user in ("admin", "read", "sam")] == [404, 404, 404]


def test_lists_hold_nothing_of_others(place) -> None:
    place.ask("POST", "/v1/chat/completions", place.secrets["sam", "write"], json=CHAT)
    others = place.secrets["write", "write"]
    for path in ("/v1/requests", "/api/settings/tokens", "/api/settings/billing/usage-v2?by=request"):
        shown = place.ask("GET", path, others)
        assert shown.status_code == 200
        assert "sam" not in shown.text
    assert place.ask("GET", "/v1/requests?caller=sam", others).headers["x-error-code"] == "operator_only"
    assert place.ask("GET", "/api/organizations?all=true", others).headers["x-error-code"] == "operator_only"
    assert place.ask("GET", "/api/organizations", place.secrets["sam", "read"]).json()["data"] == []


def test_members_see_themselves_and_admins_everybody(place) -> None:
    def seen(role: str) -> list[str]:
        shown = place.ask("GET", "/api/organizations/acme", place.secrets[role, "write"]).json()
        return [member["user"] for member in shown["members"]]

    assert seen("read") == ["read"]
    assert set(seen("admin")) == set(seen("olga")) >= {"admin", "read", "write"}


def test_an_admin_cannot_give_its_organisation_credits_each_month(place) -> None:
    change = {"included_nano_usd": 1}
    refused = place.ask("PATCH", "/api/organizations/acme", place.secrets["admin", "write"], json=change)
    assert refused.headers["x-error-code"] == "operator_only"
    assert place.ask("PATCH", "/api/organizations/acme", place.secrets["olga", "write"], json=change).status_code == 200


def test_an_organisation_keeps_an_admin(place) -> None:
    admin = place.secrets["admin", "write"]
    path = "/api/organizations/acme/members/admin"
    assert place.ask("PUT", path, admin, json={"role": "read"}).status_code == 400
    assert place.ask("DELETE", path, admin).status_code == 400
    assert place.ask("PUT", path, admin, json={"spending_limit_nano_usd": None}).status_code == 200

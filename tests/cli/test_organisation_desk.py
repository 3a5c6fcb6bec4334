"""`waypost orgs`, and spending limits of users and tokens, without and with a running server."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["no server", "a server"])
def call(request, tmp_path):
    if request.param == "a server":
        return request.getfixturevalue("cli")
    alone = request.getfixturevalue("alone")
    return lambda *arguments: alone(*arguments, "--data", tmp_path / "data")


@pytest.fixture
def org(call, request) -> str:
    """A fresh organisation with a user of its own in it, `<name>-ann`, an admin."""
    name = "o" + "".join(c for c in request.node.name.lower() if c.isalnum())[-40:]
    assert call("users", "create", f"{name}-ann", "--operator").code == 0
    made = call("orgs", "create", name, "--admin", f"{name}-ann", "--spending-limit", "20", "--format", "json")
    assert made.code == 0, made.err
    assert made.data["spending_limit_nano_usd"] == 20_000_000_000
    return name


def test_members_come_change_and_go(call, org) -> None:
    call("users", "create", f"{org}-bob")
    added = call("orgs", "add-member", org, f"{org}-bob", "--spending-limit", "1.5", "--format", "json").data
    assert (added["role"], added["spending_limit_nano_usd"]) == ("read", 1_500_000_000)
    changed = call("orgs", "add-member", org, f"{org}-bob", "--role", "write", "--format", "json").data
    assert (changed["role"], changed["spending_limit_nano_usd"]) == ("write", 1_500_000_000)
    call("orgs", "add-member", org, f"{org}-bob", "--spending-limit", "none")
    members = {one["user"]: one for one in call("orgs", "members", org, "--format", "json").data}
    assert members[f"{org}-bob"]["spending_limit_nano_usd"] is None
    assert members[f"{org}-ann"]["role"] == "admin"
    assert call("orgs", "remove-member", org, f"{org}-bob").code == 0
    assert call("orgs", "remove-member", org, f"{org}-bob").code == 2
    assert call("orgs", "members", org, "--format", "quiet").lines == [f"{org}-ann"]


def test_who_takes_the_last_admin_out_is_told_so(call, org) -> None:
    for name, role in (("bob", "write"), ("eve", "admin")):
        call("users", "create", f"{org}-{name}")
        call("orgs", "add-member", org, f"{org}-{name}", "--role", role)
    assert "no admin" not in call("orgs", "remove-member", org, f"{org}-ann", "--format", "human").err
    assert "has no admin any more" in call("orgs", "remove-member", org, f"{org}-eve", "--format", "human").err


def test_rules_and_limits_change_one_by_one(call, org) -> None:
    call("orgs", "set", org, "--providers", "practice-swift,practice-thrifty", "--billers", "admin")
    call("orgs", "set", org, "--price-demanded", "--member-limit", "0.000000001", "--included", "3")
    told = call("orgs", "show", org, "--format", "json").data
    assert (told["providers"], told["billers"], told["price_demanded"]) == (
        ["practice-swift", "practice-thrifty"],
        "admin",
        True,
    )
    assert (told["member_spending_limit_nano_usd"], told["included_nano_usd"]) == (1, 3_000_000_000)
    call("orgs", "set", org, "--providers", "all", "--spending-limit", "none", "--included", "none")
    told = call("orgs", "show", org, "--format", "json").data
    assert (told["providers"], told["spending_limit_nano_usd"], told["included_nano_usd"]) == (None, None, None)
    assert told["billers"] == "admin"


def test_slips_are_usage_errors_with_what_was_meant(call, org) -> None:
    for wrong in (
        ("orgs", "show", org[:-1] + "z"),
        ("orgs", "set", org),
        ("orgs", "set", org, "--providers", "practice-swif"),
        ("orgs", "set", org, "--spending-limit", "lots"),
        ("orgs", "set", org, "--spending-limit", "-1"),
        ("orgs", "add-member", org, "nobody-here"),
        ("orgs", "create", f"{org}-ann"),
        ("orgs", "create", "Not A Name"),
    ):
        done = call(*wrong)
        assert (done.code, done.err != "") == (2, True), wrong


def test_limits_of_users_and_tokens_are_typed_in_usd(call, org) -> None:
    call("users", "set", f"{org}-ann", "--spending-limit", "2.50")
    assert call("users", "show", f"{org}-ann", "--format", "json").data["spending_limit_nano_usd"] == 2_500_000_000
    call("users", "set", f"{org}-ann", "--spending-limit", "none")
    assert call("users", "show", f"{org}-ann", "--format", "json").data["spending_limit_nano_usd"] is None
    token = call("tokens", "create", "ci", "--user", f"{org}-ann", "--spending-limit", "0.1", "--format", "json").data
    assert token["limits"] == {"spending_nano_usd_per_month": 100_000_000}
    human = call("tokens", "show", "ci", "--user", f"{org}-ann", "--format", "human").out
    assert "$0.10 a month" in human


def test_every_organisation_is_listed(call, org) -> None:
    assert org in call("orgs", "list", "--format", "quiet").lines
    assert org in call("orgs", "list", "--format", "human").out

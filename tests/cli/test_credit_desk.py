"""`waypost credits`, with and without a running server: amounts to the last digit, each outside id once."""

from __future__ import annotations

import pytest


@pytest.fixture
def folder(alone, tmp_path):
    """A data folder on which no server runs, with a user and an organisation."""

    def call(*arguments: object):
        return alone(*arguments, "--data", tmp_path / "data")

    assert call("users", "create", "ann", "--operator").code == 0
    assert call("orgs", "create", "acme", "--admin", "ann", "--force").code == 0
    return call


def shown(call, name: str = "acme"):
    return call("credits", "show", name, "--format", "json").data


@pytest.mark.parametrize(
    ("typed", "nano", "usd"),
    [
        ("12.50", 12_500_000_000, "$12.50"),
        ("$0.000000001", 1, "$0.000000001"),
        ("1,000", 10**12, "$1,000.00"),
        ("99999999.999999999", 10**17 - 1, "$99,999,999.999999999"),
    ],
)
def test_amounts_are_kept_and_shown_to_the_last_digit(folder, typed, nano, usd) -> None:
    done = folder("credits", "grant", "acme", typed, "--format", "json").data
    assert done["balance_nano_usd"] == done["transfer"]["amount_nano_usd"] == nano
    assert done["balance_usd"] == done["transfer"]["amount_usd"] == usd


@pytest.mark.parametrize("typed", ["", "twelve", "1.0000000001", "nan", "inf", "1e99", "0", "0.00", "12.5.0"])
def test_what_is_no_amount_moves_nothing_and_is_a_usage_error(folder, typed) -> None:
    assert folder("credits", "grant", "acme", typed).code == 2
    assert folder("credits", "grant", "acme", "--", f"-{typed or 1}").code == 2
    assert shown(folder)["balance_nano_usd"] == 0


def test_the_same_outside_id_twice_is_once_and_for_something_else_is_refused(folder) -> None:
    first = folder("credits", "topup", "acme", "5", "--outside-id", "p1", "--format", "json").data
    again = folder("credits", "topup", "acme", "5", "--outside-id", "p1", "--format", "json").data
    assert (first["again"], again["again"], again["transfer"]["id"]) == (False, True, first["transfer"]["id"])
    assert folder("credits", "topup", "acme", "6", "--outside-id", "p1").code == 2
    assert shown(folder)["balance_usd"] == "$5.00"


def test_a_top_up_needs_the_payments_name(folder) -> None:
    done = folder("credits", "topup", "acme", "5")
    assert (done.code, "--outside-id" in done.err) == (2, True)


def test_a_user_has_what_comes_with_the_month_before_its_first_call(folder) -> None:
    told = shown(folder, "ann")
    assert (told["balance_usd"], told["included_left_usd"], told["free_usd"]) == ("$5.00", "$5.00", "$5.00")


def test_who_may_owe_has_more_that_is_free(folder) -> None:
    assert folder("credits", "allow", "acme", "3").code == 0
    assert (shown(folder)["free_usd"], shown(folder)["may_owe_usd"]) == ("$3.00", "$3.00")
    assert folder("credits", "allow", "acme", "--", "-3").code == 2


def test_history_says_what_moved_newest_first(folder) -> None:
    folder("credits", "grant", "acme", "5", "--note", "welcome", "--expires", "90d")
    folder("credits", "refund", "acme", "1.5")
    newest, first = folder("credits", "history", "acme", "--format", "json").data
    assert (newest["kind"], newest["amount_usd"]) == ("refund", "-$1.50")
    assert (first["kind"], first["note"], first["ends_at"] is None) == ("grant", "welcome", False)


def test_credits_that_end_are_shown_with_their_end(folder) -> None:
    folder("credits", "grant", "acme", "5", "--expires", "2999-01-01")
    [lot] = shown(folder)["ending"]
    assert (lot["kind"], lot["left_usd"], lot["ends_at"][:2]) == ("grant", "$5.00", "29")


def test_everybody_is_listed_and_who_is_unknown_is_a_usage_error_with_what_was_meant(folder) -> None:
    assert folder("credits", "show", "--format", "quiet").lines == ["ann", "acme"]
    done = folder("credits", "show", "acne")
    assert (done.code, "acme" in done.err) == (2, True)
    assert folder("credits", "refund", "req_nonsense").code == 2
    assert folder("credits", "refund", "acme").code == 2


def test_a_request_is_refunded_once(cli) -> None:
    """At a running server, to the payer of the call."""
    number = cli("chat", "hello", "-m", "practice/sage", "--format", "json").data["request_id"]
    cost = cli("requests", "show", number, "--format", "json").data["charge_nano_usd"] or 0
    done = cli("credits", "refund", number, "--format", "json")
    assert (done.code, done.data["transfer"]["amount_nano_usd"], done.data["transfer"]["request"]) == (0, cost, number)
    assert cli("credits", "refund", number).code == 2


def test_credits_given_to_a_running_server_count_at_once(cli) -> None:
    cli("orgs", "create", "rich", "--force")
    given = cli("credits", "grant", "rich", "7.25", "--format", "json").data
    assert (given["balance_usd"], shown(cli, "rich")["free_usd"]) == ("$7.25", "$7.25")
    assert cli("credits", "show", "rich", "--format", "quiet").out == "$7.25\n"


@pytest.mark.parametrize("limited", ["the user", "the token", "the account"])
def test_who_may_spend_no_more_is_told_with_exit_code_6(cli, limited) -> None:
    name = limited.replace(" ", "-")
    cli("users", "create", name, *(["--spending-limit", "0"] if limited == "the user" else []))
    more = ["--spending-limit", "0"] if limited == "the token" else []
    token = cli("tokens", "create", "its", "--user", name, *more, "--format", "quiet").out.strip()
    asked = ("chat", "hello", "-m", "practice/sage:practice-swift", "--token", token)
    if limited == "the account":
        assert cli(*asked).code == 0
        left = cli("credits", "show", name, "--format", "json").data["balance_usd"]
        cli("credits", "refund", name, left)
    done = cli(*asked)
    assert done.code == 6, done.err
    assert "hint: " in done.err

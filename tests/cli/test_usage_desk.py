"""`waypost usage`, while a server runs and has charged for a call."""

from __future__ import annotations

import csv
import io

import pytest


@pytest.fixture
def charged(cli) -> int:
    """What a call has just cost."""
    number = cli("chat", "hello", "-m", "practice/sage", "--format", "json").data["request_id"]
    cost = cli("requests", "show", number, "--format", "json").data["charge_nano_usd"]
    assert cost > 0
    return cost


def test_the_sums_are_what_the_calls_come_to_however_they_are_grouped(cli, charged) -> None:
    told = {}
    for by in ("day", "model", "provider", "token", "member"):
        rows = cli("usage", "--by", by, "--format", "json").data
        told[by] = sum(row["charge_nano_usd"] for row in rows)
    each = cli("usage", "--by", "request", "--format", "json").data
    assert set(told.values()) == {sum(row["charge_nano_usd"] or 0 for row in each)}
    assert max(told.values()) >= charged


def test_csv_holds_the_same_and_opens_in_a_spreadsheet(cli, charged) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("usage", "--by", "model", "--csv").out)))
    told = cli("usage", "--by", "model", "--format", "json").data
    assert [int(row["charge_nano_usd"]) for row in rows] == [row["charge_nano_usd"] for row in told]
    each = list(csv.DictReader(io.StringIO(cli("usage", "--by", "request", "--csv").out)))
    assert any(int(row["charge_nano_usd"] or 0) == charged for row in each)


def test_one_accounts_usage_is_its_own(cli, charged) -> None:
    cli("orgs", "create", "idle", "--force")
    assert cli("usage", "--org", "idle", "--format", "json").data == []
    user = cli("users", "list", "--format", "quiet").lines[0]
    assert sum(row["charge_nano_usd"] for row in cli("usage", "--user", user, "--format", "json").data) >= charged
    assert cli("usage", "--org", "nobody").code == 2
    assert cli("usage", "--org", "idle", "--user", user).code == 2


def test_what_cannot_be_asked_together_and_times_that_are_none_are_usage_errors(cli) -> None:
    for wrong in (
        ("--by", "session", "--by", "model"),
        ("--by", "request", "--by", "day"),
        ("--since", "yesterday-ish"),
        ("--since", "1d", "--until", "7d"),
    ):
        assert cli("usage", *wrong).code == 2, wrong

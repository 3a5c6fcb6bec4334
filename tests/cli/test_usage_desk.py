"""`waypost usage` and `waypost ledger`, while a server runs and has charged for a call."""

from __future__ import annotations

import csv
import io

import apsw
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
        assert all(row[by] != "" for row in rows)
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


def test_the_books_are_whole_while_a_server_runs_on_them(cli, charged) -> None:
    done = cli("ledger", "verify", "--format", "human")
    assert (done.code, done.out[:20]) == (0, "The books are whole:")
    assert cli("ledger", "verify", "--format", "json").data == []
    assert cli("ledger", "replay", "--format", "json").data == []
    assert cli("ledger", "reconcile", "--format", "json").code == 0


def test_a_balance_that_somebody_changed_is_found_explained_and_mended(alone, tmp_path) -> None:
    def call(*arguments: object):
        return alone(*arguments, "--data", tmp_path / "data")

    call("users", "create", "ann")
    call("credits", "grant", "ann", "5")
    assert call("ledger", "verify").code == 0
    [database] = (tmp_path / "data").glob("*.db")
    with apsw.Connection(str(database)) as connection:
        connection.execute("UPDATE accounts SET posted = posted + 1 WHERE name = 'user:1'")
    connection.close()
    broken = call("ledger", "verify", "--format", "json")
    assert broken.code == 1
    assert any("user:1" in one["explained"] for one in broken.data)
    replayed = call("ledger", "replay", "--format", "json")
    assert (replayed.code, replayed.data[0]["kept"] - replayed.data[0]["rebuilt"]) == (1, 1)
    assert call("ledger", "replay", "--mend").code == 0
    assert call("ledger", "verify").code == 0

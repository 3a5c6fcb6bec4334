"""`waypost ledger`, while a server runs and where none does."""

from __future__ import annotations

import apsw
import pytest


@pytest.fixture
def charged(cli) -> int:
    """What a call has just cost."""
    number = cli("chat", "hello", "-m", "practice/sage", "--format", "json").data["request_id"]
    cost = cli("requests", "show", number, "--format", "json").data["charge_nano_usd"]
    assert cost > 0
    return cost


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

"""What is true of a ledger after every step: its own invariants; disk and memory are as the oracle says."""

from __future__ import annotations

from typing import Any

from waypost.store.replay import replay
from waypost.store.sql import Sql
from waypost.store.verify import verify

ACCOUNTS = ("user:1", "org:1")


def check_disk(world: Any, sql: Sql) -> None:
    found = [one.explained for one in verify(sql, world.owner.living_epochs)]
    assert not found, found
    same("replayed entries", [one for one in replay(sql) if one.certain], [])
    same("balances", existing(sql.rows("SELECT name, posted FROM accounts")), existing(world.said.posted.items()))
    same("floors", dict(sql.rows(FLOORS)), existing(world.said.floors.items()))
    spent = {(subject, period): used for subject, period, used in sql.rows(SPENT)}
    same("spending", existing(spent.items()), existing(world.said.spent.items()))
    for account in ACCOUNTS:
        same(f"lots of {account}", sql.rows(LOTS, {"account": account}), world.said.remaining(account))
    running = {call.bill.id: call.amount for call in world.open}
    held = dict(sql.rows("SELECT id, hold_nano_usd FROM calls WHERE state = 0"))
    same("open holds", held, {number: running.get(number) for number in held})
    same("lost holds", [call.bill.id for call in world.open if call.written and call.bill.id not in held], [])
    for name, state, known in (("settled", 1, world.charged), ("expired", 3, world.expired)):
        same(name, sorted(number for (number,) in sql.rows(IN_STATE, {"state": state})), sorted(known))


def check_memory(world: Any) -> None:
    standing = world.owner.counters._standing
    for account in ACCOUNTS:
        tally = standing.get(f"credits:{account}")
        if tally is not None:
            same(f"what is free in memory of {account}", tally.free(0), world.said.free(account))
    for limit in {limit for payer in world.payers for limit in payer.limits}:
        tally = standing.get(f"spend:{limit.subject}:{world.period}")
        if tally is not None:
            left = world.said.left(limit.subject, world.period, limit.nano_usd)
            same(f"what is left in memory of {limit.subject}", tally.free(limit.nano_usd), left)


def same(what: str, here: Any, there: Any) -> None:
    """Fails with both, for pytest explains nothing outside of tests."""
    assert here == there, f"{what}: the ledger has {here}, the oracle {there}"


def existing(amounts: Any) -> dict[Any, int]:
    return {key: amount for key, amount in amounts if amount}


IN_STATE = "SELECT id FROM calls WHERE state = :state"
FLOORS = "SELECT name, floor FROM accounts WHERE floor <> 0"
SPENT = "SELECT subject, period, used FROM spending"
LOTS = """
  SELECT l.expires_at, l.remaining FROM lots l JOIN accounts a ON a.id = l.account
  WHERE a.name = :account AND l.remaining > 0 ORDER BY l.expires_at, l.remaining
"""

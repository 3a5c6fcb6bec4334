"""Accounts, what moved on them besides calls, and lots: how they are read, and made at first use."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from waypost.domain.ledger import Account, Transfer
from waypost.domain.lots import Lot
from waypost.store.desk import invalid
from waypost.store.sql import Row, Sql

PAYER: Final = re.compile(r"(user|org):([1-9][0-9]{0,17})")
OWNERS: Final = {
    "user": "SELECT name FROM users WHERE id = :id",
    "org": "SELECT name FROM organisations WHERE id = :id",
}
GRANTED, OVERRUN, LOSS = "granted", "overrun", "loss"
ACCOUNTS: Final = """
  SELECT a.id, a.name, a.posted, a.floor, a.period, a.period_used, coalesce(o.held, 0)
  FROM accounts a LEFT JOIN
    (SELECT account, sum(hold_nano_usd) AS held FROM calls WHERE state = 0 GROUP BY account) o ON o.account = a.id
"""
TRANSFERS: Final = """
  SELECT t.id, t.at_ms, t.kind, d.name, c.name, t.amount, t.outside_id, t.call, t.about, t.note, t.by_user, l.expires_at
  FROM transfers t JOIN accounts d ON d.id = t.debit JOIN accounts c ON c.id = t.credit LEFT JOIN lots l ON l.id = t.id
"""
OF_ACCOUNT: Final = """
  WHERE t.id IN (
    SELECT id FROM
      (SELECT id FROM transfers WHERE debit = :account AND id < :before ORDER BY id DESC LIMIT :limit) AS gone
    UNION ALL
    SELECT id FROM
      (SELECT id FROM transfers WHERE credit = :account AND id < :before ORDER BY id DESC LIMIT :limit) AS come
  ) ORDER BY t.id DESC LIMIT :limit
"""
ID_MAX: Final = (1 << 63) - 1


class Due(NamedTuple):
    """A lot whose end has passed."""

    lot: int
    account: str
    remaining: int


def is_payer(name: str) -> bool:
    """Whether an account's credits are counted: a user's or organisation's."""
    return PAYER.fullmatch(name) is not None


def accounts(sql: Sql) -> list[Account]:
    """Every account, in the order in which they were first used."""
    return [Account(*row) for row in sql.rows(ACCOUNTS + " ORDER BY a.id")]


def account_named(sql: Sql, name: str) -> Account | None:
    """One account by its ledger name; None until something moved on it."""
    row = sql.row(ACCOUNTS + " WHERE a.name = :name", {"name": name})
    return None if row is None else Account(*row)


def account_for(sql: Sql, who: str) -> str | None:
    """The ledger's name for a user or an organisation by its own: `ada` → `user:1`. None where there is none."""
    user = sql.value("SELECT id FROM users WHERE name = :name", {"name": who})
    if user is not None:
        return f"user:{user}"
    organisation = sql.value("SELECT id FROM organisations WHERE name = :name", {"name": who})
    return None if organisation is None else f"org:{organisation}"


def owner_name(sql: Sql, account: str) -> str | None:
    """Whose account it is: `user:1` → `ada`. None for what is no payer's."""
    match = PAYER.fullmatch(account)
    if match is None:
        return None
    name = sql.value(OWNERS[match[1]], {"id": int(match[2])})
    return None if name is None else str(name)


def account_number(sql: Sql, name: str) -> int:
    """The number of an account, which is made where there is none yet."""
    known = sql.value("SELECT id FROM accounts WHERE name = :name", {"name": name})
    if known is None:
        known = sql.value("INSERT INTO accounts (name) VALUES (:name) RETURNING id", {"name": name})
    return int(known)


def payer_account(sql: Sql, name: str) -> Account:
    """A payer's account, made at first use. Raises Refusal for names of nobody."""
    if owner_name(sql, name) is None:
        raise invalid(
            "account",
            f"{name[:64]!r} is nobody's account.",
            fix="Name a user's as user:<id> or an organisation's as org:<id>; `waypost credits` lists them.",
        )
    account_number(sql, name)
    found = account_named(sql, name)
    assert found is not None  # noqa: S101 (it was just made)
    return found


def transfers(sql: Sql, account: str | None = None, before: int | None = None, limit: int = 50) -> list[Transfer]:
    """What moved, newest first. `before` is the id of the last transfer of the page before."""
    values = {"before": ID_MAX if before is None else before, "limit": limit}
    if account is None:
        found = sql.rows(TRANSFERS + " WHERE t.id < :before ORDER BY t.id DESC LIMIT :limit", values)
    else:
        number = sql.value("SELECT id FROM accounts WHERE name = :name", {"name": account})
        found = sql.rows(TRANSFERS + OF_ACCOUNT, values | {"account": number})
    return [Transfer(*row) for row in found]


def transfer_by(sql: Sql, number: int) -> Transfer:
    """One transfer that there is."""
    return Transfer(*_one(sql.row(TRANSFERS + " WHERE t.id = :id", {"id": number})))


def transfer_under(sql: Sql, outside_id: str) -> Transfer | None:
    """What came under an outside id."""
    row = sql.row(TRANSFERS + " WHERE t.outside_id = :outside_id", {"outside_id": outside_id})
    return None if row is None else Transfer(*row)


def open_lots(sql: Sql, account: int) -> list[Lot]:
    """Those of an account that something remains of, what ends first first."""
    statement = "SELECT id, remaining, expires_at FROM lots WHERE account = :account AND remaining > 0"
    return [Lot(*row) for row in sql.rows(statement + " ORDER BY expires_at, id", {"account": account})]


def due_lots(sql: Sql, now_ms: int, limit: int = 256) -> list[Due]:
    """Lots whose end has passed and that something remains of: each is to be taken back with `credits.expire`."""
    statement = """
      SELECT l.id, a.name, l.remaining FROM lots l JOIN accounts a ON a.id = l.account
      WHERE l.remaining > 0 AND l.expires_at <= :now ORDER BY l.expires_at, l.id LIMIT :limit
    """
    return [Due(*row) for row in sql.rows(statement, {"now": now_ms, "limit": limit})]


def keep_lots(sql: Sql, left: dict[int, int]) -> None:
    """Write what remains of the lots that changed."""
    for lot, remaining in left.items():
        sql.run("UPDATE lots SET remaining = :remaining WHERE id = :id", {"remaining": remaining, "id": lot})


def _one(row: Row | None) -> Row:
    assert row is not None  # noqa: S101 (asked for by the number it was just given)
    return row

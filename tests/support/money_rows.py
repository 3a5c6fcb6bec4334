"""Rows of calls and their money as the writer leaves them, for tests of what reads them."""

from __future__ import annotations

from typing import Any

from waypost.domain.chat import Usage
from waypost.domain.ledger import period_of
from waypost.domain.lots import used
from waypost.domain.money import Price, cost_nano_usd
from waypost.domain.requests import first_number_at
from waypost.store.accounts import account_number, keep_lots, open_lots
from waypost.store.rows import ESTIMATED, NAMED, SERVED
from waypost.store.sql import Sql

PRICE = Price(100_000_000, 300_000_000, 50_000_000, None, 0, "2026-09-01-abc")
"""A hundred nano-USD a token of the prompt, three hundred of the answer."""
USAGE = Usage(120, 30, 200, 40)
COST = cost_nano_usd(PRICE, USAGE)
COLUMNS = (
    "id", "user_id", "token_id", *NAMED, "outcome", "status", "flags", "input", "cached_input", "output", "reasoning",
    "hold_nano_usd", "charge_nano_usd", "gateway_us", "first_word_us", "total_us", "trail", "state", "account",
    "provider_account", "epoch", "period", "overrun_nano_usd", "reported_nano_usd",
)  # fmt: skip
DELIVERED = {
    "user_id": 1,
    "token_id": 1,
    "payer": "user ada",
    "model": "acme/one",
    "policy": "fastest",
    "provider": "alpha",
    "price_version": PRICE.version,
    "outcome": 1,
    "status": 200,
    "flags": SERVED,
    "hold_nano_usd": 1_000_000,
    "charge_nano_usd": COST,
    "overrun_nano_usd": 0,
    "gateway_us": 300,
    "total_us": 1_000_000,
    "trail": b"",
    "state": 1,
    "account": "user:1",
}


def write_call(sql: Sql, at_ms: int, **facts: Any) -> int:
    """A call that began then, one row; nothing else moves. Gives its number."""
    number = facts.pop("id", None) or first_number_at(at_ms)
    row = dict.fromkeys(COLUMNS) | DELIVERED | dict(zip(USAGE._fields, USAGE[:4], strict=False))
    row |= {"id": number, "period": period_of(at_ms)} | facts
    provider_account = f"provider:{row['provider']}" if row["state"] == 1 else None
    row = {name: word(sql, name, value) if name in NAMED else value for name, value in row.items()}
    for name, account in (("account", row["account"]), ("provider_account", provider_account)):
        row[name] = account_number(sql, account) if isinstance(account, str) else account
    row.pop("estimated", None)
    sql.insert("calls", COLUMNS, [[row[name] for name in COLUMNS]])
    return number


def settle_call(sql: Sql, at_ms: int, subjects: tuple[str, ...] = (), **facts: Any) -> int:
    """A charged call with everything that moves with it, as its commit leaves it."""
    number = write_call(sql, at_ms, **facts)
    charge = facts.get("charge_nano_usd", COST)
    overrun = facts.get("overrun_nano_usd", 0)
    payer, period = facts.get("account", "user:1"), facts.get("period", period_of(at_ms))
    account = account_number(sql, payer)
    add(sql, payer, -charge)
    add(sql, f"provider:{facts.get('provider', 'alpha')}", charge + overrun)
    add(sql, "overrun", -overrun)
    sql.run(
        "UPDATE accounts SET period_used = CASE WHEN period = :period THEN period_used ELSE 0 END + :charge,"
        " period = :period WHERE id = :id",
        {"period": period, "charge": charge, "id": account},
    )
    for subject in subjects:
        sql.insert(
            "spending",
            ["subject", "period", "used"],
            [[subject, period, charge]],
            "(subject, period) DO UPDATE SET used = spending.used + excluded.used",
        )
    keep_lots(sql, used(open_lots(sql, account), charge))
    return number


def add(sql: Sql, account: str, amount: int) -> None:
    account_number(sql, account)
    sql.run("UPDATE accounts SET posted = posted + :amount WHERE name = :name", {"amount": amount, "name": account})


def write_price(sql: Sql, price: Price = PRICE) -> None:
    row = [price.version, *price[:-1]]
    columns = ["version", "input", "output", "cached_input", "reasoning", "request"]
    sql.insert("prices", columns, [row], "(version) DO NOTHING")


def word(sql: Sql, kind: str, text: str | None) -> int | None:
    if text is None:
        return None
    values = {"kind": NAMED.index(kind), "text": text}
    sql.run("INSERT INTO names (kind, text) VALUES (:kind, :text) ON CONFLICT (kind, text) DO NOTHING", values)
    return int(sql.value("SELECT id FROM names WHERE kind = :kind AND text = :text", values))


def estimated(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"flags": SERVED | ESTIMATED}

"""Proves of a snapshot of the data what is always true of the books, and explains the first row that breaks it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from waypost.domain.chat import Usage
from waypost.domain.money import Price, cost_nano_usd
from waypost.domain.requests import request_id
from waypost.store.accounts import accounts
from waypost.store.invariants import INVARIANTS, Invariant
from waypost.store.late import LATE
from waypost.store.rollup import COUNTED
from waypost.store.rows import ESTIMATED
from waypost.store.sql import Row, Sql
from waypost.store.tallies import Tallies, days_of_calls, tallies
from waypost.store.usage import date_of

PAGE: Final = 5_000
PLACE: Final = re.compile(r"\{(req:)?(\d)\}")
SETTLED: Final = """
  SELECT c.id, c.price_version, c.input, c.cached_input, c.output, c.reasoning, c.flags, c.hold_nano_usd,
    c.charge_nano_usd, c.overrun_nano_usd
  FROM calls c WHERE c.state = 1 AND c.id > :after ORDER BY c.id LIMIT :page
"""
PRICES: Final = """
  SELECT n.id, p.input, p.output, p.cached_input, p.reasoning, p.request, p.version
  FROM prices p JOIN names n ON n.text = p.version
"""
OPEN: Final = "SELECT id, epoch, hold_nano_usd FROM calls WHERE state = 0 ORDER BY id"

ALWAYS: Final[dict[str, str]] = {one.name: one.always for one in INVARIANTS} | {
    "entries": "An account is what its entries come to.",
    "month_used": "An account's charges of its last month are what its calls of that month come to.",
    "spending": "No month's spending is more than the calls of that month come to.",
    "charges": "A charge is the cost of the usage at the price of its hold; what is above the hold is the operator's.",
    "usage_sums": "The sums of a day are what its calls add up to.",
    "living_holds": "Every open hold belongs to a process that lives.",
}
"""Everything that is proven: name → what is always true."""


class Finding(NamedTuple):
    """Something that is not true."""

    invariant: str
    always: str
    explained: str
    """The first row that breaks it, in words."""
    rows: int
    """How many do."""


def verify(sql: Sql, living: Collection[int] | None = None) -> Iterator[Finding]:
    """Everything that is broken. `living` are the epochs of processes that run; None where nobody knows.

    Inside a snapshot: `Reader.ask(lambda sql: list(verify(sql)))`. Reads every call twice.
    """
    for invariant in INVARIANTS:
        row = sql.row(invariant.broken)
        if row is not None:
            yield Finding(invariant.name, invariant.always, _explained(invariant, row), int(row[0]))
    known = tallies(sql)
    checks = (_entries(sql, known), _month_used(sql, known), _spending(sql, known), _charges(sql), _usage_sums(sql))
    for broken in (*checks, _dead(sql, living)):
        yield from _first(broken)


def _first(broken: Iterator[tuple[str, str]]) -> Iterator[Finding]:
    """One finding of all that break the same."""
    found = next(broken, None)
    if found is not None:
        name, explained = found
        yield Finding(name, ALWAYS[name], explained, 1 + sum(1 for _ in broken))


def _explained(invariant: Invariant, row: Row) -> str:
    def shown(match: re.Match[str]) -> str:
        value = row[int(match[2])]
        return request_id(value) if match[1] else str(value)

    return PLACE.sub(shown, invariant.says)


def _entries(sql: Sql, known: Tallies) -> Iterator[tuple[str, str]]:
    for account in accounts(sql):
        come_to = known.posted.get(account.id, 0)
        if account.posted != come_to:
            yield (
                "entries",
                (
                    f"Account {account.name} has {account.posted} nano-USD, but its entries come to {come_to}:"
                    f" {account.posted - come_to:+} that no call and no transfer moved."
                ),
            )


def _month_used(sql: Sql, known: Tallies) -> Iterator[tuple[str, str]]:
    for account in accounts(sql):
        used = known.used.get((account.id, account.period), 0)
        if account.period >= known.whole_from and account.period_used != used:
            yield (
                "month_used",
                (
                    f"Account {account.name} is said to have used {account.period_used} nano-USD in {account.period},"
                    f" but its calls of that month were charged {used}."
                ),
            )


def _spending(sql: Sql, known: Tallies) -> Iterator[tuple[str, str]]:
    for subject, period, used in sql.rows("SELECT subject, period, used FROM spending ORDER BY period, subject"):
        charged = known.spent.get((subject, period), 0)
        if period >= known.whole_from and used > charged:
            yield (
                "spending",
                (
                    f"{subject} is said to have spent {used} nano-USD in {period}, but calls that count as its were"
                    f" charged {charged}: it would reach its limit too soon."
                ),
            )


def _charges(sql: Sql) -> Iterator[tuple[str, str]]:
    prices = {row[0]: Price(*row[1:]) for row in sql.rows(PRICES)}
    after = 0
    while page := sql.rows(SETTLED, {"after": after, "page": PAGE}):
        for row in page:
            explained = _wrong(row, prices)
            if explained is not None:
                yield "charges", explained
        after = page[-1][0]


def _wrong(row: Row, prices: dict[int, Price]) -> str | None:
    """What is wrong with a settled call's charge; None for nothing."""
    number, version, *tokens, flags, hold, charge, overrun = row
    price = prices.get(version)
    if price is None:
        return f"Call {request_id(number)} was settled at a price that nobody knows any more."
    read, cached, written, reasoned = (count or 0 for count in tokens)
    cost = cost_nano_usd(price, Usage(read, cached, written, reasoned))
    borne = 0 if flags & ESTIMATED else max(0, cost - hold)
    right = charge + overrun == cost if flags & LATE else (charge, overrun) == (min(cost, hold), borne)
    if right:
        return None
    return (
        f"Call {request_id(number)} was charged {charge} nano-USD, and {overrun} are the operator's. Its tokens"
        f" {_tokens(tokens)} cost {cost} at price {price.version}, and {hold} were held: it should be"
        f" {min(cost, hold)}, and {borne} the operator's."
    )


def _tokens(tokens: list[Any]) -> str:
    words = zip(("input", "cached", "output", "reasoning"), tokens, strict=True)
    return "(" + ", ".join(f"{name} {count or 0}" for name, count in words) + ")"


def _usage_sums(sql: Sql) -> Iterator[tuple[str, str]]:
    kept, added = days_of_calls(sql)
    nothing = (0,) * len(COUNTED)
    for day in sorted(kept.keys() | added.keys()):
        here, there = kept.get(day, nothing), added.get(day, nothing)
        if here != there:
            different = (
                f"{name} {one} and not {other}"
                for name, one, other in zip(COUNTED, here, there, strict=True)
                if one != other
            )
            yield "usage_sums", f"The sums of {date_of(day)} say {', '.join(different)}, which is what its calls say."


def _dead(sql: Sql, living: Collection[int] | None) -> Iterator[tuple[str, str]]:
    if living is None:
        return
    for number, epoch, hold in sql.rows(OPEN):
        if epoch not in living:
            yield (
                "living_holds",
                (
                    f"Call {request_id(number)} holds {hold} nano-USD for a process (epoch {epoch}) that has ended."
                    " The next start of `waypost serve` ends it."
                ),
            )

"""Rebuilds what is kept beside the entries: balances, a month's use, spending, lots and the sums of days.

What is rebuilt must be what is kept. Where it is not, the difference is shown, and written on request.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from waypost.domain.lots import Lot, used, within
from waypost.store.accounts import accounts
from waypost.store.desk import Command, Commands, Desk
from waypost.store.rollup import COUNTED, refold_day
from waypost.store.sql import Sql
from waypost.store.tallies import Tallies, days_of_calls, tallies
from waypost.store.usage import date_of
from waypost.store.waybills import at_ms

PAGE: Final = 5_000
WRITTEN_MS_MAX: Final = 6_000
"""A charge is on the disk so long after its call's end, at most."""
BALANCE, MONTH, MONTH_USED, SPENDING, LOT, DAY_SUMS = "balance", "month", "month_used", "spending", "lot", "day_sums"
MOVES: Final = """
  SELECT t.id, t.at_ms, t.kind, t.debit, t.credit, t.amount, t.about, l.expires_at
  FROM transfers t LEFT JOIN lots l ON l.id = t.id ORDER BY t.id
"""
CHARGES: Final = """
  SELECT id, total_us, account, charge_nano_usd FROM calls
  WHERE state = 1 AND charge_nano_usd > 0 AND id > :after ORDER BY id LIMIT :page
"""
LOTS: Final = """
  SELECT l.id, l.remaining, l.account, a.name FROM lots l JOIN accounts a ON a.id = l.account ORDER BY l.id
"""
CARRIED: Final = "SELECT DISTINCT debit FROM transfers WHERE kind = 'carried'"
WRITE: Final = {
    BALANCE: "UPDATE accounts SET posted = :rebuilt WHERE name = :of",
    MONTH: "UPDATE accounts SET period = :rebuilt WHERE name = :of",
    MONTH_USED: "UPDATE accounts SET period_used = :rebuilt WHERE name = :of",
    SPENDING: "UPDATE spending SET used = :rebuilt WHERE subject = :of AND period = :number",
    LOT: "UPDATE lots SET remaining = :rebuilt WHERE id = :number",
}


class Difference(NamedTuple):
    """Something that is kept, and is not what the entries come to."""

    what: str
    """`balance`, `month`, `month_used`, `spending`, `lot` or `day_sums` (the charges of a day)."""
    of: str
    """Account, subject of a limit, or day."""
    kept: int
    rebuilt: int
    certain: bool = True
    """It can only be a fault. Spending that is too low can also be a limit that began within the month, and what
    remains of a lot may come of charges in another order.
    """
    number: int = 0
    """The month, lot or day that it is about."""


class Move(NamedTuple):
    """A transfer, as an account's lots see it."""

    id: int
    at_ms: int
    kind: str
    debit: int
    credit: int
    amount: int
    about: int | None
    expires_at: int | None


class MendArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of ledger.mend: none."""


def replay(sql: Sql) -> list[Difference]:
    """Everything that is kept and is not what the entries come to. Inside a snapshot; reads every call."""
    known = tallies(sql)
    return [*_balances(sql, known), *_months(sql, known), *_spending(sql, known), *_lots(sql), *_days(sql)]


def mend(sql: Sql, differences: Iterable[Difference]) -> None:
    """Write what was rebuilt, inside a transaction that nothing came between."""
    for one in differences:
        if one.what == DAY_SUMS:
            refold_day(sql, one.number)
        else:
            sql.run(WRITE[one.what], one._asdict())


def run_mend(desk: Desk, _args: MendArgs) -> list[Difference]:
    """Rebuild, and write what can only be a fault. Nothing else is written while it looks."""
    certain = [one for one in replay(desk.sql) if one.certain]
    mend(desk.sql, certain)
    for one in certain:
        if one.what == BALANCE:
            desk.moved(one.of, one.rebuilt - one.kept)
    return certain


def _balances(sql: Sql, known: Tallies) -> list[Difference]:
    found = ((account.name, account.posted, known.posted.get(account.id, 0)) for account in accounts(sql))
    return [Difference(BALANCE, name, kept, rebuilt) for name, kept, rebuilt in found if kept != rebuilt]


def _months(sql: Sql, known: Tallies) -> list[Difference]:
    found = []
    newest: dict[int, int] = {}
    for number, month in known.used:
        newest[number] = max(month, newest.get(number, 0))
    for account in accounts(sql):
        period = newest.get(account.id, 0)
        if max(period, account.period) < known.whole_from:
            continue
        if account.period != period:
            found.append(Difference(MONTH, account.name, account.period, period))
        charged = known.used.get((account.id, period), 0)
        if account.period_used != charged:
            found.append(Difference(MONTH_USED, account.name, account.period_used, charged, number=period))
    return found


def _spending(sql: Sql, known: Tallies) -> list[Difference]:
    found = []
    for subject, period, kept in sql.rows("SELECT subject, period, used FROM spending ORDER BY period, subject"):
        rebuilt = known.spent.get((subject, period), 0)
        if period >= known.whole_from and kept != rebuilt:
            found.append(Difference(SPENDING, subject, kept, rebuilt, kept > rebuilt, period))
    return found


def _lots(sql: Sql) -> list[Difference]:
    """Lots of accounts of which calls were deleted are left alone: nobody knows any more when those were charged."""
    kept = sql.rows(LOTS)
    rebuilt, unsure = _rebuilt_lots(
        sql, {account for _, _, account, _ in kept} - {number for (number,) in sql.rows(CARRIED)}
    )
    return [
        Difference(LOT, name, remaining, rebuilt[lot], account not in unsure, lot)
        for lot, remaining, account, name in kept
        if rebuilt.get(lot, remaining) != remaining
    ]


def _days(sql: Sql) -> list[Difference]:
    kept, added = days_of_calls(sql)
    nothing = (0,) * len(COUNTED)
    charge = list(COUNTED).index("charge")
    days = [day for day in sorted(kept.keys() | added.keys()) if kept.get(day, nothing) != added.get(day, nothing)]
    return [
        Difference(DAY_SUMS, date_of(day), kept.get(day, nothing)[charge], added.get(day, nothing)[charge], number=day)
        for day in days
    ]


def _rebuilt_lots(sql: Sql, wanted: set[int]) -> tuple[dict[int, int], set[int]]:
    """Lot → what remains of it, when everything happens again in the order of its time.

    And accounts of which that order is not known well enough.
    """
    moves: dict[int, list[Move]] = defaultdict(list)
    for row in sql.rows(MOVES) if wanted else ():
        move = Move(*row)
        for account in wanted.intersection((move.debit, move.credit)):
            moves[account].append(move)
    charges, unsure = _charges_between(sql, {account: [move.at_ms for move in mine] for account, mine in moves.items()})
    left: dict[int, int] = {}
    for account, mine in moves.items():
        left |= _played(account, mine, charges[account])
    return left, unsure


def _charges_between(sql: Sql, times: dict[int, list[int]]) -> tuple[dict[int, Counter[int]], set[int]]:
    """Account → how many of its transfers came before → what was charged then, together.

    And accounts that moved credits while such a charge was on its way to the disk, or at nobody knows which time: a
    call that was swept, or settled late, is charged long after it began.
    """
    unsure: set[int] = set()
    sums: dict[int, Counter[int]] = {account: Counter() for account in times}
    after = 0
    while times and (page := sql.rows(CHARGES, {"after": after, "page": PAGE})):
        for number, total_us, account, charge in page:
            mine = times.get(account)
            if mine is not None:
                ended = at_ms(number) + total_us // 1000
                place = bisect_right(mine, ended)
                sums[account][place] += charge
                written = bisect_right(mine, ended + WRITTEN_MS_MAX) if total_us else len(mine)
                if bisect_left(mine, ended) != written:
                    unsure.add(account)
        after = page[-1][0]
    return sums, unsure


def _played(account: int, moves: list[Move], charges: Counter[int]) -> dict[int, int]:
    """An account's lots after all of its moves, with the charges in between."""
    lots: dict[int, Lot] = {}
    posted = -charges[0]
    following = [later for _, later in pairwise(moves)]
    for place, move in enumerate(moves):
        posted += move.amount if move.credit == account else -move.amount
        _apply(lots, account, move)
        rest_follows = place < len(following) and following[place].about == move.id and move.debit == account
        if not rest_follows:
            _keep(lots, within(lots.values(), posted))
        charged = charges[place + 1]
        _keep(lots, used(lots.values(), charged))
        posted -= charged
    return {lot.id: lot.remaining for lot in lots.values()}


def _apply(lots: dict[int, Lot], account: int, move: Move) -> None:
    if move.credit == account and move.expires_at is not None:
        lots[move.id] = Lot(move.id, move.amount, move.expires_at)
    elif move.kind == "expiry" and move.about in lots:
        ended = lots[move.about]
        lots[move.about] = ended._replace(remaining=max(0, ended.remaining - move.amount))


def _keep(lots: dict[int, Lot], left: dict[int, int]) -> None:
    for lot, remaining in left.items():
        lots[lot] = lots[lot]._replace(remaining=remaining)


COMMANDS: Final[Commands] = {"ledger.mend": Command(MendArgs, run_mend)}

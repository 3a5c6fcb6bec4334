"""What the entries come to, added up anew: balances, what each month was charged, what each day's calls come to.

For whoever checks or rebuilds what is kept beside them. Reads every call once, in the database.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from waypost.domain.ledger import period_of
from waypost.store.rollup import COUNTED, DAY, facts
from waypost.store.sql import Sql
from waypost.store.waybills import at_ms

CHARGED: Final = """
  SELECT account, provider_account, period, user_id, token_id, sum(charge_nano_usd), sum(overrun_nano_usd)
  FROM calls WHERE state = 1 GROUP BY account, provider_account, period, user_id, token_id
"""
MOVED: Final = "SELECT debit, credit, sum(amount) FROM transfers GROUP BY debit, credit"
OLDEST: Final = "SELECT min(id) FROM calls"
DELETED: Final = "SELECT deleted_to FROM usage_state WHERE id = 1"
CARRIED: Final = "SELECT max(at_ms) FROM transfers WHERE kind = 'carried'"
SUMMED: Final = f"SELECT day, {', '.join(f'sum({name})' for name in COUNTED)} FROM usage_days GROUP BY day ORDER BY day"  # noqa: S608 (constants)
IN_SUMS: Final = "c.id <= :rolled_to AND c.id NOT IN (SELECT id FROM usage_late)"
ADDED: Final = (
    f"SELECT day, {', '.join(f'sum({name})' for name in COUNTED)} FROM ({facts(('day',), IN_SUMS)}) AS f"  # noqa: S608 (constants)
    " GROUP BY day ORDER BY day"
)


class Charged(NamedTuple):
    """What some calls were charged together."""

    account: int | None
    provider_account: int | None
    period: int | None
    user_id: int | None
    token_id: int | None
    charge: int
    overrun: int


class Tallies(NamedTuple):
    """Everything that entries come to. Accounts by number."""

    posted: dict[int, int]
    used: dict[tuple[int, int], int]
    """Account and month → its charges."""
    spent: dict[tuple[str, int], int]
    """Subject of a monthly limit and month → charges."""
    whole_from: int
    """The first month whose calls are all there; what came before is only known in sum."""


def tallies(sql: Sql) -> Tallies:
    """Add up every entry."""
    charged = [Charged(*row) for row in sql.rows(CHARGED)]
    names: dict[int, str] = dict(sql.rows("SELECT id, name FROM accounts"))
    overrun = next(number for number, name in names.items() if name == "overrun")
    posted: Counter[int] = Counter()
    used: Counter[tuple[int, int]] = Counter()
    spent: Counter[tuple[str, int]] = Counter()
    for one in charged:
        if one.account is not None and one.provider_account is not None:
            posted[one.account] -= one.charge
            posted[one.provider_account] += one.charge + one.overrun
            posted[overrun] -= one.overrun
            used[one.account, one.period or 0] += one.charge
            for subject in subjects_of(one, names.get(one.account, "")):
                spent[subject, one.period or 0] += one.charge
    for debit, credit, amount in sql.rows(MOVED):
        posted[debit] -= amount
        posted[credit] += amount
    return Tallies(dict(posted), dict(used), dict(spent), whole_from(sql))


def subjects_of(one: Charged, account: str) -> list[str]:
    """Everybody who may have a monthly limit that these calls count against."""
    kind, _, number = account.partition(":")
    member = [f"member:{number}:{one.user_id}"] if kind == "org" else []
    return [account, *member, f"token:{one.token_id}"]


def whole_from(sql: Sql) -> int:
    """The first month of which no charged call was deleted; 0 where none ever was.

    The oldest call that is left says nothing where calls ran on while newer ones were deleted.
    """
    carried = sql.value(CARRIED)
    if carried is None:
        return 0
    deleted = sql.value(DELETED)
    if deleted:
        return 1 + period_of(at_ms(deleted))
    oldest = sql.value(OLDEST)
    return 1 + period_of(carried if oldest is None else at_ms(oldest))


def days_of_calls(sql: Sql) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """Day → its sums as they are kept, and as its calls add up to; of days whose calls are all there."""
    rolled_to, deleted_to = sql.row("SELECT rolled_to, deleted_to FROM usage_state WHERE id = 1") or (0, 0)
    first = deleted_to // DAY + 1 if deleted_to else 0
    kept = {row[0]: row[1:] for row in sql.rows(SUMMED) if row[0] >= first and any(row[1:])}
    added = {row[0]: row[1:] for row in sql.rows(ADDED, {"rolled_to": rolled_to}) if row[0] >= first and any(row[1:])}
    return kept, added

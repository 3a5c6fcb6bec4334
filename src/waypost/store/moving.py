"""Moves credits between accounts, where it is done seldom: sweeps and commands. Written once for both engines.

The hot writer moves a commit's charges with its own statements, which say the same for many rows at once.
"""

from __future__ import annotations

from typing import Final

from waypost.store.accounts import account_number
from waypost.store.netting import Net
from waypost.store.sql import Sql

SET: Final = """
  posted = accounts.posted + d.delta,
  period_used = CASE WHEN d.period > accounts.period THEN d.used
    WHEN d.period = accounts.period THEN accounts.period_used + d.used ELSE accounts.period_used END,
  period = CASE WHEN d.period > accounts.period THEN d.period ELSE accounts.period END
"""
"""What a row `d` of an account's id, delta, period and use does to it. Only the newest month's use is kept."""
LOTS_OF: Final = """
  UPDATE lots SET remaining = lots.remaining - CASE WHEN w.wanted < lots.remaining THEN w.wanted ELSE lots.remaining END
  FROM (
    SELECT l.id AS id,
      d.charged - sum(l.remaining) OVER (PARTITION BY l.account ORDER BY l.expires_at, l.id) + l.remaining AS wanted
    FROM {charges} AS d JOIN lots AS l ON l.account = d.account AND l.remaining > 0
  ) AS w WHERE w.id = lots.id AND w.wanted > 0
"""
"""Charges use those credits first that end first. `{charges}` gives rows of `account` and `charged`."""
CARRY_OF: Final = """
  INSERT INTO transfers (at_ms, kind, debit, credit, amount, note)
  SELECT {now}, 'carried', e.debit, e.credit, sum(e.amount), 'charges of waybills that were deleted' FROM (
    SELECT account AS debit, provider_account AS credit, charge_nano_usd AS amount
    FROM calls WHERE id IN {ids} AND state = 1 AND charge_nano_usd > 0
    UNION ALL
    SELECT (SELECT id FROM accounts WHERE name = 'overrun'), provider_account, overrun_nano_usd
    FROM calls WHERE id IN {again} AND state = 1 AND overrun_nano_usd > 0
  ) AS e GROUP BY e.debit, e.credit
"""
"""What calls that are deleted were charged stays in the books, so that an account is what its entries come to."""
MOVE: Final = f"""
  UPDATE accounts SET {SET}
  FROM (SELECT :id + 0 AS id, :delta + 0 AS delta, :period + 0 AS period, :used + 0 AS used) AS d
  WHERE accounts.id = d.id
"""  # noqa: S608 (constants)
LOTS: Final = LOTS_OF.format(charges="(SELECT :id + 0 AS account, :charged + 0 AS charged)")
SPENT: Final = """
  INSERT INTO spending (subject, period, used) VALUES (:subject, :period, :used)
  ON CONFLICT (subject, period) DO UPDATE SET used = spending.used + excluded.used
"""


def move(sql: Sql, net: Net) -> None:
    """Move everything, inside a transaction."""
    for name, (delta, period, used, charged) in net.moves.items():
        number = account_number(sql, name)
        sql.run(MOVE, {"id": number, "delta": delta, "period": period, "used": used})
        if charged:
            sql.run(LOTS, {"id": number, "charged": charged})
    for (subject, period), used in net.spent.items():
        sql.run(SPENT, {"subject": subject, "period": period, "used": used})

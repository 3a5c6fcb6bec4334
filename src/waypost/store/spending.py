"""Monthly limits that are set in the middle of a month count what was spent before them.

Calls are counted for those alone who have a limit when they begin. So whoever sets a limit has the month added up, once
and with the change; from then on calls add to it.
"""

from __future__ import annotations

from typing import Final

from waypost.domain.ledger import period_of, period_range
from waypost.store.desk import Desk
from waypost.store.usage import Wanted, spent, usage

KEPT: Final = "SELECT used FROM spending WHERE subject = :subject AND period = :period"
KEEP: Final = """
  INSERT INTO spending (subject, period, used) VALUES (:subject, :period, :used)
  ON CONFLICT (subject, period) DO UPDATE SET used = excluded.used
"""


def count_spending(desk: Desk, subject: str) -> None:
    """`user:1`, `org:3`, `member:3:1` or `token:9` has a monthly limit from now on."""
    period = period_of(desk.now_ms)
    _keep(desk, subject, period, spent(desk.sql, subject, period))


def count_members(desk: Desk, organisation: int) -> None:
    """Everybody in an organisation has one."""
    period = period_of(desk.now_ms)
    since, until = period_range(period)
    for group in usage(desk.sql, Wanted(f"org:{organisation}", since_ms=since, until_ms=until, by=("member",))).groups:
        _keep(desk, f"member:{organisation}:{group.key['member']}", period, group.sums.charge)


def _keep(desk: Desk, subject: str, period: int, used: int) -> None:
    known = desk.sql.value(KEPT, {"subject": subject, "period": period}) or 0
    if used != known:
        desk.sql.run(KEEP, {"subject": subject, "period": period, "used": used})
        desk.spent(subject, period, used - known)

"""What standing counters begin from: credits as they were posted, and what was spent this month and the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from waypost.domain.ledger import period_before
from waypost.store.sql import Sql

CREDITS: Final = "credits:"
SPENDING: Final = "spend:"
ACCOUNTS: Final = "SELECT name, posted, floor FROM accounts WHERE name LIKE 'user:%' OR name LIKE 'org:%'"
SPENT: Final = "SELECT subject, period, used FROM spending WHERE period >= :since"
INCLUDED: Final = "SELECT outside_id FROM transfers WHERE kind = 'included' AND outside_id LIKE :these"


def credits_key(account: str) -> str:
    """The counter of an account's credits."""
    return CREDITS + account


def spending_key(subject: str, period: int) -> str:
    """The counter of what somebody spends in a month."""
    return f"{SPENDING}{subject}:{period}"


def spending_period(key: str) -> int:
    """The month of such a counter; 0 for other counters."""
    return int(key.rpartition(":")[2]) if key.startswith(SPENDING) else 0


def included_id(account: str, period: int) -> str:
    """The outside id under which a month's included credits are given once."""
    return f"included:{period}:{account}"


class Standing:
    """The ledger's state as it was read at the start, handed out key by key; whoever got it keeps it from then on.

    `included` says what an account gets at its first touch in a month; it is in force at once, and `give` must see to
    it that it is written.
    """

    def __init__(self, sql: Sql, period: int) -> None:
        self.period = period
        self.included: Callable[[str, int], int] | None = None
        self.give: Callable[[str, int, int], None] | None = None
        self._booked: dict[str, int] = {}
        self._credits = {credits_key(name): (-posted, -floor) for name, posted, floor in sql.rows(ACCOUNTS)}
        since = {"since": period_before(period)}
        self._spent = {spending_key(subject, month): used for subject, month, used in sql.rows(SPENT, since)}
        self._given = {outside_id for (outside_id,) in sql.rows(INCLUDED, {"these": included_id("%", period)})}

    def begin(self, key: str) -> tuple[int, int | None]:
        """`Purse` of Counters."""
        if key.startswith(CREDITS):
            return self._credits.pop(key, (0, 0))
        return self._spent.pop(key, 0), None

    def touched(self, key: str) -> int:
        """`Purse` of Counters."""
        if self.included is None or self.give is None or not key.startswith(CREDITS):
            return 0
        account = key.removeprefix(CREDITS)
        outside_id = included_id(account, self.period)
        amount = 0 if outside_id in self._given else self.included(account, self.period)
        if amount > 0:
            self._given.add(outside_id)
            self._booked[outside_id] = amount
            self.give(account, self.period, amount)
        return amount

    def written(self, account: str, period: int) -> int:
        """A month's included credits are on the disk. Gives what of them was in force before."""
        outside_id = included_id(account, period)
        self._given.add(outside_id)
        return self._booked.pop(outside_id, 0)

    def turn_month(self, period: int) -> None:
        """Nobody got this month's included credits yet."""
        self.period = period
        self._given.clear()

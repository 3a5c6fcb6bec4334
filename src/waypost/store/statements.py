"""What an account has at one moment: balance, what calls hold, credits that end, and the month's included ones."""

from __future__ import annotations

from typing import Final, NamedTuple

from waypost.domain.ledger import Account
from waypost.store.accounts import account_named, transfer_under
from waypost.store.sql import Sql
from waypost.store.standing import included_id

LOTS: Final = """
  SELECT l.id, t.kind, t.note, l.remaining, l.expires_at FROM lots l JOIN transfers t ON t.id = l.id
  WHERE l.account = :account AND l.remaining > 0 ORDER BY l.expires_at, l.id
"""


class LotLine(NamedTuple):
    """Credits that end, as much as is left of them."""

    id: int
    """Of the transfer they came with."""
    kind: str
    note: str
    remaining: int
    expires_at: int


class Statement(NamedTuple):
    """An account at one moment. Amounts are nano-USD."""

    account: Account
    lots: tuple[LotLine, ...]
    """What ends first is used first."""
    to_come: int
    """This month's included credits, where nothing touched the account this month: its first call has them at once."""

    @property
    def balance(self) -> int:
        """Everything that is there, whether calls hold some of it or not."""
        return self.account.posted + self.to_come

    @property
    def free(self) -> int:
        """What a call can hold."""
        return self.account.free + self.to_come

    @property
    def included_left(self) -> int:
        """Of the included credits of this month."""
        return self.to_come + sum(lot.remaining for lot in self.lots if lot.kind == "included")


def statement(sql: Sql, name: str, period: int, included: int) -> Statement:
    """Of the account of this ledger name, where `included` comes with this month."""
    account = account_named(sql, name) or Account(0, name, 0, 0, 0, 0, 0)
    lots = tuple(LotLine(*row) for row in sql.rows(LOTS, {"account": account.id}))
    given = transfer_under(sql, included_id(name, period)) is not None
    return Statement(account, lots, 0 if given else included)

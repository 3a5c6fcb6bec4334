"""Credits that end, of the accounts that were charged lately: kept in memory, because every commit uses them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from waypost.domain.lots import Lot, used
from waypost.store.accounts import open_lots
from waypost.store.sql import Sql

ACCOUNTS_KEPT_MAX: Final = 65_536


class OpenLots:
    """Used by the writer thread alone, inside its transactions."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._known: dict[int, list[Lot]] = {}
        self._pending: dict[int, list[Lot]] = {}
        """As they are when the transaction is committed."""

    def charge(self, charges: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Charge accounts, by their numbers. Gives what remains of each lot that changes."""
        left: dict[int, int] = {}
        for account, amount in charges:
            lots = self._known.get(account)
            if lots is None:
                lots = self._known[account] = open_lots(self._sql, account)
            if lots:
                changed = used(lots, amount)
                left |= changed
                after = [lot._replace(remaining=changed.get(lot.id, lot.remaining)) for lot in lots]
                self._pending[account] = [lot for lot in after if lot.remaining]
        return left

    def keep(self) -> None:
        """The transaction was committed."""
        self._known |= self._pending
        self._pending.clear()
        if len(self._known) > ACCOUNTS_KEPT_MAX:
            self._known.clear()

    def forget(self) -> None:
        """It was undone, or others changed lots."""
        self._known.clear()
        self._pending.clear()

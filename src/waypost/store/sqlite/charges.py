"""Writes what a commit's calls come to: accounts, credits that end, monthly spending, prices, marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from waypost.domain.money import Price
from waypost.store.books import Mark
from waypost.store.moving import SET
from waypost.store.netting import Net
from waypost.store.open_lots import OpenLots
from waypost.store.rows import NAMED
from waypost.store.sqlite.many_rows import ManyRows, Sized
from waypost.store.sqlite.names import Names
from waypost.store.sqlite.sql import SqliteSql

D: Final = "(SELECT column1 AS id, column2 AS delta, column3 AS period, column4 AS used FROM (VALUES {rows}))"
MOVES: Final = Sized(f"UPDATE accounts SET {SET} FROM {D} AS d WHERE accounts.id = d.id", 4)  # noqa: S608 (constants)
LEFT: Final = "(SELECT column1 AS id, column2 AS remaining FROM (VALUES {rows}))"
LOTS: Final = Sized(f"UPDATE lots SET remaining = d.remaining FROM {LEFT} AS d WHERE lots.id = d.id", 2)  # noqa: S608 (constants)
SPENT: Final = ManyRows(
    "INSERT",
    "spending",
    ("subject", "period", "used"),
    "(subject, period) DO UPDATE SET used = spending.used + excluded.used",
)
PRICES: Final = ManyRows(
    "INSERT",
    "prices",
    ("input", "output", "cached_input", "reasoning", "request", "version"),
    "(version) DO NOTHING",
)
MARK: Final = "UPDATE calls SET provider = ?, price_version = ?, output = ? WHERE id = ? AND state = 0"
PROVIDER_KIND, VERSION_KIND = NAMED.index("provider"), NAMED.index("price_version")


class Money:
    """The money part of a transaction."""

    def __init__(self, connection: apsw.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self.lots = OpenLots(SqliteSql(connection))
        self._due: dict[str, Price] = {}
        """Prices that calls were held at, until they are written."""

    def write(self, net: Net) -> None:
        """Move a commit's charges."""
        numbered = [(self._names.account(name), *move) for name, move in net.moves.items()]
        MOVES.write(self._connection, [row[:4] for row in numbered])
        left = self.lots.charge([(row[0], row[4]) for row in numbered if row[4]])
        if left:
            LOTS.write(self._connection, left.items())
        if net.spent:
            SPENT.write(self._connection, [(*key, used) for key, used in net.spent.items()])

    def note_prices(self, prices: Iterable[Price]) -> None:
        """These are to be written with the next transaction that succeeds."""
        for price in prices:
            self._due[price.version] = Price(*price)

    def write_prices(self) -> None:
        """Those that are due."""
        if self._due:
            PRICES.write(self._connection, self._due.values())

    def keep(self) -> None:
        """The transaction was committed."""
        self._due.clear()
        self.lots.keep()

    def mark(self, marks: Sequence[Mark]) -> None:
        """How far calls have come."""
        for number, provider, version, tokens in marks:
            words = (self._names.word(PROVIDER_KIND, provider), self._names.word(VERSION_KIND, version))
            self._connection.execute(MARK, (*words, tokens, number))

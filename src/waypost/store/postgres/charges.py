"""Writes what a commit's calls come to: accounts, credits that end, monthly spending, prices, marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from waypost.domain.money import Price
from waypost.store.books import Mark
from waypost.store.moving import LOTS_OF, SET
from waypost.store.netting import Net
from waypost.store.postgres.arrays import ManyRows, array
from waypost.store.postgres.names import ACCOUNT_KIND, Names
from waypost.store.postgres.sql import Session
from waypost.store.rows import NAMED

MOVES: Final = f"""
  UPDATE accounts SET {SET}
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS d (id, delta, period, used)
  WHERE accounts.id = d.id
"""  # noqa: S608 (constants)
LOTS: Final = LOTS_OF.format(charges="(SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS c (account, charged))")
SPENT: Final = ManyRows(
    "spending",
    ("subject", "period", "used"),
    ("text", "bigint", "bigint"),
    "(subject, period) DO UPDATE SET used = spending.used + excluded.used",
)
PRICES: Final = ManyRows(
    "prices",
    ("input", "output", "cached_input", "reasoning", "request", "version"),
    ("bigint", "bigint", "bigint", "bigint", "bigint", "text"),
    "(version) DO NOTHING",
)
MARK: Final = """
  UPDATE calls SET provider = m.provider, price_version = m.version, output = m.tokens
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS m (id, provider, version, tokens)
  WHERE calls.id = m.id AND calls.state = 0
"""
PROVIDER_KIND, VERSION_KIND = NAMED.index("provider"), NAMED.index("price_version")


class Money:
    """The money part of a transaction."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names
        self._due: dict[str, Price] = {}
        """Prices that calls were held at, until they are written."""

    def write(self, net: Net) -> None:
        """Move a commit's charges."""
        numbers = self._names.numbers({(ACCOUNT_KIND, name) for name in net.moves})
        moves = [(numbers[ACCOUNT_KIND, name], *move) for name, move in net.moves.items()]
        self._execute(MOVES, [row[:4] for row in moves])
        charges = [(row[0], row[4]) for row in moves if row[4]]
        if charges:
            self._execute(LOTS, charges)
        if net.spent:
            spent = [(*key, used) for key, used in net.spent.items()]
            self._session.connection.execute(SPENT.statement, SPENT.values(spent))

    def note_prices(self, prices: Iterable[Price]) -> None:
        """These are to be written with the next transaction that succeeds."""
        for price in prices:
            self._due[price.version] = Price(*price)

    def write_prices(self) -> None:
        """Those that are due."""
        if self._due:
            self._session.connection.execute(PRICES.statement, PRICES.values(self._due.values()))

    def keep_prices(self) -> None:
        """The transaction was committed."""
        self._due.clear()

    def mark(self, marks: Sequence[Mark]) -> None:
        """How far calls have come; of several marks of a call, the last counts."""
        last = {mark[0]: mark for mark in marks}
        words = {(PROVIDER_KIND, provider) for _, provider, _, _ in last.values()}
        numbers = self._names.numbers(words | {(VERSION_KIND, version) for _, _, version, _ in last.values()})
        rows = [
            (number, numbers[PROVIDER_KIND, provider], numbers[VERSION_KIND, version], tokens)
            for number, provider, version, tokens in last.values()
        ]
        self._execute(MARK, rows)

    def _execute(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """One whose columns are all integers."""
        self._session.connection.execute(statement, [array("bigint", values) for values in zip(*rows, strict=True)])

"""Many rows in one statement: row by row, the interpreter lock would be given away and fought for at every row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

import apsw

SIZES: Final = (64, 32, 16, 8, 4, 2, 1)


class Sized:
    """A statement prepared for a few numbers of rows, which stand where `{rows}` stands in it. A constant of ours."""

    def __init__(self, statement: str, width: int) -> None:
        row = f"({','.join('?' * width)})"
        self._width = width
        self._statements = [(size, statement.format(rows=",".join([row] * size))) for size in SIZES]

    def write(self, connection: apsw.Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Write all rows, in as few statements as possible."""
        self.write_values(connection, list(chain.from_iterable(rows)))

    def write_values(self, connection: apsw.Connection, values: Sequence[Any]) -> None:
        """Write rows whose values stand one after the other."""
        start, end, width = 0, len(values), self._width
        for size, statement in self._statements:
            while end - start >= size * width:
                connection.execute(statement, values[start : start + size * width])
                start += size * width


class ManyRows(Sized):
    """An INSERT of that kind. `table`, `columns` and `conflict` are constants of ours."""

    def __init__(self, verb: str, table: str, columns: Sequence[str], conflict: str = "") -> None:
        head = f"{verb} INTO {table} ({', '.join(columns)}) VALUES {{rows}}"
        super().__init__(f"{head} ON CONFLICT {conflict}" if conflict else head, len(columns))

"""SQLite's side of the seam."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

from waypost.store.sql import NOTHING, Row, Values


class SqliteSql:
    """`Sql` on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def rows(self, statement: str, values: Values = NOTHING) -> list[Row]:
        return list(self.connection.execute(statement, values))

    def row(self, statement: str, values: Values = NOTHING) -> Row | None:
        return next(iter(self.rows(statement, values)), None)

    def value(self, statement: str, values: Values = NOTHING) -> Any:
        found = self.row(statement, values)
        return None if found is None else found[0]

    def run(self, statement: str, values: Values = NOTHING) -> int:
        self.rows(statement, values)
        return self.connection.changes()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with self.connection:
            yield

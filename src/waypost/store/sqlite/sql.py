"""SQLite's side of the seam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apsw

from waypost.store.sql import NOTHING, EngineTrouble, Row, TryAgain, Unstorable, Values
from waypost.store.sqlite.many_rows import ManyRows

AGAIN: Final = (apsw.FullError, apsw.BusyError, apsw.IOError)


class SqliteSql:
    """`Sql` on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def rows(self, statement: str, values: Values = NOTHING) -> list[Row]:
        with translated():
            return list(self.connection.execute(statement, values))

    def row(self, statement: str, values: Values = NOTHING) -> Row | None:
        return next(iter(self.rows(statement, values)), None)

    def value(self, statement: str, values: Values = NOTHING) -> Any:
        found = self.row(statement, values)
        return None if found is None else found[0]

    def run(self, statement: str, values: Values = NOTHING) -> int:
        self.rows(statement, values)
        return self.connection.changes()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        with translated():
            ManyRows("INSERT", table, columns, conflict).write(self.connection, rows)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with translated(), self.connection:
            yield


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as the store's. A statement that it does not understand stays what it is: a bug."""
    try:
        yield
    except (apsw.SQLError, apsw.BindingsError):
        raise
    except apsw.ConstraintError as error:
        raise Unstorable(str(error)) from error
    except AGAIN as error:
        raise TryAgain(str(error)) from error
    except apsw.Error as error:
        raise EngineTrouble(f"{type(error).__name__}: {error}") from error

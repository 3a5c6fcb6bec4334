"""Postgres' side of the seam."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.bool import BoolDumper
from psycopg.types.numeric import Int8Dumper

from waypost.store.postgres.arrays import ManyRows, types_of
from waypost.store.sql import NOTHING, EngineTrouble, Row, TryAgain, Unstorable, Values

Connection = psycopg.Connection[Row]
NAMES: Final = re.compile(r"('(?:[^']|'')*')|(?<![:\w]):([a-z_][a-z0-9_]*)|(%)")
REFUSED: Final = (psycopg.IntegrityError, psycopg.DataError)
LOST: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)


STATEMENTS_KEPT_MAX: Final = 512


class WholeLoader(Loader):
    """`sum` over integers is an integer: no table of ours holds fractions."""

    def load(self, data: Buffer) -> int | float:
        number = Decimal(bytes(data).decode())
        return int(number) if number == int(number) else float(number)


class FlagDumper(BoolDumper):
    """A flag is 0 or 1, as it is in SQLite."""

    oid = psycopg.postgres.types["int8"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


def teach(adapters: AdaptersMap) -> None:
    """Values go in and come out as they do with SQLite.

    Every integer is sent as 64 bits wide: psycopg sends the narrowest that fits, and products would overflow that.
    """
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_dumper(bool, FlagDumper)
    adapters.register_loader("numeric", WholeLoader)


class Session:
    """The connection of the moment. Who begins a transaction sees to it that there is one."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class PostgresSql:
    """`Sql` on a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, str] = {}

    def rows(self, statement: str, values: Values = NOTHING) -> list[Row]:
        cursor = self._done(statement, values)
        return cursor.fetchall() if cursor.description else []

    def row(self, statement: str, values: Values = NOTHING) -> Row | None:
        return next(iter(self.rows(statement, values)), None)

    def value(self, statement: str, values: Values = NOTHING) -> Any:
        found = self.row(statement, values)
        return None if found is None else found[0]

    def run(self, statement: str, values: Values = NOTHING) -> int:
        return self._done(statement, values).rowcount

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        if rows:
            many = ManyRows(table, columns, types_of(rows), conflict)
            with translated():
                self._session.connection.execute(many.statement, many.values(rows))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with translated(), self._session.connection.transaction():
            yield

    def _done(self, statement: str, values: Values) -> psycopg.Cursor[Row]:
        known = self._known.get(statement)
        if known is None:
            if len(self._known) >= STATEMENTS_KEPT_MAX:
                self._known.clear()
            known = self._known[statement] = percent_names(statement)
        with translated():
            return self._session.connection.execute(known, values)


def percent_names(statement: str) -> str:
    """`:name` as psycopg writes it, outside of quotes and of `::type`."""

    def written(match: re.Match[str]) -> str:
        quoted, name, percent = match.groups()
        if quoted is not None:
            return str(quoted).replace("%", "%%")
        return "%%" if percent else f"%({name})s"

    return NAMES.sub(written, statement)


@contextmanager
def translated() -> Iterator[None]:
    """Postgres' errors as the store's. A statement that it does not understand stays what it is: a bug."""
    try:
        yield
    except REFUSED as error:
        raise Unstorable(said(error)) from error
    except LOST as error:
        raise TryAgain(said(error)) from error
    except psycopg.InternalError as error:
        raise EngineTrouble(said(error)) from error


def said(error: psycopg.Error) -> str:
    """What Postgres says, in one line, without the values of rows that its details quote."""
    primary = error.diag.message_primary
    return " ".join((primary or str(error)).split())

"""SQLite behind the store's faces: a file in the data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from waypost.store.books import Filters, Retention
from waypost.store.engine import Versions, Writing
from waypost.store.sql import Sql
from waypost.store.sqlite.chores import Chores
from waypost.store.sqlite.folder import open_locked, open_reader, version_in
from waypost.store.sqlite.listing import newest, wanted
from waypost.store.sqlite.migrate import known_migrations
from waypost.store.sqlite.scribe import Scribe
from waypost.store.sqlite.sql import SqliteSql

# Counting every row of a large table would read all of it; segments know how many they hold.
CALLS = (
    "SELECT (SELECT coalesce(sum(calls), 0) FROM segments)"
    " + (SELECT count(*) FROM calls WHERE id > (SELECT coalesce(max(last), 0) FROM segments) AND state IS NOT 0)"
)


class SqliteEngine:
    """`Engine` on a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_writer(self, retention: Retention, clock_ms: Callable[[], int]) -> Writing:
        scribe = Scribe(open_locked(self._folder), clock_ms)
        return Writing(scribe, Chores(scribe, retention, clock_ms))

    def open_reader(self) -> SqliteReading:
        return SqliteReading(open_reader(self._folder))

    def versions(self) -> Versions:
        return Versions(version_in(self._folder), known_migrations()[-1].number)


class SqliteReading:
    """`Reading` on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.sql: Sql = SqliteSql(connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def newest(self, filters: Filters, limit: int) -> list[int]:
        return newest(self._connection, wanted(self._connection, filters), limit)

    def calls(self) -> int:
        return int(self.sql.value(CALLS))

    def close(self) -> None:
        self._connection.close()

"""Postgres behind the store's faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from waypost.store.books import Filters, Retention
from waypost.store.engine import Versions, Writing
from waypost.store.postgres.chores import Chores
from waypost.store.postgres.listing import newest
from waypost.store.postgres.migrate import known_migrations
from waypost.store.postgres.opening import Database
from waypost.store.postgres.scribe import Scribe
from waypost.store.postgres.sql import Connection, PostgresSql, Session, translated
from waypost.store.sql import Sql


class PostgresEngine:
    """`Engine` on a database."""

    def __init__(self, address: str) -> None:
        self._database = Database(address)

    def open_writer(self, retention: Retention, clock_ms: Callable[[], int]) -> Writing:
        scribe = Scribe(self._database, clock_ms)
        return Writing(scribe, Chores(scribe, retention, clock_ms))

    def open_reader(self) -> PostgresReading:
        return PostgresReading(self._database.open_reader())

    def versions(self) -> Versions:
        return Versions(self._database.version(), known_migrations()[-1].number)


class PostgresReading:
    """`Reading` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sql: Sql = PostgresSql(Session(connection))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with translated(), self._connection.transaction():
            yield

    def newest(self, filters: Filters, limit: int) -> list[int]:
        return newest(self.sql, filters, limit)

    def calls(self) -> int:
        return int(self.sql.value("SELECT count(*) FROM calls WHERE state IS DISTINCT FROM 0"))

    def close(self) -> None:
        self._connection.close()

"""Reading: what lists, the console and the command line ask. Blocking; async code calls it in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import apsw
import msgspec

from waypost.domain.callers import Token, User
from waypost.domain.requests import request_id
from waypost.store.books import Change, Filters, Page
from waypost.store.rows import NAMED
from waypost.store.sqlite import identities
from waypost.store.sqlite.folder import open_reader
from waypost.store.sqlite.listing import newest, wanted
from waypost.store.waybills import stranger_json, waybill_json

LIMIT_MAX: Final = 1_000
SELECT: Final = (
    "SELECT c.*, u.name AS user, t.name AS token, "  # noqa: S608 (constants)
    + ", ".join(f"(SELECT text FROM names WHERE id = c.{name}) AS {name}_word" for name in NAMED)  # noqa: S608 (constants)
    + " FROM calls c LEFT JOIN users u ON u.id = c.user_id LEFT JOIN tokens t ON t.id = c.token_id"
)


PAGE: Final = SELECT + " WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id DESC"  # noqa: S608 (constants)


COUNTS: Final = {
    "users": "SELECT count(*) FROM users",
    "tokens": "SELECT count(*) FROM tokens",
    # Counting every row of a large table would read all of it; segments know how many they hold.
    "requests": "SELECT (SELECT coalesce(sum(calls), 0) FROM segments)"
    " + (SELECT count(*) FROM calls WHERE id > (SELECT coalesce(max(last), 0) FROM segments))",
    "strangers": "SELECT count(*) FROM strangers",
}


class Reader:
    """Read-only connections to a data folder, one for each thread that reads at the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._idle.put(open_reader(folder))

    def users(self) -> list[User]:
        """Every user, oldest first."""
        with self._connection() as connection:
            return identities.users(connection)

    def tokens(self) -> list[Token]:
        """Every token, revoked ones too, oldest first."""
        with self._connection() as connection:
            return identities.tokens(connection)

    def counts(self) -> dict[str, int]:
        """How many there are of everything that is listed."""
        with self._connection() as connection, _snapshot(connection):
            return {name: int(connection.execute(query).get) for name, query in COUNTS.items()}

    def changes_since(self, seq: int) -> list[Change]:
        """Identity changes after `seq`."""
        with self._connection() as connection:
            return identities.changes_since(connection, seq)

    def find(self, number: int) -> dict[str, Any] | None:
        """One waybill by its number."""
        with self._connection() as connection:
            for row in _rows(connection, SELECT + " WHERE c.id = ?", (number,)):
                return waybill_json(row)
        return None

    def page(self, filters: Filters) -> Page:
        """Waybills that fit all filters, newest first."""
        limit = max(1, min(filters.limit, LIMIT_MAX))
        with self._connection() as connection, _snapshot(connection):
            ids = newest(connection, wanted(connection, filters), limit + 1)
            rows = list(_rows(connection, PAGE, (msgspec.json.encode(ids[:limit]).decode(),)))
        items = [waybill_json(row) for row in rows]
        return Page(items, request_id(ids[limit - 1]) if len(ids) > limit else None)

    def strangers(self, limit: int = 50) -> list[dict[str, Any]]:
        """Refused unknown callers, newest first."""
        with self._connection() as connection:
            sql = "SELECT id, status, code, trail FROM strangers ORDER BY id DESC LIMIT ?"
            return [stranger_json(*row) for row in connection.execute(sql, (limit,))]

    def close(self) -> None:
        """Close every connection that is not in use."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = open_reader(self._folder)
        try:
            yield connection
        finally:
            self._idle.put(connection)


@contextmanager
def _snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Everything inside sees the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _rows(connection: apsw.Connection, sql: str, values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(sql, values)
    columns: list[str] = []
    for row in cursor:
        columns = columns or [name for name, _ in cursor.get_description()]
        found = dict(zip(columns, row, strict=True))
        found.update({name: found.pop(f"{name}_word") for name in NAMED})
        yield found

"""Reading: what lists, the console and the command line ask. Blocking; async code calls it in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import apsw

from waypost.domain.callers import Token, User
from waypost.domain.requests import first_number_at, request_id, request_number
from waypost.store.books import Change, Filters, Page
from waypost.store.rows import NAMED, OUTCOMES
from waypost.store.sqlite import identities
from waypost.store.sqlite.folder import open_reader
from waypost.store.waybills import stranger_json, waybill_json

LIMIT_MAX: Final = 1_000
SELECT: Final = (
    "SELECT c.*, u.name AS user, t.name AS token, "  # noqa: S608 (constants)
    + ", ".join(f"(SELECT text FROM names WHERE id = c.{name}) AS {name}_word" for name in NAMED)  # noqa: S608 (constants)
    + " FROM calls c LEFT JOIN users u ON u.id = c.user_id LEFT JOIN tokens t ON t.id = c.token_id"
)


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

    def changes_since(self, seq: int) -> list[Change]:
        """Identity changes after `seq`."""
        with self._connection() as connection:
            return identities.changes_since(connection, seq)

    def find(self, number: int) -> dict[str, Any] | None:
        """One waybill by its number."""
        with self._connection() as connection:
            for row in _rows(connection, f"{SELECT} WHERE c.id = ?", (number,)):
                return waybill_json(row)
        return None

    def page(self, filters: Filters) -> Page:
        """Waybills, newest first."""
        limit = max(1, min(filters.limit, LIMIT_MAX))
        with self._connection() as connection:
            where, values = _conditions(filters)
            sql = f"{SELECT} WHERE {' AND '.join(where)} ORDER BY c.id DESC LIMIT {limit + 1}"
            rows = list(_rows(connection, sql, values))
        items = [waybill_json(row) for row in rows[:limit]]
        return Page(items, request_id(rows[limit - 1]["id"]) if len(rows) > limit else None)

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


def _rows(connection: apsw.Connection, sql: str, values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(sql, values)
    columns: list[str] = []
    for row in cursor:
        columns = columns or [name for name, _ in cursor.get_description()]
        found = dict(zip(columns, row, strict=True))
        found.update({name: found.pop(f"{name}_word") for name in NAMED})
        yield found


def _conditions(filters: Filters) -> tuple[list[str], tuple[Any, ...]]:
    before = request_number(filters.before) if filters.before else None
    words = {"model": filters.model, "provider": filters.provider, "code": filters.code}
    words |= {"session": filters.session, "policy": filters.policy}
    tests: list[tuple[str, Any]] = [
        ("c.id < ?", before),
        ("c.id >= ?", None if filters.since_ms is None else first_number_at(filters.since_ms)),
        ("c.id < ?", None if filters.until_ms is None else first_number_at(filters.until_ms)),
        ("c.outcome = ?", None if filters.outcome is None else OUTCOMES[filters.outcome]),
        ("c.status = ?", filters.status),
        ("u.name = ?", filters.user),
        ("t.name = ?", filters.token),
        *[
            (f"c.{name} = (SELECT id FROM names WHERE kind = {NAMED.index(name)} AND text = ?)", word)  # noqa: S608 (constants)
            for name, word in words.items()
        ],
    ]
    used = [(sql, value) for sql, value in tests if value is not None]
    return ["c.id > 0", *[sql for sql, _ in used]], tuple(value for _, value in used)

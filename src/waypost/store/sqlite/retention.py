"""Deletes the oldest waybills, a few at a time, and what only they used."""

from __future__ import annotations

from array import array
from typing import Any, Final, NamedTuple

import apsw

from waypost.store.moving import CARRY_OF
from waypost.store.rollup import keep_sums
from waypost.store.rows import NAMED
from waypost.store.sqlite.postings import FIELDS, field_of
from waypost.store.sqlite.sql import SqliteSql

CHANGES_KEPT: Final = 10_000
ID_MAX: Final = (1 << 63) - 1
NAMED_FIELDS: Final = tuple(name for name in FIELDS if name in NAMED)
TOO_OLD: Final = "SELECT id FROM calls WHERE id < ? AND state IS NOT 0 ORDER BY id LIMIT ?"
TOO_MANY: Final = "SELECT id FROM calls WHERE state IS NOT 0 ORDER BY id LIMIT ?"
OLDEST: Final = "SELECT id FROM calls WHERE state IS NOT 0 ORDER BY id LIMIT 1"
CARRY: Final = CARRY_OF.format(now="?1", ids="(SELECT value FROM carray(?2))", again="(SELECT value FROM carray(?2))")
UNUSED: Final = """
  SELECT value >> 4 FROM carray(?) AS keys WHERE NOT EXISTS (SELECT 1 FROM postings WHERE key = keys.value)
"""
NOT_INDEXED: Final = " UNION ".join(
    f"SELECT {name} FROM calls WHERE {name} IS NOT NULL AND {where}"  # noqa: S608 (constants)
    for name in NAMED_FIELDS
    for where in ("id > (SELECT coalesce(max(last), 0) FROM segments)", "id IN (SELECT id FROM late)")
)
FORGET_NAMES: Final = f"""
  DELETE FROM names WHERE id IN (SELECT value FROM carray(?)) AND id NOT IN ({NOT_INDEXED}) RETURNING kind, text
"""  # noqa: S608 (constants)

Name = tuple[int, str]
"""Kind and word."""


class Due(NamedTuple):
    """Which calls are to go: those with ids under `before`, else the `surplus` oldest; at most `rows_max` at a time."""

    before: int
    surplus: int
    rows_max: int


def delete_oldest(connection: apsw.Connection, due: Due, now_ms: int) -> tuple[int, list[Name]]:
    """Delete calls that have ended, and carry what they were charged forward, in one transaction.

    Gives how many went, and the names that went with them.
    """
    names: list[Name] = []
    with connection:
        gone = _delete(connection, _due(connection, due), now_ms)
        if gone:
            oldest = connection.execute(OLDEST).get or ID_MAX
            connection.execute("DELETE FROM late WHERE id < ?", (oldest,))
            emptied: Any = connection.execute("SELECT number FROM segments WHERE last < ?", (oldest,)).fetchall()
            for (number,) in emptied:
                names += _drop_segment(connection, number)
            _count_first(connection, oldest)
    return gone, names


def delete_old_notes(connection: apsw.Connection, before: int) -> None:
    """Delete unknown callers under `before`, and changes that every process has long seen."""
    with connection:
        connection.execute("DELETE FROM strangers WHERE id < ?", (before,))
        connection.execute("DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?", (CHANGES_KEPT,))


def _due(connection: apsw.Connection, due: Due) -> array[int]:
    old: Any = connection.execute(TOO_OLD, (due.before, due.rows_max)).fetchall()
    if not old and due.surplus > 0:
        old = connection.execute(TOO_MANY, (min(due.surplus, due.rows_max),)).fetchall()
    return array("q", [number for (number,) in old])


def _delete(connection: apsw.Connection, ids: array[int], now_ms: int) -> int:
    if not ids:
        return 0
    keep_sums(SqliteSql(connection), ids[-1])
    connection.execute(CARRY, (now_ms, apsw.carray(ids)))
    connection.execute("DELETE FROM calls WHERE id IN (SELECT value FROM carray(?))", (apsw.carray(ids),))
    return connection.changes()


def _count_first(connection: apsw.Connection, oldest: int) -> None:
    """Some calls of the oldest segment are gone."""
    connection.execute(
        "UPDATE segments SET calls = (SELECT count(*) FROM calls WHERE id > after AND id <= last AND state IS NOT 0)"
        " WHERE after < ?1 AND last >= ?1",
        (oldest,),
    )


def _drop_segment(connection: apsw.Connection, number: int) -> list[Name]:
    stored: Any = connection.execute("SELECT keys FROM segment_contents WHERE number = ?", (number,)).get
    keys = array("q", stored)
    every = "DELETE FROM postings WHERE segment = ? AND key IN (SELECT value FROM carray(?))"
    connection.execute(every, (number, apsw.carray(keys)))
    connection.execute("DELETE FROM segment_contents WHERE number = ?", (number,))
    connection.execute("DELETE FROM segments WHERE number = ?", (number,))
    return _forget_names(connection, array("q", [key for key in keys if field_of(key) in NAMED_FIELDS]))


def _forget_names(connection: apsw.Connection, keys: array[int]) -> list[Name]:
    """Delete words, such as session tags, that no call holds any more."""
    if not keys:
        return []
    unused: Any = connection.execute(UNUSED, (apsw.carray(keys),)).fetchall()
    if not unused:
        return []
    numbers = array("q", [number for (number,) in unused])
    rows: Any = connection.execute(FORGET_NAMES, (apsw.carray(numbers),)).fetchall()
    return [(kind, text) for kind, text in rows]

"""Deletes the oldest waybills, a few at a time, and what only they used."""

from __future__ import annotations

from array import array
from typing import Any, Final

import apsw

from waypost.store.rows import NAMED
from waypost.store.sqlite.postings import FIELDS, field_of

CHANGES_KEPT: Final = 10_000
ID_MAX: Final = (1 << 63) - 1
NAMED_FIELDS: Final = tuple(name for name in FIELDS if name in NAMED)
TOO_OLD: Final = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?)"
TOO_MANY: Final = "DELETE FROM calls WHERE id IN (SELECT id FROM calls ORDER BY id LIMIT ?)"
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


def delete_oldest(connection: apsw.Connection, before: int, surplus: int, rows_max: int) -> tuple[int, list[Name]]:
    """Delete calls with ids under `before`, else the `surplus` oldest; at most `rows_max`, in one transaction.

    Gives how many went, and the names that went with them.
    """
    names: list[Name] = []
    with connection:
        connection.execute(TOO_OLD, (before, rows_max))
        gone = connection.changes()
        if not gone and surplus > 0:
            connection.execute(TOO_MANY, (min(surplus, rows_max),))
            gone = connection.changes()
        if gone:
            oldest = connection.execute("SELECT min(id) FROM calls").get or ID_MAX
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


def _count_first(connection: apsw.Connection, oldest: int) -> None:
    """Some calls of the oldest segment are gone."""
    connection.execute(
        "UPDATE segments SET calls = (SELECT count(*) FROM calls WHERE id > after AND id <= last)"
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

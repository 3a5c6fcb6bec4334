"""Keeps the lists by filter up to date, a segment at a time, on the writer thread when it is idle.

Calls come in by the time they ended, their ids are from the time they began. So a segment is built some way behind the
newest call, and a call that is older than the last segment is noted as late until its segment is made anew. A call
that runs is in no segment: it is late when it has ended.
"""

from __future__ import annotations

import time
from array import array
from typing import Any, Final

import apsw
import msgspec

from waypost.store.sqlite.many_rows import ManyRows
from waypost.store.sqlite.postings import FIELDS, grouped

SEGMENT_CALLS: Final = 4_096
BEHIND_CALLS: Final = 1_024
"""How far behind the newest call a segment ends, at least."""
LATE_MAX: Final = 1_024
INSERT_POSTINGS: Final = ManyRows("REPLACE", "postings", ("key", "segment", "places"))
FIRST_OF_NAME: Final = """
  (SELECT id FROM tokens WHERE name = (SELECT name FROM tokens WHERE id = token_id) ORDER BY id LIMIT 1)
"""
"""Lists filter by a token's name, and many users may have one of that name: the oldest stands for all of them."""
VALUES: Final = tuple(FIRST_OF_NAME if name == "token_id" else name for name in FIELDS)
COLUMNS_OF: Final = (
    f"SELECT {', '.join(f'json_group_array({name})' for name in ('id', *FIELDS))} FROM ("  # noqa: S608 (constants)
    f"SELECT id, {', '.join(f'{value} AS {name}' for name, value in zip(FIELDS, VALUES, strict=True))}"
    " FROM calls WHERE id > ? AND id <= ? AND state IS NOT 0 ORDER BY id LIMIT ?)"
)
MOST_LATE: Final = """
  SELECT s.number, s.after, s.last, count(*) FROM late JOIN segments s ON late.id > s.after AND late.id <= s.last
  GROUP BY s.number ORDER BY 4 DESC LIMIT 1
"""
ID_MAX: Final = (1 << 63) - 1

_columns = msgspec.json.Decoder(list[int | None])


class Segments:
    """What is indexed, what is not yet, and the steps that bring it forward. Each step is one transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._number = self.indexed_to = self.tail = self.late = self.indexed = 0
        self.reload()

    def reload(self) -> None:
        """Read from the database what is indexed."""
        connection = self._connection
        self._number = _number(connection, "SELECT coalesce(max(number), 0) FROM segments")
        self.indexed_to = _number(connection, "SELECT coalesce(max(last), 0) FROM segments")
        self.tail = _number(connection, "SELECT count(*) FROM calls WHERE id > ? AND state IS NOT 0", self.indexed_to)
        self.late = _number(connection, "SELECT count(*) FROM late")
        self.indexed = _number(connection, "SELECT coalesce(sum(calls), 0) FROM segments")

    @property
    def calls(self) -> int:
        """How many waybills there are."""
        return self.indexed + self.tail

    @property
    def build_due(self) -> bool:
        """There are enough calls for another segment."""
        return self.tail >= SEGMENT_CALLS + BEHIND_CALLS

    @property
    def mend_due(self) -> bool:
        """There are many late calls."""
        return self.late >= LATE_MAX

    def note_late(self, ids: list[int]) -> None:
        """Inside the transaction that writes these calls: remember those whose segment is there already."""
        late = [number for number in ids if number <= self.indexed_to]
        if late:
            insert = "INSERT INTO late SELECT value FROM carray(?)"
            self._connection.execute(insert, (apsw.carray(array("q", late)),))
            count = "UPDATE segments SET calls = calls + 1 WHERE after < ?1 AND last >= ?1"
            for number in late:
                self._connection.execute(count, (number,))

    def count_new(self, ids: list[int]) -> None:
        """After that transaction was committed."""
        late = sum(number <= self.indexed_to for number in ids) if min(ids) <= self.indexed_to else 0
        self.late += late
        self.indexed += late
        self.tail += len(ids) - late

    def build(self) -> None:
        """Make the next segment from the oldest calls of the tail."""
        number = self._number + 1
        with self._connection:
            ids = self._index(number, self.indexed_to, ID_MAX, SEGMENT_CALLS)
        self._number = number
        self.indexed_to = ids[-1]
        self.tail -= len(ids)
        self.indexed += len(ids)

    def mend(self) -> None:
        """Make the segment with the most late calls anew."""
        with self._connection:
            found: Any = self._connection.execute(MOST_LATE).fetchone()
            if found is None:
                self._connection.execute("DELETE FROM late")
                self.late = 0
                return
            number, after, last, count = found
            self._index(number, after, last, -1)
            self._connection.execute("DELETE FROM late WHERE id > ? AND id <= ?", (after, last))
        self.late -= count

    def _index(self, number: int, after: int, last: int, limit: int) -> list[int]:
        """Write a segment's rows and postings; gives its calls' ids."""
        texts: Any = self._connection.execute(COLUMNS_OF, (after, last, limit)).fetchone()
        ids: Any = _columns.decode(texts[0])
        postings: dict[int, bytes] = {}
        for field, text in zip(FIELDS, texts[1:], strict=True):
            postings.update(grouped(field, _columns.decode(text)))
            time.sleep(0)  # the event loop may want the interpreter
        self._connection.execute(
            "INSERT INTO segments (number, after, last, calls) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (number) DO UPDATE SET calls = ?4",
            (number, after, min(last, ids[-1]) if limit > 0 else last, len(ids)),
        )
        self._connection.execute(
            "REPLACE INTO segment_contents (number, ids, keys) VALUES (?, ?, ?)",
            (number, array("q", ids).tobytes(), array("q", postings).tobytes()),
        )
        rows = [(key, number, places) for key, places in postings.items()]
        INSERT_POSTINGS.write(self._connection, rows)
        return list(ids)


def _number(connection: apsw.Connection, query: str, *values: int) -> int:
    return int(connection.execute(query, values).get)

"""Finds the newest calls that fit some filters, from any number of rows, without looking at most of them.

Three places hold calls: segments, whose postings meet as bitmaps; the tail, too new to be in a segment; and late calls,
which are newer than their segment. The newest of each are put together.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from waypost.domain.requests import first_number_at, request_number
from waypost.store.books import Filters
from waypost.store.rows import NAMED, OUTCOMES
from waypost.store.sqlite.postings import FIELDS, descending, key_of, unpack

WINDOW_SEGMENTS_MIN: Final = 8
WINDOW_SEGMENTS_MAX: Final = 256
ID_MAX: Final = (1 << 63) - 1
TESTS: Final = " ".join(
    f"AND (:{name} IS NULL OR {name} IN (SELECT value FROM json_each(:{name})))"  # noqa: S608 (constants)
    for name in FIELDS
)
ENDED: Final = "AND state IS NOT 0"
"""A call that runs is not listed yet."""
FITTING: Final = f"id >= :low AND id < :high {ENDED} {TESTS} ORDER BY id DESC LIMIT :limit"
TAIL: Final = "SELECT id FROM calls WHERE id > (SELECT coalesce(max(last), 0) FROM segments) AND " + FITTING  # noqa: S608 (constants)
LATE: Final = "SELECT id FROM late JOIN calls USING (id) WHERE " + FITTING  # noqa: S608 (constants)
EVERY: Final = f"SELECT id FROM calls WHERE id >= :low AND id < :high {ENDED} ORDER BY id DESC LIMIT :limit"  # noqa: S608 (constants)
OLDEST: Final = f"SELECT id FROM calls WHERE TRUE {ENDED} ORDER BY id LIMIT 1"  # noqa: S608 (constants)
NAME_IDS: Final = "SELECT id FROM names WHERE kind = ? AND text = ?"
USER_IDS: Final = "SELECT id FROM users WHERE name = ?"
IDS_OF_TOKEN: Final = "SELECT id FROM tokens WHERE name = ?"  # noqa: S105 (SQL, no password)
POSTINGS: Final = "SELECT segment, places FROM postings WHERE key = ? AND segment BETWEEN ? AND ?"

_json = msgspec.json.Encoder().encode


class Wanted(NamedTuple):
    """Which calls: ids from `low` up to but without `high`, and for each column the values that fit.

    `token_id` lists every token of the wanted name; postings know them all by the oldest of them (`segments.py`).
    """

    low: int
    high: int
    values: dict[str, list[int]]

    @property
    def keys(self) -> list[int]:
        """A key for each column: all must be held."""
        return [key_of(name, min(self.values[name])) for name in FIELDS if name in self.values]


def wanted(connection: apsw.Connection, filters: Filters) -> Wanted:
    """What the filters mean in numbers. A word nobody used fits nothing: an empty list of values."""
    high = ID_MAX if filters.until_ms is None else first_number_at(filters.until_ms)
    if filters.before is not None:
        high = min(high, request_number(filters.before) or 0)
    low = 0 if filters.since_ms is None else first_number_at(filters.since_ms)
    values: dict[str, Any] = {
        "user_id": filters.user and _numbers(connection, USER_IDS, filters.user),
        "token_id": filters.token and _numbers(connection, IDS_OF_TOKEN, filters.token),
        "outcome": filters.outcome and [OUTCOMES[filters.outcome]],
        "status": filters.status and [filters.status],
    }
    words = {name: getattr(filters, name) for name in FIELDS if name in NAMED}
    values |= {name: word and _numbers(connection, NAME_IDS, NAMED.index(name), word) for name, word in words.items()}
    return Wanted(low, high, {name: found for name, found in values.items() if found is not None})


def newest(connection: apsw.Connection, what: Wanted, limit: int) -> list[int]:
    """The ids of the newest calls that fit, newest first. Inside one read transaction."""
    if not all(what.values.values()):
        return []
    bounds = {"low": what.low, "high": what.high, "limit": limit}
    tests: dict[str, Any] = dict.fromkeys(FIELDS)
    tests |= {name: _json(values).decode() for name, values in what.values.items()}
    if not what.values:
        return _numbers(connection, EVERY, bounds)
    found = _numbers(connection, TAIL, bounds | tests)
    if len(found) < limit:
        found += _numbers(connection, LATE, bounds | tests)
        found += _from_segments(connection, what, limit)
    return sorted(found, reverse=True)[:limit]


def _from_segments(connection: apsw.Connection, what: Wanted, limit: int) -> list[int]:
    found: list[int] = []
    # Retention takes calls away from the old end before their segment goes.
    oldest = connection.execute(OLDEST).get or 0
    low = max(what.low, oldest)
    for number, bits in _hits(connection, what):
        ids = array("q", connection.execute("SELECT ids FROM segment_contents WHERE number = ?", (number,)).get)
        for place in descending(bits):
            if low <= ids[place] < what.high:
                found.append(ids[place])
                if len(found) == limit:
                    return found
    return found


def _hits(connection: apsw.Connection, what: Wanted) -> Iterator[tuple[int, int]]:
    """Segments in which every filter is met at some place, newest first, and those places."""
    reach = "SELECT min(number), max(number) FROM segments WHERE last >= ? AND after < ?"
    bounds: Any = connection.execute(reach, (what.low, what.high - 1)).fetchone()
    first, last = bounds
    window = WINDOW_SEGMENTS_MIN
    while first is not None and last >= first:
        start = max(first, last - window + 1)
        yield from sorted(_meet(connection, what.keys, start, last).items(), reverse=True)
        last = start - 1
        window = min(window * 2, WINDOW_SEGMENTS_MAX)


def _meet(connection: apsw.Connection, keys: list[int], start: int, last: int) -> dict[int, int]:
    """Segment → places that hold every key."""
    met: dict[int, int] | None = None
    for key in keys:
        rows: Any = connection.execute(POSTINGS, (key, start, last)).fetchall()
        if met is None:
            met = {number: unpack(places) for number, places in rows}
        else:
            met = {number: both for number, places in rows if number in met and (both := unpack(places) & met[number])}
        if not met:
            break
    return met or {}


def _numbers(connection: apsw.Connection, query: str, *values: Any) -> list[int]:
    bindings = values[0] if len(values) == 1 and isinstance(values[0], dict) else values
    rows: Any = connection.execute(query, bindings).fetchall()
    return [row[0] for row in rows]

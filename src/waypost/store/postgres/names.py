"""Words that many rows repeat, each written once and known by its number. Used by the writer thread alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from waypost.store.postgres.arrays import array
from waypost.store.postgres.sql import Session
from waypost.store.rows import FIRST_NAMED, NAMED, Row

NAMES_KEPT_MAX: Final = 65_536
KNOWN: Final = """
  SELECT n.kind, n.text, n.id FROM unnest(%s::bigint[], %s::text[]) AS wanted (kind, text)
  JOIN names n ON n.kind = wanted.kind AND n.text = wanted.text
"""
NEW: Final = """
  INSERT INTO names (kind, text) SELECT * FROM unnest(%s::bigint[], %s::text[]) ON CONFLICT (kind, text) DO NOTHING
"""
Word = tuple[int, str]
"""Kind and word."""


class Names:
    """The numbers of words, from memory, else from the table, else new."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Word, int] = {}

    def numbered(self, rows: Iterable[Row]) -> list[list[Any]]:
        """The rows with numbers for their words. Must run inside the transaction that writes the rows."""
        lists = [list(row) for row in rows]
        places = range(FIRST_NAMED, FIRST_NAMED + len(NAMED))
        words = {(place - FIRST_NAMED, row[place]) for row in lists for place in places if row[place] is not None}
        numbers = self._numbers(words)
        for row in lists:
            for place in places:
                if row[place] is not None:
                    row[place] = numbers[place - FIRST_NAMED, row[place]]
        return lists

    def forget(self, gone: Iterable[Word] | None = None) -> None:
        """These words were deleted from the table; without any, it is not sure any more which are in it."""
        if gone is None:
            self._known.clear()
            return
        for word in gone:
            self._known.pop(word, None)

    def _numbers(self, words: set[Word]) -> dict[Word, int]:
        unknown = [word for word in words if word not in self._known]
        if unknown:
            if len(self._known) + len(unknown) > NAMES_KEPT_MAX:
                self._known.clear()
                unknown = list(words)
            self._learn(unknown)
        return self._known

    def _learn(self, unknown: list[Word]) -> None:
        storable = {word: (word[0], word[1].replace("\0", "\N{REPLACEMENT CHARACTER}")) for word in unknown}
        found = self._look_up(list(storable.values()))
        missing = [word for word in storable.values() if word not in found]
        if missing:
            self._session.connection.execute(NEW, columns(missing))
            found |= self._look_up(missing)
        self._known |= {word: found[kept] for word, kept in storable.items()}

    def _look_up(self, words: list[Word]) -> dict[Word, int]:
        rows = self._session.connection.execute(KNOWN, columns(words)).fetchall()
        return {(kind, text): number for kind, text, number in rows}


def columns(words: Sequence[Word]) -> list[str]:
    """Kinds and words, as the statements take them."""
    return [array("bigint", [kind for kind, _ in words]), array("text", [text for _, text in words])]

"""Words that many rows repeat, each written once and known by its number. Used by the writer thread alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

from waypost.store.rows import FIRST_NAMED, NAMED, Row

NAMES_KEPT_MAX: Final = 65_536
TOGETHER_KEPT_MAX: Final = 8_192
AFTER_NAMED: Final = FIRST_NAMED + len(NAMED)


class Names:
    """The numbers of words, from memory, else from the table, else new."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: tuple[dict[str, int], ...] = tuple({} for _ in NAMED)
        self._together: dict[tuple[str | None, ...], list[int | None]] = {}
        """Words that stood in one row, for most calls are like one before."""
        self._fresh: list[tuple[int, str]] = []

    def numbered(self, rows: Iterable[Row]) -> list[Any]:
        """The values of all rows, one after the other, with numbers for words.

        Must run inside the transaction that writes the rows.
        """
        values: list[Any] = []
        known = self._together
        for row in rows:
            words = tuple(row[FIRST_NAMED:AFTER_NAMED])
            values += row[:FIRST_NAMED]
            values += known.get(words) or self._look_up_all(words)
            values += row[AFTER_NAMED:]
        return values

    def forget_fresh(self) -> None:
        """Forget the words of a transaction that was rolled back."""
        self.forget(self._fresh)
        self._fresh.clear()

    def forget(self, gone: list[tuple[int, str]]) -> None:
        """These words were deleted from the table."""
        if gone:
            self._together.clear()
        for kind, word in gone:
            self._known[kind].pop(word, None)

    def keep_fresh(self) -> None:
        """The transaction was committed."""
        self._fresh.clear()

    def _look_up_all(self, words: tuple[str | None, ...]) -> list[int | None]:
        numbers: list[int | None] = []
        for kind, word in enumerate(words):
            numbers.append(None if word is None else self._known[kind].get(word) or self._look_up(kind, word))
        if len(self._together) >= TOGETHER_KEPT_MAX:
            self._together.clear()
        self._together[words] = numbers
        return numbers

    def _look_up(self, kind: int, word: str) -> int:
        found = self._connection.execute("SELECT id FROM names WHERE kind = ? AND text = ?", (kind, word)).get
        if found is None:
            insert = "INSERT INTO names (kind, text) VALUES (?, ?) RETURNING id"
            found = self._connection.execute(insert, (kind, word)).get
            self._fresh.append((kind, word))
        known = self._known[kind]
        if len(known) >= NAMES_KEPT_MAX:
            known.clear()
        known[word] = found
        return int(found)

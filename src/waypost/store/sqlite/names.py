"""Words that many rows repeat, each written once and known by its number. Used by the writer thread alone."""

from __future__ import annotations

from typing import Any, Final

import apsw

from waypost.store.rows import FIRST_NAMED, NAMED, Row

NAMES_KEPT_MAX: Final = 65_536


class Names:
    """The numbers of words, from memory, else from the table, else new."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: tuple[dict[str, int], ...] = tuple({} for _ in NAMED)
        self._fresh: list[tuple[int, str]] = []

    def numbered(self, row: Row) -> list[Any]:
        """The row with numbers for its words. Must run inside the transaction that writes the row."""
        values = list(row)
        for place, known in enumerate(self._known, FIRST_NAMED):
            word = values[place]
            if word is not None:
                values[place] = known.get(word) or self._look_up(place - FIRST_NAMED, word)
        return values

    def forget_fresh(self) -> None:
        """Forget the words of a transaction that was rolled back."""
        for kind, word in self._fresh:
            self._known[kind].pop(word, None)
        self._fresh.clear()

    def forget(self, gone: list[tuple[int, str]]) -> None:
        """These words were deleted from the table."""
        for kind, word in gone:
            self._known[kind].pop(word, None)

    def keep_fresh(self) -> None:
        """The transaction was committed."""
        self._fresh.clear()

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

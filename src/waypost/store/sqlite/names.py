"""Words that many rows repeat, each written once and known by its number. Used by the writer thread alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import apsw

from waypost.store.rows import AFTER_NAMED, FIRST_NAMED, NAMED, WIDTH, Row

NAMES_KEPT_MAX: Final = 65_536
TOGETHER_KEPT_MAX: Final = 8_192
ACCOUNT_KIND: Final = len(NAMED)
"""The names of accounts, which stand in a table of their own."""
OF_NAMES: Final = (
    "SELECT id FROM names WHERE kind = ? AND text = ?",
    "INSERT INTO names (kind, text) VALUES (?, ?) RETURNING id",
)
OF_ACCOUNTS: Final = (
    "SELECT id FROM accounts WHERE name = ?",
    "INSERT INTO accounts (name) VALUES (?) RETURNING id",
)


class Names:
    """The numbers of words, from memory, else from the table, else new."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: tuple[dict[str, int], ...] = tuple({} for _ in (*NAMED, "accounts"))
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
            values += row[AFTER_NAMED:WIDTH]
        return values

    def account(self, name: str) -> int:
        """The number of an account, which is opened where there is none. Inside a transaction too."""
        return self._known[ACCOUNT_KIND].get(name) or self._look_up(ACCOUNT_KIND, name)

    def word(self, kind: int, word: str) -> int:
        """The number of a word. Inside a transaction too."""
        return self._known[kind].get(word) or self._look_up(kind, word)

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
        for place, word in enumerate(words):
            numbers.append(None if word is None else self.word(min(place, ACCOUNT_KIND), word))
        if len(self._together) >= TOGETHER_KEPT_MAX:
            self._together.clear()
        self._together[words] = numbers
        return numbers

    def _look_up(self, kind: int, word: str) -> int:
        select, insert, values = (*OF_ACCOUNTS, (word,)) if kind == ACCOUNT_KIND else (*OF_NAMES, (kind, word))
        found = self._connection.execute(select, values).get
        if found is None:
            found = self._connection.execute(insert, values).get
            self._fresh.append((kind, word))
        known = self._known[kind]
        if len(known) >= NAMES_KEPT_MAX:
            known.clear()
        known[word] = found
        return int(found)

"""Words that many rows repeat, each written once and known by its number. Used by the writer thread alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from waypost.store.postgres.arrays import array
from waypost.store.postgres.sql import Session
from waypost.store.rows import AFTER_NAMED, FIRST_NAMED, NAMED, WIDTH, Row

NAMES_KEPT_MAX: Final = 65_536
ACCOUNT_KIND: Final = len(NAMED)
"""The names of accounts, which stand in a table of their own."""
KNOWN: Final = """
  SELECT n.kind, n.text, n.id FROM unnest(%s::bigint[], %s::text[]) AS wanted (kind, text)
  JOIN names n ON n.kind = wanted.kind AND n.text = wanted.text
"""
NEW: Final = """
  INSERT INTO names (kind, text) SELECT * FROM unnest(%s::bigint[], %s::text[]) ON CONFLICT (kind, text) DO NOTHING
"""
KNOWN_ACCOUNTS: Final = "SELECT name, id FROM accounts WHERE name = ANY(%s::text[])"
NEW_ACCOUNTS: Final = "INSERT INTO accounts (name) SELECT * FROM unnest(%s::text[]) ON CONFLICT (name) DO NOTHING"
Word = tuple[int, str]
"""Kind and word."""


class Names:
    """The numbers of words, from memory, else from their table, else new."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[Word, int] = {}

    def numbered(self, rows: Iterable[Row]) -> list[list[Any]]:
        """The columns of the rows, with numbers for words. Must run inside the transaction that writes them."""
        lists = [list(row[:WIDTH]) for row in rows]
        places = [(place, min(place - FIRST_NAMED, ACCOUNT_KIND)) for place in range(FIRST_NAMED, AFTER_NAMED)]
        words = {(kind, row[place]) for row in lists for place, kind in places if row[place] is not None}
        numbers = self.numbers(words)
        for row in lists:
            for place, kind in places:
                if row[place] is not None:
                    row[place] = numbers[kind, row[place]]
        return lists

    def numbers(self, words: set[Word]) -> dict[Word, int]:
        """The numbers of these words and of others. Inside a transaction too."""
        unknown = [word for word in words if word not in self._known]
        if unknown:
            if len(self._known) + len(unknown) > NAMES_KEPT_MAX:
                self._known.clear()
                unknown = list(words)
            self._learn(unknown)
        return self._known

    def forget(self, gone: Iterable[Word] | None = None) -> None:
        """These words were deleted from the table; without any, it is not sure any more which are in it."""
        if gone is None:
            self._known.clear()
            return
        for word in gone:
            self._known.pop(word, None)

    def _learn(self, unknown: list[Word]) -> None:
        storable = {word: (word[0], word[1].replace("\0", "\N{REPLACEMENT CHARACTER}")) for word in unknown}
        accounts = [word for word in storable.values() if word[0] == ACCOUNT_KIND]
        found = self._learn_accounts(accounts) if accounts else {}
        words = [word for word in storable.values() if word[0] != ACCOUNT_KIND]
        if words:
            found |= self._learn_words(words)
        self._known |= {word: found[kept] for word, kept in storable.items()}

    def _learn_words(self, words: list[Word]) -> dict[Word, int]:
        found = self._look_up(words)
        missing = [word for word in words if word not in found]
        if missing:
            self._session.connection.execute(NEW, columns(missing))
            found |= self._look_up(missing)
        return found

    def _learn_accounts(self, words: list[Word]) -> dict[Word, int]:
        names = [array("text", [name for _, name in words])]
        execute = self._session.connection.execute
        found = execute(KNOWN_ACCOUNTS, names).fetchall()
        if len(found) < len(words):
            execute(NEW_ACCOUNTS, names)
            found = execute(KNOWN_ACCOUNTS, names).fetchall()
        return {(ACCOUNT_KIND, name): number for name, number in found}

    def _look_up(self, words: list[Word]) -> dict[Word, int]:
        rows = self._session.connection.execute(KNOWN, columns(words)).fetchall()
        return {(kind, text): number for kind, text, number in rows}


def columns(words: Sequence[Word]) -> list[str]:
    """Kinds and words, as the statements take them."""
    return [array("bigint", [kind for kind, _ in words]), array("text", [text for _, text in words])]

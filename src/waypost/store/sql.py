"""The seam between SQL and engines: what is asked seldom is written once and runs on SQLite and Postgres alike.

Statements name their values (`:name`) and keep to what both understand: `RETURNING`, `ON CONFLICT … DO UPDATE`,
`coalesce`, `CASE`; no scalar `min` or `max`, no `json_each`, no `rowid`. The hot writer and lists have their own
statements for each engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Final, Protocol

Values = Mapping[str, Any]
Row = tuple[Any, ...]
NOTHING: Final[Values] = MappingProxyType({})


class EngineTrouble(Exception):
    """The engine failed, not what was asked of it. As it stands: nothing more can be written."""


class TryAgain(EngineTrouble):
    """Nothing of the transaction was written, and the same may work soon: the disk is full, the connection is lost."""


class OutcomeUnknown(EngineTrouble):
    """It failed in the middle of a commit: nobody knows whether it is written until the data is read anew."""


class Unstorable(Exception):
    """A table does not take these values. Nothing more can be done in this savepoint."""


class Sql(Protocol):
    """One connection to the data, whichever engine holds it. Raises Unstorable and EngineTrouble."""

    def rows(self, statement: str, values: Values = NOTHING) -> list[Row]:
        """Every row of the answer."""

    def row(self, statement: str, values: Values = NOTHING) -> Row | None:
        """The first row, None where there is none."""

    def value(self, statement: str, values: Values = NOTHING) -> Any:
        """The first column of the first row, None where there is none."""

    def run(self, statement: str, values: Values = NOTHING) -> int:
        """Do it, and say how many rows it changed."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
        """Many rows in few statements. `conflict` is what follows `ON CONFLICT`: `(key) DO UPDATE SET …`."""

    def savepoint(self) -> AbstractContextManager[None]:
        """What is done inside is undone when it raises. May be nested. Outside of a transaction it is one."""
